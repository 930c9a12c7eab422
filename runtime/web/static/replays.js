// Replays: a scenario that ships, on several levels side by side, and the page that is drawn of it.

import { html, useState } from "/vendor/htm-preact.js";
import { api } from "/live.js";
import { Empty, Panel, useFetched } from "/parts.js";
import { Change } from "/steer.js";
import { clock, duration, plural } from "/words.js";

const LEVELS = ["basic", "advanced", "full"];

export function Replays() {
  const [count, setCount] = useState(0);
  const [scenario, setScenario] = useState("");
  const [levels, setLevels] = useState(LEVELS);
  const [seed, setSeed] = useState("1");
  const { value: scenarios } = useFetched(() => api("/scenarios"), "");
  const { value: replays, error } = useFetched(() => api("/replays"), count, 1500);
  const chosen = scenarios?.find((each) => each.name === scenario) ?? scenarios?.[0];
  const turn = (level) => setLevels((now) => LEVELS.filter((each) => (each === level) !== now.includes(each)));
  const options = levels.length ? ` --level ${levels.join(",")}` : "";
  return html`<${Panel} id="ask" title="Replay a scenario" command=${`mendel replay ${chosen?.name ?? "NAME"}${options} --seed ${seed || 1} --report out.html`}>
      <div class="pausing">
        <label>Scenario <select value=${chosen?.name} onChange=${(event) => setScenario(event.currentTarget.value)}>${(scenarios ?? []).map((each) => html`<option key=${each.name} value=${each.name}>${each.name.replaceAll("_", " ")}</option>`)}</select></label>
        <fieldset><legend class="hidden">Levels</legend>${LEVELS.map((level) => html`<label key=${level}><input type="checkbox" checked=${levels.includes(level)} onChange=${() => turn(level)} /> ${level}</label>`)}</fieldset>
        <label>Seed <input type="number" min="0" value=${seed} onInput=${(event) => setSeed(event.currentTarget.value)} /></label>
        ${chosen && html`<${Change} label="Replay" path="/replays" body=${{ scenario: chosen.name, levels, seed: Number(seed) || 0 }} onDone=${() => setCount((each) => each + 1)} />`}
      </div>
      <p class="faint">${chosen?.description ?? "Loading"}</p>
    <//>
    <${Panel} id="replays" title="What came of it" count=${replays?.length}>
      ${error && html`<p class="bad">${error.message}</p>`}
      ${replays?.length ? replays.map((each) => html`<${Result} key=${each.replay} replay=${each} />`) : html`<${Empty}>Nothing was replayed from here yet. It runs beside mendel, with what time is left over.<//>`}
    <//>`;
}

function Result({ replay }) {
  const title = `${replay.scenario.replaceAll("_", " ")}, seed ${replay.seed}`;
  return html`<article class="result"><h3>${title} <span class="faint">${clock(replay.began_utc)} · ${replay.state}</span></h3>
    ${replay.problem && html`<p class="bad">${replay.problem}</p>`}
    ${replay.rows.length > 0 && html`<div class="scroll" tabindex="0" role="region" aria-label=${title}><table>
      <thead><tr>${["level", "healed", "median recovery", "incidents", "actions, unneeded", "harm to users"].map((each) => html`<th scope="col">${each}</th>`)}</tr></thead>
      <tbody>${replay.rows.map((row) => html`<tr key=${row.level}><td><strong>${row.level}</strong></td><td>${row.healed} of ${row.broken}</td><td>${row.recovery_s == null ? "–" : duration(row.recovery_s)}</td><td>${row.incidents}</td><td>${row.actions}, ${row.unneeded}</td><td>${row.harm == null ? "–" : `${row.harm.toFixed(2)} error-minutes`}</td></tr>`)}</tbody>
    </table></div>
    <p><a href=${`/v1/replays/${replay.replay}/report`} target="_blank" rel="noopener">The whole course of ${plural(replay.rows.length, "run")}</a>, one page that can be saved and passed on</p>`}
  </article>`;
}
