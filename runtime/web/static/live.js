// What the page knows of the runtime. One tab holds the stream and shares it with the others.

const HISTORY = 120; // Newest readings that a sparkline shows: two minutes.
const SPARKS_MAX = 200; // Components beyond that have no sparklines.
const EVENTS_MAX = 400;
const STALE_MS = 3500;
const HIDDEN_MS = 5000; // How often a page that nobody looks at is painted.

export const state = {
  ready: false, stale: false, heardMs: 0, components: new Map(), places: [], events: [],
  agents: [], approvals: [], warnings: [], counters: {}, signals: {}, sparks: new Map(),
  healedMs: new Map(), status: "unknown", mode: "", config: "", version: "", uptime_s: 0,
};

const painters = new Set();
let due = 0;
let paintedMs = 0;

export function onChange(paint) {
  painters.add(paint);
  return () => painters.delete(paint);
}

// At most four repaints a second, fewer while hidden.
function repaint() {
  if (due) return;
  const gap = document.hidden ? HIDDEN_MS : 250;
  due = setTimeout(() => {
    due = 0;
    paintedMs = Date.now();
    for (const paint of painters) paint();
  }, Math.max(0, gap - (Date.now() - paintedMs)));
}
document.addEventListener("visibilitychange", () => {
  clearTimeout(due);
  due = 0;
  repaint();
});

function take(kind, data) {
  const now = Date.now();
  state.heardMs = now;
  state.stale = false;
  if (kind === "snapshot") {
    state.ready = true;
    state.places = data.places;
    state.components = new Map();
    state.events = [];
  }
  for (const view of data.components ?? []) {
    const before = state.components.get(view.name);
    if (before && before.status !== "healthy" && view.status === "healthy" && before.incident) {
      state.healedMs.set(view.name, now);
    }
    state.components.set(view.name, { ...view, sinceMs: now - view.for_s * 1000 });
  }
  for (const event of data.events ?? []) {
    const last = state.events[state.events.length - 1];
    if (!last || event.id > last.id) state.events.push(event);
  }
  state.events.splice(0, state.events.length - EVENTS_MAX);
  for (const name of ["agents", "approvals", "warnings", "counters", "status", "mode", "config", "version", "uptime_s"]) {
    if (name in data) state[name] = data[name];
  }
  if (data.signals) spark(data.signals);
  repaint();
}

function spark(signals) {
  state.signals = signals;
  const names = Object.keys(signals);
  if (names.length > SPARKS_MAX) return;
  for (const name of names) {
    const values = state.sparks.get(name) ?? [];
    values.push(signals[name].latency_s ?? signals[name].latency_p95_s ?? null);
    values.splice(0, values.length - HISTORY);
    state.sparks.set(name, values);
  }
}

setInterval(() => {
  const stale = state.heardMs > 0 && Date.now() - state.heardMs > STALE_MS;
  if (stale !== state.stale || stale) {
    state.stale = stale;
    repaint();
  }
}, 1000);

// --- the token ------------------------------------------------------------------------------------

const found = new URLSearchParams(location.hash.slice(1)).get("token");
if (found) {
  sessionStorage.setItem("token", found);
  history.replaceState(null, "", location.pathname + "#/");
}

export const token = () => sessionStorage.getItem("token") ?? "";
export const setToken = (text) => {
  sessionStorage.setItem("token", text.trim());
  repaint();
};

export class Refused extends Error {
  constructor(status, problem) {
    super(problem.detail || problem.title || `HTTP ${status}`);
    this.status = status;
  }
}

export async function api(path, body) {
  const headers = {};
  if (token()) headers.Authorization = `Bearer ${token()}`;
  const options = { headers };
  if (body !== undefined) {
    options.method = "POST";
    options.body = JSON.stringify(body);
    headers["Content-Type"] = "application/json";
  }
  const response = await fetch(`/v1${path}`, options);
  const answer = await response.json().catch(() => ({}));
  if (!response.ok) throw new Refused(response.status, answer);
  return answer;
}

// --- the stream -----------------------------------------------------------------------------------

async function follow(hear) {
  for (let wait = 500; ; wait = Math.min(wait * 2, 8000)) {
    try {
      const headers = token() ? { Authorization: `Bearer ${token()}` } : {};
      const response = await fetch("/v1/stream", { headers });
      if (response.ok) {
        for await (const [kind, data] of parse(response.body)) {
          wait = 500;
          hear(kind, data);
        }
      } else if (response.status === 401) {
        hear("locked", null);
      }
    } catch {
      // The runtime has ended, or is not there yet; the banner says so.
    }
    await new Promise((resolve) => setTimeout(resolve, wait));
  }
}

async function* parse(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return;
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop();
    for (const block of blocks) {
      let kind = "";
      let data = "";
      for (const line of block.split("\n")) {
        if (line.startsWith("event: ")) kind = line.slice(7);
        else if (line.startsWith("data: ")) data = line.slice(6);
      }
      if (data) yield [kind, JSON.parse(data)];
    }
  }
}

function snapshot() {
  return {
    ...state, components: [...state.components.values()].map((view) => ({
      ...view, for_s: (Date.now() - view.sinceMs) / 1000,
    })), sparks: undefined, healedMs: undefined,
  };
}

export function connect(onLocked) {
  const hear = (kind, data) => (kind === "locked" ? onLocked() : take(kind, data));
  if (!navigator.locks || !window.BroadcastChannel) {
    follow(hear);
    return;
  }
  const channel = new BroadcastChannel("mendel");
  let leads = false;
  channel.onmessage = ({ data: [kind, data] }) => {
    if (kind === "hello") {
      if (leads && state.ready) channel.postMessage(["snapshot", snapshot()]);
    } else if (!leads) {
      hear(kind, data);
    }
  };
  channel.postMessage(["hello", null]);
  // Held for as long as the tab lives; then the next one gets it, and with it the stream.
  navigator.locks.request("mendel-stream", () => {
    leads = true;
    return follow((kind, data) => {
      channel.postMessage([kind, data]);
      hear(kind, data);
    });
  });
}
