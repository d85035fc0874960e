/** How far the rate can rise before the slowest requests suffer: an open loop, so that waiting is counted. */
import { quantile, REPLY, responsesPayload } from "../load.ts";
import { openLoop } from "../open-loop.ts";
import type { Figure, Scenario } from "../scenario.ts";
import type { Target } from "../targets.ts";

const PAYLOAD = responsesPayload(14_000);
const TAILS_MS = [1, 5, 10, 50];
const WORST_TAIL_MS = TAILS_MS.at(-1)!;
const FIRST_RATE = 250;

export const frontierScenario: Scenario = {
  name: "frontier",
  what: "highest rate with zero failures while the added p99 stays below 1, 5, 10 and 50 ms",
  targets: ["direct", "nginx", "codex-lb"],
  async run({ bench, quick }) {
    await bench.canned(REPLY);
    const seconds = quick ? 1 : 5;
    const step = quick ? 2 : 1.3;
    const direct = bench.target("direct");
    const others = bench.targets.filter(({ name }) => name !== "direct");
    const best = new Map(others.map(({ name }) => [name, new Map<number, number>()]));
    const climbing = new Set(others);
    let reached = 0;
    await Promise.all(
      others.map((target) => openLoop(target, { rate: FIRST_RATE, seconds: 1, payload: PAYLOAD })),
    );

    /** True while the target may be asked for more. A tail that is seen once and not again was the machine's. */
    async function climb(target: Target, rate: number, directP99: number): Promise<boolean> {
      for (const attempt of ["first", "second"]) {
        const { latenciesMs, failures } = await openLoop(target, { rate, seconds, payload: PAYLOAD });
        const added = failures > 0 ? Number.POSITIVE_INFINITY : quantile(latenciesMs, 0.99) - directP99;
        for (const tail of TAILS_MS) if (added <= tail) best.get(target.name)!.set(tail, rate);
        if (added <= TAILS_MS[0]! || (attempt === "second" && added <= WORST_TAIL_MS)) return true;
      }
      return false;
    }

    for (let rate = FIRST_RATE; climbing.size > 0; rate = Math.round(rate * step)) {
      const alone = await openLoop(direct, { rate, seconds, payload: PAYLOAD });
      const directP99 = quantile(alone.latenciesMs, 0.99);
      // Beyond this the load and the upstream, which share a core, would be measured.
      if (alone.failures > 0 || directP99 > WORST_TAIL_MS) break;
      reached = rate;
      for (const target of climbing) if (!(await climb(target, rate, directP99))) climbing.delete(target);
    }
    const figures: Figure[] = [
      { name: "highest rate tried, the load's own limit", value: reached, unit: "requests/s" },
    ];
    for (const { name } of others) {
      for (const tail of TAILS_MS) {
        const value = best.get(name)!.get(tail) ?? 0;
        figures.push({ name: `${name}: added p99 ≤ ${tail} ms`, value, unit: "requests/s" });
      }
    }
    // Requests beyond the capacity are meant to fail: that is how the end of the climb shows.
    return { failures: 0, figures };
  },
};
