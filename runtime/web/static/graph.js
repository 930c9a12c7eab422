// The dependency graph: who needs whom, from left to right, each as healthy as it is.

import { html } from "/vendor/htm-preact.js";
import { GLYPHS, value, plural } from "/words.js";

const CARD = { width: 176, height: 58, gapX: 84, gapY: 26 };
const GROUPED_FROM = 60; // More cards than this are a wallpaper; then a card stands for a group.
const FLASH_MS = 2500;

export function Graph({ state }) {
  const grouped = state.places.length >= GROUPED_FROM;
  const nodes = grouped ? groups(state) : state.places.map((place) => single(place, state));
  const at = new Map();
  for (const node of nodes) for (const name of node.members) at.set(name, node);
  const columns = Math.max(0, ...nodes.map((node) => node.column)) + 1;
  const rows = Math.max(0, ...nodes.map((node) => node.row)) + 1;
  const heights = new Map();
  for (const node of nodes) heights.set(node.column, Math.max(heights.get(node.column) ?? 0, node.row + 1));
  const spot = (node) => ({
    x: 8 + node.column * (CARD.width + CARD.gapX),
    // Short columns stand in the middle of long ones.
    y: 8 + (node.row + (rows - heights.get(node.column)) / 2) * (CARD.height + CARD.gapY),
  });
  const width = 16 + columns * CARD.width + (columns - 1) * CARD.gapX;
  const height = 16 + rows * CARD.height + (rows - 1) * CARD.gapY;
  return html`<div class="graph" tabindex="0" role="region" aria-label="Dependency graph">
    <svg viewBox=${`0 0 ${width} ${height}`} style=${{ width: `${width}px` }} role="group" aria-label=${`${plural(state.components.size, "component")} and what they depend on`}>
      ${edges(nodes, at, state).map(({ from, to, cut }) => html`<path class=${cut ? "edge cut" : "edge"} d=${curve(spot(from), spot(to))} />`)}
      ${nodes.map((node) => html`<${Card} node=${node} spot=${spot(node)} />`)}
    </svg>
  </div>`;
}

function single(place, state) {
  const view = state.components.get(place.name);
  const signals = state.signals[place.name] ?? {};
  const latency = signals.latency_s ?? signals.latency_p95_s;
  const paused = view?.paused_s > 0;
  const notes = [view?.stage && view.stage.replaceAll("_", " "), latency != null && view?.status === "healthy" && value("latency_s", latency), !view?.stage && view?.circuit && view.circuit !== "closed" && `circuit ${view.circuit}`];
  return {
    ...place, members: [place.name], href: `#/component/${place.name}`, title: place.name,
    status: paused ? "paused" : view?.status ?? "unknown",
    text: [paused ? "paused" : view?.status ?? "unknown", ...notes.filter(Boolean)].join(" · "),
    healed: Date.now() - (state.healedMs.get(place.name) ?? 0) < FLASH_MS,
  };
}

function groups(state) {
  const found = new Map();
  for (const place of state.places) {
    const view = state.components.get(place.name);
    const key = `${place.column} ${view?.kind}`;
    if (!found.has(key)) found.set(key, { name: key, column: place.column, members: [], counts: {}, kind: view?.kind });
    const group = found.get(key);
    group.members.push(place.name);
    const status = view?.status ?? "unknown";
    group.counts[status] = (group.counts[status] ?? 0) + 1;
  }
  const rows = new Map();
  return [...found.values()].map((group) => {
    const row = rows.get(group.column) ?? 0;
    rows.set(group.column, row + 1);
    const status = ["sick", "suspect", "unknown", "healthy"].find((each) => group.counts[each]);
    const told = ["sick", "suspect", "unknown"].filter((each) => group.counts[each]).map((each) => `${group.counts[each]} ${each}`);
    return { ...group, row, status, title: `${group.members.length} × ${group.kind}`, text: told.join(" · ") || "all healthy", href: `#/components/${group.kind}` };
  });
}

function edges(nodes, at, state) {
  const found = new Map();
  for (const view of state.components.values()) {
    for (const other of view.depends_on) {
      const from = at.get(view.name);
      const to = at.get(other);
      if (!from || !to || from === to) continue;
      const circuit = state.components.get(other)?.circuit;
      const cut = circuit === "open" || circuit === "isolated" || circuit === "forced_open";
      found.set(`${from.name}>${to.name}`, { from, to, cut });
    }
  }
  return [...found.values()];
}

function curve(from, to) {
  const startX = from.x + CARD.width;
  const startY = from.y + CARD.height / 2;
  const endY = to.y + CARD.height / 2;
  const bend = Math.max(30, (to.x - startX) / 2);
  return `M${startX} ${startY}C${startX + bend} ${startY} ${to.x - bend} ${endY} ${to.x} ${endY}`;
}

function Card({ node, spot }) {
  return html`<a href=${node.href} class=${`node ${node.status}${node.healed ? " healed" : ""}`} aria-label=${`${node.title}: ${node.text}`}>
    <rect x=${spot.x} y=${spot.y} width=${CARD.width} height=${CARD.height} rx="10" />
    <text class="glyph" x=${spot.x + 14} y=${spot.y + 25} aria-hidden="true">${GLYPHS[node.status]}</text>
    <text class="name" x=${spot.x + 34} y=${spot.y + 25}>${short(node.title, 17)}</text>
    <text class="note" x=${spot.x + 34} y=${spot.y + 44}>${short(node.text, 23)}</text>
    <title>${node.title}: ${node.text}</title>
  </a>`;
}

const short = (text, length) => (text.length > length ? `${text.slice(0, length - 1)}…` : text);
