/** What a relay adds to one request on an idle machine: time to the first byte and to the end, minus the direct path. */
import {
  type Client,
  connectClient,
  quantile,
  REPLY,
  responsesPayload,
  sorted,
  type Timing,
} from "../load.ts";
import type { Figure, Scenario } from "../scenario.ts";

const PAYLOAD = responsesPayload(14_000);
/** Requests in a row on one path before the next path has its turn. */
const BATCH = 50;
const WARM_UP_ROUNDS = 5;

export const latencyScenario: Scenario = {
  name: "latency",
  what: "one client, 14 KB up, 80 events (20 KB) down, no think time; added to the direct path",
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned(REPLY);
    const clients = new Map<string, Client>();
    for (const target of bench.targets)
      clients.set(target.name, await connectClient(target, { payload: PAYLOAD }));
    const timings = new Map<string, Timing[]>(bench.targets.map(({ name }) => [name, []]));
    for (let round = -WARM_UP_ROUNDS; round < (quick ? 20 : 120); round++) {
      for (const [name, client] of clients) {
        for (let request = 0; request < BATCH; request++) {
          const timing = await client.request();
          if (round >= 0) timings.get(name)!.push(timing);
        }
      }
    }
    for (const client of clients.values()) client.close();
    const times = (name: string, what: "firstByteMs" | "endMs") =>
      sorted(timings.get(name)!.map((timing) => timing[what]));
    const figures: Figure[] = [];
    for (const name of ["nginx", "bare", "codex-lb"]) {
      const added = (what: "firstByteMs" | "endMs", part: number) =>
        quantile(times(name, what), part) - quantile(times("direct", what), part);
      const goal = (atMost: number) => (name === "codex-lb" ? { goal: { atMost } } : {});
      figures.push(
        { name: `${name} first byte p50`, value: added("firstByteMs", 0.5), unit: "ms" },
        { name: `${name} end p50`, value: added("endMs", 0.5), unit: "ms", ...goal(0.2) },
        { name: `${name} end p99`, value: added("endMs", 0.99), unit: "ms", ...goal(0.8) },
      );
    }
    const failures = timings.get("codex-lb")!.filter(({ ok }) => !ok).length;
    return { failures: failures + (await bench.failedRequests()), figures };
  },
};
