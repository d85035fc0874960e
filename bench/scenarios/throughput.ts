/** How many requests per second one core relays, 32 connections, everything on; as a ratio to nginx in the same run. */
import { median, throughput } from "../load.ts";
import type { Scenario } from "../scenario.ts";

const BODY_BYTES = 14_000;
const CONNECTIONS = 32;

export const throughputScenario: Scenario = {
  name: "throughput",
  what: "32 connections, 14 KB up, 80 events (20 KB) down, one core",
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned({ events: 80, totalBytes: 20_480 });
    const rounds = quick ? 3 : 7;
    const seconds = quick ? 2 : 4;
    for (const target of bench.targets) {
      await throughput(target, { connections: CONNECTIONS, seconds: 2, bodyBytes: BODY_BYTES });
    }
    const rates: Record<string, number[]> = {};
    let failures = 0;
    for (let round = 0; round < rounds; round++) {
      for (const target of bench.targets) {
        const result = await throughput(target, { connections: CONNECTIONS, seconds, bodyBytes: BODY_BYTES });
        (rates[target.name] ??= []).push(result.requestsPerSecond);
        failures += result.failures;
      }
    }
    const rate = (name: string) => median(rates[name] ?? []);
    const ratio = (a: string, b: string) =>
      median(rates[a]!.map((value, round) => value / rates[b]![round]!));
    return {
      failures,
      figures: [
        { name: "direct", value: rate("direct"), unit: "requests/s" },
        { name: "nginx", value: rate("nginx"), unit: "requests/s" },
        { name: "bare Bun relay", value: rate("bare"), unit: "requests/s" },
        { name: "codex-lb", value: rate("codex-lb"), unit: "requests/s" },
        { name: "codex-lb / nginx", value: ratio("codex-lb", "nginx"), unit: "", goal: { atLeast: 0.5 } },
        { name: "codex-lb / bare Bun relay", value: ratio("codex-lb", "bare"), unit: "" },
      ],
    };
  },
};
