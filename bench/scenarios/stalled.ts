/** Clients that stop reading a 64 MB reply, beside clients that read: what each costs, and that nobody else is hurt. */
import { REPLY } from "../load.ts";
import { settledBytes } from "../memory.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { openStreams, until } from "../streams.ts";
import type { Target } from "../targets.ts";

const STALLED = 200;
const READING = 100;
const HUGE_REPLY = { events: 1_000, totalBytes: 64 * 1024 * 1024 };
const LIMIT_MS = 30_000;

export const stalledScenario: Scenario = {
  name: "stalled",
  what: `${STALLED} clients that stop reading a 64 MB reply, beside ${READING} that read 20 KB ones`,
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    async function readers(target: Target): Promise<{ whole: number; ms: number }> {
      await bench.canned(REPLY);
      const started = performance.now();
      const streams = await openStreams(target, { count: READING, gapMs: 0 });
      const { whole } = await streams.finished(LIMIT_MS);
      streams.close();
      return { whole, ms: performance.now() - started };
    }
    const figures: Figure[] = [];
    let failures = 0;
    for (const target of bench.targets.filter(({ process }) => process !== null)) {
      const process = target.process!;
      // Warm: buffers and code that the process needs whether anybody stalls or not.
      await readers(target);
      const alone = await readers(target);
      const before = await settledBytes(process, quick ? 1_000 : 10_000);
      await bench.canned(HUGE_REPLY);
      const stalled = await openStreams(target, { count: STALLED, gapMs: 0, stallAtOnce: true });
      const allBegun = await until(() => stalled.begun() === STALLED, LIMIT_MS);
      // What went through before the kernel's buffers were full is garbage, collected some seconds later.
      const during = await settledBytes(process, quick ? 3_000 : 40_000);
      const beside = await readers(target);
      stalled.close();
      await Bun.sleep(500);
      const ours = target.name === "codex-lb";
      if (ours) failures += READING - beside.whole + (allBegun ? 0 : STALLED - stalled.begun());
      figures.push(
        {
          name: `${target.name}: memory per stalled client`,
          value: (during - before) / STALLED / 1024,
          unit: "KB",
          ...(ours ? { goal: { atMost: 64 } } : {}),
        },
        { name: `${target.name}: readers served beside them`, value: beside.whole, unit: `of ${READING}` },
        { name: `${target.name}: those readers took longer by`, value: beside.ms - alone.ms, unit: "ms" },
      );
    }
    return { failures, figures };
  },
};
