// Signals over time, several under one another on one time axis, with what was done in lanes.

import { html, useEffect, useRef } from "/vendor/htm-preact.js";
import { value, spoken, clock } from "/words.js";

const LEFT = 74;
const RIGHT = 12;
const CHARTS_MAX = 6;
// Clocks here show whole seconds, so no two lines may stand within one.
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 14400, 43200, 86400];

// Yes-or-no metrics and those that left their band say most; they come first.
export function ranked(signals) {
  const weight = (name) => {
    const values = signals.metrics[name].filter((each) => each != null);
    if (values.length < 2) return -1;
    const [low, high] = signals.bands[name] ?? [null, null];
    const out = values.filter((each) => (low != null && each < low) || (high != null && each > high)).length;
    const top = Math.max(...values);
    const span = top - Math.min(...values);
    return out / values.length * 10 + (signals.bands[name] ? 1 : 0) + (span > 0 ? Math.min(1, span / (Math.abs(top) || 1)) : -0.5);
  };
  return Object.keys(signals.metrics).map((name) => [weight(name), name]).filter(([each]) => each >= 0).sort((a, b) => b[0] - a[0]).map(([, name]) => name);
}

export function Signals({ signals, marks = [], spans = [], range }) {
  const names = ranked(signals).slice(0, CHARTS_MAX);
  if (!names.length) return html`<p class="empty">No readings of it are on record.</p>`;
  const times = signals.times_utc;
  const span = range ?? [times[0], times[times.length - 1]];
  return html`<div class="charts">${names.map((name, place) => {
    const [own, values] = dense(times, signals.metrics[name]);
    return html`<${Chart} key=${`${name} ${place === names.length - 1}`} name=${name} times=${own} values=${values} band=${signals.bands[name]} range=${span} marks=${marks} spans=${spans} last=${place === names.length - 1} />`;
  })}</div>`;
}

// Rows of several probes take turns, so a metric has its own times; a real gap stays one.
function dense(times, values) {
  const known = times.map((time, place) => [time, values[place]]).filter(([, each]) => each != null);
  const steps = known.slice(1).map(([time], place) => time - known[place][0]).sort((a, b) => a - b);
  const usual = steps[Math.floor(steps.length / 2)] ?? 1;
  const found = [[], []];
  known.forEach(([time, each], place) => {
    if (place && time - known[place - 1][0] > 6 * usual + 1) {
      found[0].push(known[place - 1][0] + usual);
      found[1].push(null);
    }
    found[0].push(time);
    found[1].push(each);
  });
  return found;
}

const isYesNo = (values, band) => band && values.every((each) => each == null || each === 0 || each === 1);

function Chart({ name, times, values, band, range, marks, spans, last }) {
  const height = last ? 104 : 82;
  const yesNo = isYesNo(values, band);
  const box = useRef(null);
  const plot = useRef(null);
  const shown = useRef({});
  shown.current = { marks, spans, band, range };
  useEffect(() => {
    const style = getComputedStyle(document.documentElement);
    const colour = (token) => style.getPropertyValue(token).trim();
    const options = {
      width: box.current.clientWidth, height, legend: { show: false },
      cursor: { sync: { key: "mendel", scales: ["x", null] }, y: false, drag: { x: false } },
      padding: [8, RIGHT, 0, 0],
      scales: { x: { time: true, range: () => shown.current.range }, y: { range: (_, low, high) => (yesNo ? [-0.1, 1.15] : bounds(low, high, shown.current.band)) } },
      axes: [
        { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, space: 96, incrs: STEPS_S, size: last ? 26 : 4, values: (_, splits) => splits.map((each) => (last ? clock(each) : "")) },
        { stroke: colour("--faint"), grid: { stroke: colour("--line"), width: 1 }, ticks: { show: false }, size: LEFT, splits: yesNo ? () => [0, 1] : undefined, values: (_, splits) => splits.map((each) => (yesNo ? ["no", "yes"][each] : value(name, each))) },
      ],
      series: [{}, { stroke: colour("--signal"), width: 1.8, spanGaps: false, points: { show: false }, paths: yesNo ? uPlot.paths.stepped({ align: 1 }) : undefined }],
      hooks: { drawClear: [(chart) => backdrop(chart, shown.current, colour)] },
    };
    plot.current = new uPlot(options, [times, values], box.current);
    const watch = new ResizeObserver(() => plot.current.setSize({ width: box.current.clientWidth, height }));
    watch.observe(box.current);
    return () => {
      watch.disconnect();
      plot.current.destroy();
    };
  }, []);
  useEffect(() => plot.current?.setData([times, values]), [times, values, range[0], range[1], marks.length, spans.length]);
  const known = values.filter((each) => each != null);
  const newest = known[known.length - 1];
  const say = (each) => (yesNo ? ["no", "yes"][each] : value(name, each));
  const told = band && !yesNo ? `; fine ${[band[0] != null && `from ${value(name, band[0])}`, band[1] != null && `up to ${value(name, band[1])}`].filter(Boolean).join(" ")}` : "";
  return html`<figure class="chart"><figcaption>${spoken(name)}<span class="faint"> now ${say(newest)}${told}</span></figcaption><div ref=${box} role="img" aria-label=${`${spoken(name)} from ${value(name, Math.min(...known))} to ${value(name, Math.max(...known))}, last ${say(newest)}${told}`}></div></figure>`;
}

function bounds(low, high, band) {
  const edges = [low, high, ...(band ?? [])].filter((each) => each != null && isFinite(each));
  const bottom = Math.min(...edges);
  const top = Math.max(...edges);
  const room = (top - bottom || Math.abs(top) || 1) * 0.1;
  return [bottom >= 0 ? Math.max(0, bottom - room) : bottom - room, top + room];
}

function backdrop(chart, { marks, spans, band }, colour) {
  const { ctx, bbox } = chart;
  ctx.save();
  ctx.beginPath();
  ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
  ctx.clip();
  if (band) {
    const top = band[1] == null ? bbox.top : chart.valToPos(band[1], "y", true);
    const bottom = band[0] == null ? bbox.top + bbox.height : chart.valToPos(band[0], "y", true);
    ctx.fillStyle = colour("--band");
    ctx.fillRect(bbox.left, top, bbox.width, bottom - top);
  }
  for (const { from, to, kind } of spans) {
    const left = chart.valToPos(from, "x", true);
    ctx.fillStyle = colour(`--span-${kind}`);
    ctx.fillRect(left, bbox.top, Math.max(2, chart.valToPos(to, "x", true) - left), bbox.height);
  }
  ctx.strokeStyle = colour("--faint");
  ctx.setLineDash([4, 4]);
  for (const { at } of marks) {
    const x = Math.round(chart.valToPos(at, "x", true)) + 0.5;
    ctx.beginPath();
    ctx.moveTo(x, bbox.top);
    ctx.lineTo(x, bbox.top + bbox.height);
    ctx.stroke();
  }
  ctx.restore();
}

// A lane of labelled stretches above the charts, on the same axis.
export function Lane({ title, stretches, range }) {
  const width = range[1] - range[0] || 1;
  return html`<div class="lane"><span class="lanename">${title}</span><div class="lanebody">
    ${stretches.map(({ from, to, text, kind, detail }) => {
      const left = Math.max(0, (from - range[0]) / width) * 100;
      const right = Math.min(1, (to - range[0]) / width) * 100;
      return html`<span class=${`stretch ${kind}`} title=${detail ?? text} style=${{ left: `${left}%`, width: `${Math.max(0.6, right - left)}%` }}>${right - left > 5 ? text : ""}</span>`;
    })}
  </div></div>`;
}
