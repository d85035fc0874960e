/** What a relay adds to one request on an idle machine: time to the first byte and to the end, minus the direct path. */
import { type Client, connectClient, quantile } from "../load.ts";
import type { Figure, Scenario } from "../scenario.ts";

const BODY_BYTES = 14_000;
/** Requests in a row on one path before the next path has its turn. */
const BATCH = 50;

export const latencyScenario: Scenario = {
  name: "latency",
  what: "one client, 14 KB up, 80 events (20 KB) down, no think time; added to the direct path",
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned({ events: 80, totalBytes: 20_480 });
    const clients = new Map<string, Client>();
    for (const target of bench.targets) clients.set(target.name, await connectClient(target, BODY_BYTES));
    const rounds = quick ? 20 : 120;
    const first: Record<string, number[]> = {};
    const end: Record<string, number[]> = {};
    for (let round = -5; round < rounds; round++) {
      for (const [name, client] of clients) {
        for (let request = 0; request < BATCH; request++) {
          const timing = await client.request();
          if (round < 0) continue;
          (first[name] ??= []).push(timing.firstByteMs);
          (end[name] ??= []).push(timing.endMs);
        }
      }
    }
    for (const client of clients.values()) client.close();
    const sorted = (values: number[] | undefined) => (values ?? []).toSorted((a, b) => a - b);
    const figures: Figure[] = [];
    const direct = { first: sorted(first.direct), end: sorted(end.direct) };
    for (const name of ["nginx", "bare", "codex-lb"]) {
      const ours = name === "codex-lb";
      const added = (all: number[] | undefined, base: number[], part: number) =>
        quantile(sorted(all), part) - quantile(base, part);
      figures.push(
        { name: `${name} first byte p50`, value: added(first[name], direct.first, 0.5), unit: "ms" },
        {
          name: `${name} end p50`,
          value: added(end[name], direct.end, 0.5),
          unit: "ms",
          ...(ours ? { goal: { atMost: 0.2 } } : {}),
        },
        {
          name: `${name} end p99`,
          value: added(end[name], direct.end, 0.99),
          unit: "ms",
          ...(ours ? { goal: { atMost: 0.8 } } : {}),
        },
      );
    }
    return { failures: 0, figures };
  },
};
