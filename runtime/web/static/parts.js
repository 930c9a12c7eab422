// Small pieces that several views are made of.

import { html, useState, useEffect, useRef } from "/vendor/htm-preact.js";
import { GLYPHS } from "/words.js";

export function Badge({ status, label }) {
  return html`<span class=${`badge ${status}`}><span class="glyph" aria-hidden="true">${GLYPHS[status] ?? "·"}</span>${label ?? status}</span>`;
}

// The command that shows or does the same in a terminal.
export function Command({ text }) {
  const [copied, setCopied] = useState(false);
  const copy = async () => {
    await navigator.clipboard?.writeText(text);
    setCopied(true);
    setTimeout(() => setCopied(false), 1500);
  };
  return html`<span class="command"><code>${text}</code><button type="button" class="quiet" onClick=${copy} aria-label=${`Copy the command ${text}`}>${copied ? "copied" : "copy"}</button></span>`;
}

export function Sparkline({ values, label }) {
  const known = values.filter((each) => each != null);
  if (known.length < 2) return html`<span class="faint">–</span>`;
  const top = Math.max(...known) || 1;
  const step = 96 / Math.max(1, values.length - 1);
  let path = "";
  values.forEach((each, place) => {
    if (each == null) return;
    path += `${path && values[place - 1] != null ? "L" : "M"}${(place * step).toFixed(1)} ${(22 - (each / top) * 20).toFixed(1)}`;
  });
  return html`<svg class="spark" viewBox="0 0 96 24" role="img" aria-label=${label}><path d=${path} /></svg>`;
}

export function Panel({ title, count, command, children, id }) {
  return html`<section class="panel" aria-labelledby=${id}>
    <header><h2 id=${id}>${title}${count == null ? "" : html` <span class="count">${count}</span>`}</h2>${command && html`<${Command} text=${command} />`}</header>
    ${children}
  </section>`;
}

export function Empty({ children }) {
  return html`<p class="empty">${children}</p>`;
}

// Something fetched, shown again whenever `key` changes or `everyMs` has passed.
export function useFetched(load, key, everyMs) {
  const [found, setFound] = useState({ value: null, error: null });
  useEffect(() => {
    let gone = false;
    const look = async () => {
      try {
        const value = await load();
        if (!gone) setFound({ value, error: null });
      } catch (error) {
        if (!gone) setFound((before) => ({ value: before.value, error }));
      }
    };
    look();
    const timer = everyMs && setInterval(() => document.hidden || look(), everyMs);
    return () => {
      gone = true;
      clearInterval(timer);
    };
  }, [key]);
  return found;
}

// A long list of rows of one height, of which only those in sight are made.
export function LongList({ rows, height, render, label }) {
  const box = useRef(null);
  const [top, setTop] = useState(0);
  const room = Math.min(rows.length, 14);
  const first = Math.max(0, Math.floor(top / height) - 4);
  const shown = rows.slice(first, first + room + 12);
  return html`<div class="longlist" ref=${box} style=${{ height: `${Math.max(1, room) * height}px` }} onScroll=${(event) => setTop(event.currentTarget.scrollTop)} role="list" aria-label=${label} tabindex="0">
    <div style=${{ height: `${rows.length * height}px`, position: "relative" }}>
      ${shown.map((row, place) => html`<div class="longrow" role="listitem" key=${row.key} style=${{ top: `${(first + place) * height}px`, height: `${height}px` }}>${render(row)}</div>`)}
    </div>
  </div>`;
}
