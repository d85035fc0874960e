/** How many requests per second one core relays, 32 connections, everything on; as a ratio to nginx in the same run. */
import { median, REPLY, responsesPayload, throughput } from "../load.ts";
import type { Scenario } from "../scenario.ts";

const PAYLOAD = responsesPayload(14_000);
const CONNECTIONS = 32;

export const throughputScenario: Scenario = {
  name: "throughput",
  what: "32 connections, 14 KB up, 80 events (20 KB) down, one core",
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned(REPLY);
    const load = { connections: CONNECTIONS, payload: PAYLOAD };
    for (const target of bench.targets) await throughput(target, { ...load, seconds: quick ? 1 : 2 });
    const rates = new Map<string, number[]>(bench.targets.map(({ name }) => [name, []]));
    let failures = 0;
    for (let round = 0; round < (quick ? 3 : 7); round++) {
      for (const target of bench.targets) {
        const result = await throughput(target, { ...load, seconds: quick ? 1 : 4 });
        rates.get(target.name)!.push(result.requestsPerSecond);
        failures += result.failures;
      }
    }
    const rate = (name: string) => median(rates.get(name)!);
    const ratio = (a: string, b: string) =>
      median(rates.get(a)!.map((value, round) => value / rates.get(b)![round]!));
    return {
      failures: failures + (await bench.failedRequests()),
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
