// A program in another language: it reports a reading, guards a call, follows events and reads an
// incident, all with types generated from the description that the server gives of itself.

import createClient from "openapi-fetch";
import type { components, paths } from "./mendel.js";

type MendelEvent = components["schemas"]["Event"];

const [baseUrl, token] = process.argv.slice(2);
if (!baseUrl || !token) throw new Error("usage: client URL TOKEN");
const client = createClient<paths>({
  baseUrl,
  headers: { Authorization: `Bearer ${token}`, "Mendel-User": "typescript" },
});

function need<T>(answer: { data?: T; error?: unknown }): T {
  if (answer.error !== undefined) throw new Error(JSON.stringify(answer.error));
  return answer.data as T;
}

// The first event that fits; the names of the union's members make `event.message` exact.
async function first<T extends MendelEvent["type"]>(
  type: T,
  cause: () => Promise<void>,
): Promise<Extract<MendelEvent, { type: T }>> {
  const response = await fetch(`${baseUrl}/v1/events?limit=0`);
  if (!response.body) throw new Error("no stream");
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  await cause();
  let rest = "";
  for (;;) {
    const { value, done } = await reader.read();
    if (done) throw new Error("the stream has ended");
    rest += value;
    const blocks = rest.split("\n\n");
    rest = blocks.pop() ?? "";
    for (const block of blocks) {
      const data = block.split("\n").find((line) => line.startsWith("data: "));
      if (!data) continue;
      const event = JSON.parse(data.slice(6)) as MendelEvent;
      if (event.type === type) {
        await reader.cancel();
        return event as Extract<MendelEvent, { type: T }>;
      }
    }
  }
}

const report = async (metrics: Record<string, number>) => {
  need(await client.POST("/v1/readings", { body: { target: "cart", metrics } }));
};

const opened = await first("IncidentOpened", async () => {
  for (let turn = 0; turn < 6; turn += 1) {
    await report({ ok: 0 });
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
});
const detail = need(
  await client.GET("/v1/incidents/{incident}", {
    params: { path: { incident: opened.message.incident } },
  }),
);

const guard = { params: { path: { target: "ts-db" } }, body: { lease_s: 5 } };
const lease = need(await client.POST("/v1/guard/{target}/acquire", guard));
need(
  await client.POST("/v1/guard/release", {
    body: { lease: lease.lease, outcome: "success", duration_s: 0.01 },
  }),
);
const refused = await client.POST("/v1/guard/release", {
  body: { lease: lease.lease, outcome: "success" },
});

const status = need(await client.GET("/v1/status"));
const told = {
  components: status.components.map((each) => `${each.name} ${each.kind}`),
  incident: detail.incident.target,
  seen: detail.seen.length > 0,
  permitted: lease.permitted,
  refused: refused.error?.status,
};
console.log(JSON.stringify(told));
