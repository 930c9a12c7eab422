// The page: which view is shown, and what stands above each of them.

import { html, render, useEffect, useState } from "/vendor/htm-preact.js";
import { connect, onChange, state, token } from "/live.js";
import { Overview, summary, worst } from "/overview.js";
import { Genomes } from "/genomes.js";
import { Agents, Audit, ComponentPage, Incident, Incidents } from "/pages.js";
import { Replays } from "/replays.js";
import { Command } from "/parts.js";
import { TokenForm } from "/steer.js";
import { GLYPHS, duration } from "/words.js";

const VIEWS = [
  ["#/", "Overview"],
  ["#/incidents", "Incidents"],
  ["#/genomes", "Genomes"],
  ["#/replays", "Replay"],
  ["#/agents", "Agents"],
  ["#/audit", "Audit"],
];

function view(hash) {
  const [, first = "", second = ""] = hash.split("/").map(decodeURIComponent);
  switch (first) {
    case "component": return html`<${ComponentPage} state=${state} name=${second} key=${second} />`;
    case "components": return html`<${Overview} state=${state} kind=${second} />`;
    case "incidents": return html`<${Incidents} state=${state} />`;
    case "incident": return html`<${Incident} state=${state} id=${second} key=${second} />`;
    case "genomes": return html`<${Genomes} />`;
    case "replays": return html`<${Replays} />`;
    case "agents": return html`<${Agents} state=${state} />`;
    case "audit": return html`<${Audit} />`;
    default: return html`<${Overview} state=${state} />`;
  }
}

function App({ locked }) {
  const [, paint] = useState(0);
  const [hash, setHash] = useState(location.hash || "#/");
  const [theme, setTheme] = useState(localStorage.getItem("theme") ?? "");
  useEffect(() => onChange(() => paint((count) => count + 1)), []);
  useEffect(() => {
    const turn = () => {
      setHash(location.hash || "#/");
      document.querySelector("main")?.focus();
    };
    addEventListener("hashchange", turn);
    return () => removeEventListener("hashchange", turn);
  }, []);
  useEffect(() => {
    document.documentElement.dataset.theme = theme;
    localStorage.setItem("theme", theme);
  }, [theme]);
  const dark = theme ? theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
  const status = state.ready ? worst(state) : "unknown";
  document.title = `${status === "healthy" ? "" : `${GLYPHS[status] ?? ""} `}mendel`;
  return html`
    <a class="skip" href="#main" onClick=${(event) => { event.preventDefault(); document.querySelector("main").focus(); }}>Skip to the view</a>
    <header class="top">
      <a class="brand" href="#/"><img src="/icon.svg" alt="" width="28" height="28" />mendel</a>
      <nav aria-label="Views">${VIEWS.map(([to, name]) => html`<a href=${to} aria-current=${current(hash, to) ? "page" : undefined}>${name}</a>`)}</nav>
      <span class=${`state ${status}`} role="status"><span aria-hidden="true">${GLYPHS[status] ?? "·"}</span> ${state.ready ? summary(state) : "connecting"}</span>
      <span class="faint about">${state.ready ? `mode ${state.mode} · up ${duration(state.uptime_s)} · ${token() ? "may steer" : "read only"}` : ""}</span>
      <button type="button" class="quiet" onClick=${() => setTheme(dark ? "light" : "dark")}>${dark ? "Light" : "Dark"}</button>
    </header>
    ${state.stale && html`<p class="banner" role="alert">Stale: nothing was heard for ${duration((Date.now() - state.heardMs) / 1000)}. mendel has ended or cannot be reached; what you see is how it was then. <${Command} text="mendel doctor" /></p>`}
    ${state.warnings.map((each) => html`<p class="banner" role="alert">${each}</p>`)}
    <main id="main" tabindex="-1">
      ${locked && !state.ready ? html`<section class="panel"><h1>This runtime shows nothing without its token</h1><${TokenForm} onGiven=${() => location.reload()} /></section>` : state.ready ? html`<h1 class="hidden">mendel</h1>${view(hash)}` : html`<p class="empty">Connecting to the runtime. If this stays, is it running? <${Command} text="mendel status" /></p>`}
    </main>
    <footer class="faint">mendel ${state.version} · <span class="path">${state.config}</span> · <a href="/v1/openapi.json">API</a></footer>`;
}

const current = (hash, to) => (to === "#/" ? hash === "#/" || hash.startsWith("#/component") : hash.startsWith(to.slice(0, -1)));

const root = document.getElementById("app");
const draw = (locked) => render(html`<${App} locked=${locked} />`, root);
root.replaceChildren();
draw(false);
connect(() => draw(true));
