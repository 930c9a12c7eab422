// Changes: asked for with the token, and each with the command that does the same.

import { html, useState } from "/vendor/htm-preact.js";
import { api, setToken, token } from "/live.js";
import { Command } from "/parts.js";

export function Change({ label, path, body, command, confirm, onDone }) {
  const [told, setTold] = useState(null);
  const [asking, setAsking] = useState(false);
  const act = async () => {
    if (!token()) {
      setAsking(true);
      return;
    }
    if (confirm && !window.confirm(confirm)) return;
    try {
      await api(path, body);
      setTold({ good: true, text: "done" });
      onDone?.();
    } catch (error) {
      if (error.status === 401) setAsking(true);
      setTold({ good: false, text: error.message });
    }
  };
  return html`<span class="change">
    <button type="button" onClick=${act}>${label}</button>
    ${command && html`<${Command} text=${command} />`}
    ${told && html`<span role="status" class=${told.good ? "good" : "bad"}>${told.text}</span>`}
    ${asking && html`<${TokenForm} onGiven=${() => { setAsking(false); act(); }} onClose=${() => setAsking(false)} />`}
  </span>`;
}

export function TokenForm({ onGiven, onClose }) {
  const [text, setText] = useState("");
  const give = (event) => {
    event.preventDefault();
    setToken(text);
    onGiven();
  };
  return html`<form class="token" onSubmit=${give} role="dialog" aria-label="Token">
    <p>Changes need the token of this runtime. It is printed by <${Command} text="mendel web token" /></p>
    <label>Token <input type="password" autocomplete="off" required value=${text} onInput=${(event) => setText(event.currentTarget.value)} /></label>
    <button type="submit">Use it in this tab</button>
    ${onClose && html`<button type="button" class="quiet" onClick=${onClose}>Cancel</button>`}
  </form>`;
}

export function Pausing({ view }) {
  const [minutes, setMinutes] = useState("10");
  const [reason, setReason] = useState("");
  const path = `/components/${encodeURIComponent(view.name)}`;
  if (view.paused_s > 0) {
    return html`<${Change} label="Resume" path=${`${path}/resume`} body=${{ reason }} command=${`mendel resume ${view.name}`} />`;
  }
  const seconds = Math.max(1, Number(minutes) || 0) * 60;
  return html`<div class="pausing">
    <label>Hands off for <input type="number" min="1" max="10080" value=${minutes} onInput=${(event) => setMinutes(event.currentTarget.value)} /> minutes</label>
    <label>because <input type="text" maxlength="200" placeholder="maintenance" value=${reason} onInput=${(event) => setReason(event.currentTarget.value)} /></label>
    <${Change} label="Pause" path=${`${path}/pause`} body=${{ for_s: seconds, reason }} command=${`mendel pause ${view.name} --for ${seconds / 60}m`} />
    ${view.incident && html`<${Change} label="Try again" path=${`${path}/resume`} body=${{ reason }} command=${`mendel resume ${view.name}`} />`}
  </div>`;
}
