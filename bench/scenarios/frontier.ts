/** How far the rate can rise before the slowest requests suffer: an open loop, so that waiting is counted. */
import { requestBody, quantile } from "../load.ts";
import { openLoop } from "../open-loop.ts";
import type { Figure, Scenario } from "../scenario.ts";

const TAILS_MS = [1, 5, 10, 50];

export const frontierScenario: Scenario = {
  name: "frontier",
  what: "highest rate with zero failures while the added p99 stays below 1, 5, 10 and 50 ms",
  targets: ["direct", "nginx", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned({ events: 80, totalBytes: 20_480 });
    const body = requestBody(14_000);
    const seconds = quick ? 2 : 5;
    const figures: Figure[] = [];
    for (const target of bench.targets.filter(({ name }) => name !== "direct")) {
      const best = new Map<number, number>();
      for (let rate = 250; rate <= 16_000; rate = Math.round(rate * 1.4)) {
        const direct = await openLoop(bench.target("direct"), { rate, seconds, body });
        const result = await openLoop(target, { rate, seconds, body });
        const added = quantile(result.latenciesMs, 0.99) - quantile(direct.latenciesMs, 0.99);
        for (const tail of TAILS_MS) if (result.failures === 0 && added <= tail) best.set(tail, rate);
        if (result.failures > 0 || added > TAILS_MS.at(-1)!) break;
      }
      for (const tail of TAILS_MS) {
        figures.push({
          name: `${target.name}: added p99 ≤ ${tail} ms`,
          value: best.get(tail) ?? 0,
          unit: "requests/s",
        });
      }
    }
    return { failures: 0, figures };
  },
};
