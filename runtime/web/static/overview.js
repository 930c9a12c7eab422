// The first view: what is there, how it is, and what is being done about it.

import { html, useState } from "/vendor/htm-preact.js";
import { Badge, Command, Empty, LongList, Panel, Sparkline } from "/parts.js";
import { Graph } from "/graph.js";
import { clock, duration, plural, spoken, value } from "/words.js";
import { Change } from "/steer.js";

export function Overview({ state, kind }) {
  const views = [...state.components.values()].filter((view) => !kind || view.kind === kind);
  const open = views.filter((view) => view.incident).sort((a, b) => (a.stage === "attributed") - (b.stage === "attributed"));
  return html`
    ${!kind && html`<${Panel} id="graph" title="Who needs whom" count=${state.components.size} command="mendel status"><${Graph} state=${state} /><//>`}
    <div class="columns">
      <${Panel} id="open" title="Open incidents" count=${open.length} command="mendel incidents list --open">
        ${open.length ? html`<ul class="cards">${open.map((view) => html`<${OpenIncident} key=${view.name} view=${view} state=${state} />`)}</ul>` : html`<${Empty}>Nothing is wrong as far as anybody has looked.<//>`}
      <//>
      <${Panel} id="happens" title="What happens" command="mendel events -f"><${Events} events=${state.events} /><//>
    </div>
    <${Panel} id="components" title=${kind ? `Components of kind ${kind}` : "Components"} count=${views.length} command="mendel status">
      <${Components} views=${views} state=${state} />
    <//>`;
}

function OpenIncident({ view, state }) {
  const asked = state.approvals.find((each) => each.target === view.name);
  return html`<li class=${`card ${view.status}`}>
    <a href=${`#/incident/${view.incident}`}><strong>${view.name}</strong> <span class="faint">incident ${view.incident}</span></a>
    <span class="stage">${spoken(view.stage)}</span>
    <p>${view.reason}</p>
    ${asked && html`<p class="ask"><strong>${asked.action}</strong> waits for a person: ${asked.reason} <${Change} label="Approve" path=${`/approvals/${encodeURIComponent(asked.approval)}`} body=${{}} command=${`mendel approve ${asked.approval}`} /></p>`}
  </li>`;
}

function Events({ events }) {
  const newest = events.slice(-60).reverse();
  if (!newest.length) return html`<${Empty}>Nothing has happened yet. Readings of healthy components are no news.<//>`;
  return html`<ol class="events" tabindex="0" aria-label="Newest events first">${newest.map((event) => html`<li key=${event.id}><time>${clock(event.utc)}</time><span>${event.text}</span></li>`)}</ol>`;
}

const ORDER = { sick: 0, suspect: 1, unknown: 2, healthy: 3 };

function Components({ views, state }) {
  const [find, setFind] = useState("");
  const shown = views.filter((view) => view.name.includes(find.trim())).sort((a, b) => ORDER[a.status] - ORDER[b.status]);
  const row = ({ view }) => html`<a class="component" href=${`#/component/${view.name}`}>
    <span class="what"><${Badge} status=${view.paused_s > 0 ? "paused" : view.status} /><strong>${view.name}</strong></span>
    <span class="faint kind">${view.kind} · ${view.level ? `${view.level} · ` : ""}${duration((Date.now() - view.sinceMs) / 1000)}</span>
    <span class="latency">${state.sparks.has(view.name) ? html`<${Sparkline} values=${state.sparks.get(view.name)} label=${`Latency of ${view.name} over two minutes`} />` : ""}<span>${value("latency_s", state.signals[view.name]?.latency_s)}</span></span>
    <span class="why">${view.circuit && view.circuit !== "closed" ? `circuit ${view.circuit} · ` : ""}${view.reason}</span>
  </a>`;
  return html`
    ${views.length > 12 && html`<label class="find">Find <input type="search" value=${find} onInput=${(event) => setFind(event.currentTarget.value)} placeholder="part of a name" /></label>`}
    <div class="component listhead" aria-hidden="true">${["component", "kind, level, for", "latency", "why"].map((each) => html`<span>${each}</span>`)}</div>
    <${LongList} label="Components" height=${46} rows=${shown.map((view) => ({ key: view.name, view }))} render=${row} />
    ${!shown.length && html`<${Empty}>No component is called like that.<//>`}`;
}

export const worst = (state) => {
  const seen = new Set([...state.components.values()].map((view) => view.status));
  return ["sick", "suspect", "unknown", "healthy"].find((each) => seen.has(each)) ?? "unknown";
};

export function summary(state) {
  const counts = {};
  for (const view of state.components.values()) counts[view.status] = (counts[view.status] ?? 0) + 1;
  const bad = ["sick", "suspect", "unknown"].filter((each) => counts[each]).map((each) => `${counts[each]} ${each}`);
  return bad.length ? bad.join(", ") : `${plural(state.components.size, "component")} healthy`;
}
