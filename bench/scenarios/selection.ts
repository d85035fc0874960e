/** One pick among 1,000 accounts with four windows each, per strategy, and for 10,000 conversations that have an account. */
import { join } from "node:path";
import { PROXY_CORE, run } from "../processes.ts";
import type { Scenario } from "../scenario.ts";
import { CASES } from "../selection.ts";

const program = join(import.meta.dir, "../selection.ts");

export const selectionScenario: Scenario = {
  name: "selection",
  what: "1,000 accounts × 4 windows, 10,000 sessions: time per pick, by strategy, in the source's own process",
  targets: [],
  async run({ quick }) {
    const figures = [];
    for (const name of quick ? CASES.slice(0, 2) : CASES) {
      // A pool runs one strategy: each has a process of its own, so that none is compiled for the others' sake.
      const micros = Number(await run([process.execPath, program, name], PROXY_CORE));
      figures.push({ name, value: micros, unit: "µs per pick", goal: { atMost: 10 } });
    }
    return { failures: 0, figures };
  },
};
