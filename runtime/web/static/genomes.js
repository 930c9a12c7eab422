// Genomes: what was bred, what it changes, what it gains, and putting it in force or taking it back.

import { html, useState } from "/vendor/htm-preact.js";
import { api } from "/live.js";
import { Empty, Panel, useFetched } from "/parts.js";
import { Change } from "/steer.js";
import { day, plural, spoken } from "/words.js";

export function Genomes() {
  const [count, setCount] = useState(0);
  const [shown, setShown] = useState(0);
  const { value, error } = useFetched(() => api("/genomes"), count, 5000);
  if (!value) return html`<${Panel} id="genomes" title="Genomes"><${Empty}>${error ? error.message : "Loading"}<//><//>`;
  const { genomes, standing, front } = value;
  const again = () => setCount((each) => each + 1);
  const genome = genomes.find((each) => each.genome === shown) ?? genomes[0];
  return html`<${Panel} id="standing" title="In force" command="mendel genome list">
      <p class="lead">${standing.incumbent ? `Genome ${standing.incumbent}, which changes ${plural(Object.keys(standing.incumbent_genes).length, "setting")}` : "The configuration as it is written"}${standing.candidate ? `; genome ${standing.candidate} is on trial (${spoken(standing.stage)})` : ""}${standing.is_frozen ? "; breeding is stopped by a person" : ""}.</p>
      <div class="pausing">
        <${Change} label="Roll back" path="/genomes/steer" body=${{ wish: "roll_back" }} command="mendel genome rollback" onDone=${again} />
        ${standing.is_frozen ? html`<${Change} label="Thaw" path="/genomes/steer" body=${{ wish: "thaw" }} command="mendel genome freeze --thaw" onDone=${again} />` : html`<${Change} label="Freeze" path="/genomes/steer" body=${{ wish: "freeze" }} command="mendel genome freeze" onDone=${again} />`}
        <${Change} label="Breed now" path="/genomes/steer" body=${{ wish: "evolve" }} command="mendel genome evolve" onDone=${again} />
      </div>
    <//>
    <div class="columns">
      <${Panel} id="lineage" title="Lineage" count=${genomes.length} command="mendel genome list">
        ${genomes.length ? html`<${Lineage} genomes=${genomes} shown=${genome?.genome} onShow=${setShown} />` : html`<${Empty}>Nothing was bred yet. Components of level full breed from their incidents, once there are enough of them.<//>`}
      <//>
      <${Panel} id="front" title="What no candidate beats" count=${front?.points.length} command="mendel genome front">
        ${front ? html`<${Front} front=${front} />` : html`<${Empty}>There was no search yet.<//>`}
      <//>
    </div>
    ${genome && html`<${Panel} id="genome" title=${`Genome ${genome.genome}`} command=${`mendel genome diff ${genome.genome}`}>
      <p>${genome.origin === "bred" ? `It saves ${percent(genome.gain)} of the harm on incidents that it was not chosen by, ${percent(genome.gain_low)} at least, with ${plural(genome.support, "observation")} of what it changes.` : `Brought by ${genome.origin}; it was not examined here.`} ${genome.fate && html`<strong>${spoken(genome.fate)}</strong>: ${genome.reason}`}</p>
      <div class="scroll" tabindex="0" role="region" aria-label="Genes"><table><thead><tr><th scope="col">setting</th><th scope="col">in force</th><th scope="col">genome ${genome.genome}</th></tr></thead>
      <tbody>${differences(standing.incumbent_genes, genome.genes).map(([name, old, fresh]) => html`<tr><td>${name}</td><td>${old}</td><td><strong>${fresh}</strong></td></tr>`)}</tbody></table></div>
      ${!genome.in_force && html`<${Change} label=${`Put genome ${genome.genome} in force`} path="/genomes/steer" body=${{ wish: "promote", genome: genome.genome }} command=${`mendel genome promote ${genome.genome}`} confirm=${`Put genome ${genome.genome} in force everywhere, without further proof?`} onDone=${again} />`}
    <//>`}`;
}

const percent = (share) => `${(share * 100).toFixed(0)} %`;
const written = (each) => (each === undefined ? "as written" : Array.isArray(each) ? each.join(", ") : String(each));

function differences(now, then) {
  const names = [...new Set([...Object.keys(now), ...Object.keys(then)])].sort();
  return names.filter((name) => JSON.stringify(now[name]) !== JSON.stringify(then[name])).map((name) => [name, written(now[name]), written(then[name])]);
}

function Lineage({ genomes, shown, onShow }) {
  return html`<ol class="lineage">${genomes.map((each) => html`<li key=${each.genome} class=${each.in_force ? "force" : ""}>
    <button type="button" class="quiet" aria-pressed=${each.genome === shown} onClick=${() => onShow(each.genome)}>${each.genome}</button>
    <span>after ${each.parent || "the file"} · ${day(each.utc)} · ${each.origin === "bred" ? `saves ${percent(each.gain)}` : each.origin} · <strong>${each.in_force ? "in force" : spoken(each.fate) || "proposed"}</strong></span>
  </li>`)}</ol>`;
}

// Harm against cost, the other two objectives in words: the nearer to the corner the better.
function Front({ front }) {
  const [across, up] = [front.objectives.indexOf("action_cost"), front.objectives.indexOf("user_harm")];
  const xs = front.points.map((point) => point[across]);
  const ys = front.points.map((point) => point[up]);
  const scale = (values, length) => {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    return (each) => ((each - low) / (high - low || 1)) * length;
  };
  const [x, y] = [scale(xs, 440), scale(ys, 190)];
  return html`<p class="faint">${front.is_over ? "Over" : `Generation ${front.generation} of ${front.generations}`} · ${Math.round(front.evaluations)} candidates judged · hypervolume ${front.hypervolume.toFixed(3)}</p>
    <svg class="front" viewBox="0 0 500 250" role="img" aria-label=${`${plural(front.points.length, "compromise")} between user harm and cost of actions`}>
      <line x1="40" y1="210" x2="490" y2="210" /><line x1="40" y1="10" x2="40" y2="210" />
      <text x="490" y="232" text-anchor="end">cost of actions</text><text x="16" y="14" transform="rotate(-90 16 14)" text-anchor="end">user harm</text>
      ${front.points.map((point) => html`<circle cx=${44 + x(point[across])} cy=${206 - y(point[up])} r="5"><title>${front.objectives.map((name, place) => `${spoken(name)} ${point[place].toPrecision(3)}`).join(", ")}</title></circle>`)}
    </svg>`;
}
