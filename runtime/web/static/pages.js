// The other views: one component, incidents, one incident, agents, audit.

import { html } from "/vendor/htm-preact.js";
import { api } from "/live.js";
import { Badge, Command, Empty, LongList, Panel, useFetched } from "/parts.js";
import { Lane, Signals } from "/chart.js";
import { Pausing } from "/steer.js";
import { clock, day, duration, plural, spoken } from "/words.js";

export function ComponentPage({ state, name }) {
  const view = state.components.get(name);
  const { value, error } = useFetched(() => api(`/components/${encodeURIComponent(name)}`), `${name} ${view?.status}`, 1000);
  if (!view) return html`<${Panel} id="component" title=${name}><${Empty}>There is no component of this name. <a href="#/">Overview</a><//><//>`;
  const needed = [...state.components.values()].filter((each) => each.depends_on.includes(name)).map((each) => each.name);
  return html`<${Panel} id="component" title=${name} command=${`mendel status --output json`}>
      <p class="lead"><${Badge} status=${view.paused_s > 0 ? "paused" : view.status} /> for ${duration((Date.now() - view.sinceMs) / 1000)}: ${view.reason}</p>
      <dl class="facts">
        <div><dt>kind</dt><dd>${view.kind}</dd></div>
        <div><dt>mode</dt><dd>${view.mode}</dd></div>
        ${view.level && html`<div><dt>level</dt><dd>${view.level}</dd></div>`}
        <div><dt>circuit</dt><dd>${view.circuit || "no guarded calls"}</dd></div>
        <div><dt>incident</dt><dd>${view.incident ? html`<a href=${`#/incident/${view.incident}`}>${view.incident}</a>, ${spoken(view.stage)}` : "none"}</dd></div>
        <div><dt>needs</dt><dd><${Names} names=${view.depends_on} /></dd></div>
        <div><dt>needed by</dt><dd><${Names} names=${needed} /></dd></div>
        <div><dt>plan</dt><dd>${value?.plan.length ? value.plan.map(spoken).join(", then ") : "nothing: it is isolated and reported only"}</dd></div>
      </dl>
      <${Pausing} view=${view} />
    <//>
    <${Panel} id="signals" title="Signals" command=${`mendel incidents list --component ${name}`} count=${value ? plural(value.signals.times_utc.length, "reading") : ""}>
      ${value ? html`<${Signals} signals=${value.signals} />` : html`<${Empty}>${error ? error.message : "Loading"}<//>`}
    <//>`;
}

function Names({ names }) {
  if (!names.length) return "nothing";
  return names.map((name, place) => html`${place ? ", " : ""}<a href=${`#/component/${name}`}>${name}</a>`);
}

const spread = (found) => (found ? html`${duration(found.median_s)} <span class="beside">95 % within ${duration(found.p95_s)}</span>` : "–");

function Successes() {
  const { value } = useFetched(() => api("/success?period_s=604800"), "", 10000);
  if (!value) return null;
  return html`<${Panel} id="success" title="The last seven days" command="mendel status --since 7d"><dl class="facts">
    <div><dt>healed without a person</dt><dd class="figure">${value.effectiveness == null ? "–" : `${(value.effectiveness * 100).toFixed(1)} %`}</dd></div>
    <div><dt>onset to recovery, median</dt><dd class="figure">${spread(value.recovery)}</dd></div>
    <div><dt>onset to detection, median</dt><dd class="figure">${spread(value.detection)}</dd></div>
    <div><dt>incidents</dt><dd class="figure">${value.incidents}</dd></div>
    <div><dt>asked a person</dt><dd class="figure">${value.escalated}</dd></div>
    <div><dt>actions, without effect</dt><dd class="figure">${value.actions}, ${value.vain}</dd></div>
  </dl><//>`;
}

export function Incidents({ state }) {
  const stages = [...state.components.values()].map((view) => view.incident + view.stage).join();
  const { value, error } = useFetched(() => api("/incidents?limit=1000"), stages, 10000);
  const row = ({ view }) => html`<a class="incident" href=${`#/incident/${view.incident}`}>
    <span><strong>${view.target}</strong> <span class="faint">${view.incident}</span></span>
    <span>${day(view.opened_utc)}</span>
    <span class=${`outcome ${view.outcome || "open"}`}>${view.outcome || spoken(view.stage)}</span>
    <span>${view.outcome ? duration(view.changed_utc - view.opened_utc) : "goes on"}</span>
    <span>${view.actions.map(spoken).join(", ") || (view.blamed ? `because of ${view.blamed}` : "nothing was run")}</span>
    <span class="why">${view.reason}</span>
  </a>`;
  return html`<${Successes} key=${stages.length} />
  <${Panel} id="incidents" title="Incidents" count=${value?.length} command="mendel incidents list">
    ${error && html`<p class="bad">${error.message}</p>`}
    ${value?.length ? html`<div class="incident listhead" aria-hidden="true">${["component", "opened", "end", "lasted", "what was run", "why it stands there"].map((each) => html`<span>${each}</span>`)}</div>
      <${LongList} label="Incidents, newest first" height=${46} rows=${value.map((view) => ({ key: view.incident, view }))} render=${row} />` : html`<${Empty}>${value ? "No incident is on record." : "Loading"}<//>`}
  <//>`;
}

const KINDS = { triage: "wait", attributed: "wait", waiting: "wait", awaiting_approval: "ask", observed: "wait", consulting: "act", recovering: "act", verifying: "check", escalated: "ask", closed: "good" };

export function Incident({ state, id }) {
  const live = [...state.components.values()].find((view) => view.incident === id);
  const { value, error } = useFetched(() => api(`/incidents/${encodeURIComponent(id)}`), `${id} ${live?.stage}`, live ? 1000 : 0);
  if (!value) return html`<${Panel} id="incident" title=${`Incident ${id}`}><${Empty}>${error ? error.message : "Loading"}<//><//>`;
  const { incident, stages, actions, signals } = value;
  const ends = incident.outcome ? incident.changed_utc : Date.now() / 1000;
  const first = signals.times_utc[0] ?? incident.opened_utc;
  const room = Math.max(2, (ends - incident.opened_utc) * 0.6);
  const range = [Math.max(first, incident.opened_utc - room), Math.max(ends, Math.min(signals.times_utc.at(-1) ?? ends, ends + room))];
  const until = (place) => stages[place + 1]?.utc ?? ends;
  const treated = actions.filter((each) => !["isolate", "release", "notify"].includes(each.action));
  const kept = isolation(actions, ends);
  const span = (each) => ({ from: each.started_utc, to: each.finished_utc ?? ends });
  return html`<${Panel} id="incident" title=${`Incident ${id}: ${incident.target}`} command=${`mendel incidents explain ${id}`}>
      <p class="lead">${value.headline}</p>
      <p class="faint">${day(incident.opened_utc)} · ${incident.outcome ? `${incident.outcome} after ${duration(ends - incident.opened_utc)}` : `open, ${spoken(incident.stage)}`} · <a href=${`#/component/${incident.target}`}>${incident.target}</a></p>
      <div class="timeline" aria-hidden="true">
        <${Lane} title="stages" range=${range} stretches=${stages.filter((each) => each.stage !== "closed").map((each, place) => ({ from: each.utc, to: until(stages.indexOf(each)), text: spoken(each.stage), kind: KINDS[each.stage] ?? "wait", detail: each.reason }))} />
        <${Lane} title="actions" range=${range} stretches=${treated.map((each) => ({ ...span(each), text: spoken(each.action), kind: each.outcome === "failed" ? "bad" : "act", detail: `${spoken(each.action)} on ${each.target}: ${spoken(each.outcome) || "running"} ${each.detail}` }))} />
        <${Lane} title="circuit" range=${range} stretches=${kept.map((each) => ({ ...each, text: "calls kept away", kind: "cut" }))} />
      </div>
      <${Signals} signals=${signals} range=${range} marks=${[{ at: incident.opened_utc }, ...(incident.outcome ? [{ at: ends }] : [])]} spans=${treated.map((each) => ({ ...span(each), kind: "act" }))} />
    <//>
    <div class="columns">
      <${Story} id="seen" title="What was seen" lines=${value.seen} />
      <${Story} id="blamed" title="What was held to be the cause" lines=${value.blamed} />
      <${Story} id="done" title="What was done" lines=${value.done} />
      <${Story} id="verified" title="What proved it" lines=${value.verified} />
    </div>
    <${Panel} id="stages" title="Every step" count=${stages.length} command=${`mendel incidents show ${id}`}>
      <div class="scroll" tabindex="0" role="region" aria-label="Every step"><table><thead><tr><th scope="col">when</th><th scope="col">stage</th><th scope="col">why</th></tr></thead>
      <tbody>${stages.map((each) => html`<tr><td>${clock(each.utc)}</td><td>${spoken(each.stage)}</td><td>${each.reason}</td></tr>`)}</tbody></table></div>
    <//>`;
}

function Story({ id, title, lines }) {
  return html`<${Panel} id=${id} title=${title}><ul class="story">${lines.map((line) => html`<li>${line}</li>`)}</ul><//>`;
}

function isolation(actions, ends) {
  const kept = [];
  for (const each of actions) {
    if (each.action === "isolate") kept.push({ from: each.started_utc, to: ends });
    else if (each.action === "release" && kept.length) kept[kept.length - 1].to = each.started_utc;
  }
  return kept;
}

export function Agents({ state }) {
  return html`<${Panel} id="agents" title="Agents" count=${state.agents.length} command="mendel agents list">
    <div class="scroll" tabindex="0" role="region" aria-label="Agents"><table><thead><tr>${["agent", "state", "restarts", "waiting", "oldest", "handled", "dropped", "last error"].map((each) => html`<th scope="col">${each}</th>`)}</tr></thead>
    <tbody>${state.agents.map((each) => html`<tr><td><strong>${each.name}</strong><br /><span class="faint">${each.kind}</span></td><td><span class=${each.state === "running" ? "good" : "bad"}>${each.state}</span></td><td>${each.restarts}</td><td>${each.depth}</td><td>${each.depth ? duration(each.age_s) : ""}</td><td>${each.handled}</td><td>${each.dropped}</td><td>${each.error}</td></tr>`)}</tbody></table></div>
  <//>
  <${Panel} id="counters" title="Counters since the start" command="mendel status --output json"><dl class="facts">${Object.entries(state.counters).map(([name, count]) => html`<div><dt>${name}</dt><dd>${count}</dd></div>`)}</dl><//>`;
}

// What of a line's details a person asks for first; the rest is in `mendel audit --output json`.
const TOLD = ["kind", "action", "outcome", "stage", "duration_s", "reason", "detail", "source", "error"];

function told({ detail }) {
  const known = TOLD.filter((name) => detail[name] != null && detail[name] !== "");
  return known.map((name) => (name === "duration_s" ? `for ${duration(detail[name])}` : spoken(String(detail[name])))).join(" · ");
}

export function Audit() {
  const { value, error } = useFetched(() => api("/audit?limit=1000"), "", 5000);
  const row = ({ line }) => html`<div class="audit"><span class="faint">${line.seq}</span><span>${day(line.utc)}</span><strong>${spoken(line.kind)}</strong><span>${line.who}</span><span>${line.target}</span><span class="why">${told(line)}</span></div>`;
  return html`<${Panel} id="audit" title="Audit trail" count=${value?.lines.length} command="mendel audit">
    ${error && html`<p class="bad">${error.message}</p>`}
    ${value && html`<p class=${value.whole ? "good" : "bad"}>${value.whole ? "Each row fits the one before it: nothing was changed or left out." : `The trail is broken: ${value.problem}`}</p>`}
    ${value?.lines.length ? html`<div class="audit listhead" aria-hidden="true">${["no.", "when", "what", "who", "about", "details"].map((each) => html`<span>${each}</span>`)}</div><${LongList} label="Audit trail, newest first" height=${40} rows=${value.lines.map((line) => ({ key: line.seq, line }))} render=${row} />` : html`<${Empty}>${value ? "Nothing is on record." : "Loading"}<//>`}
  <//>`;
}
