/** Clients that stop reading a 64 MB reply, beside clients that read: what each costs, and that nobody else is hurt. */
import type { Scenario } from "../scenario.ts";
import { openStreams, until } from "../streams.ts";

const STALLED = 200;
const READING = 100;
const REPLY_BYTES = 64 * 1024 * 1024;

export const stalledScenario: Scenario = {
  name: "stalled",
  what: `${STALLED} clients that stop reading a 64 MB reply, beside ${READING} that read 20 KB ones`,
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    const figures = [];
    let failures = 0;
    for (const target of bench.targets.filter(({ process }) => process !== null)) {
      // Warm: buffers and code that the process needs whether anybody stalls or not.
      await bench.canned({ events: 80, totalBytes: 20_480 });
      await (
        await openStreams(target, { count: READING, gapMs: 0 })
      ).finished;
      await Bun.sleep(quick ? 1_000 : 5_000);
      const before = target.process!.rssBytes();
      await bench.canned({ events: 1_000, totalBytes: REPLY_BYTES });
      const stalled = await openStreams(target, { count: STALLED, gapMs: 0, stallAtOnce: true });
      await until(() => stalled.begun() === STALLED, 30_000);
      await Bun.sleep(quick ? 3_000 : 10_000);
      const each = (target.process!.rssBytes() - before) / STALLED / 1024;
      await bench.canned({ events: 80, totalBytes: 20_480 });
      const { whole } = await (await openStreams(target, { count: READING, gapMs: 0 })).finished;
      stalled.close();
      const ours = target.name === "codex-lb";
      if (ours) failures += READING - whole;
      figures.push(
        {
          name: `${target.name}: memory per stalled client`,
          value: each,
          unit: "KB",
          ...(ours ? { goal: { atMost: 64 } } : {}),
        },
        { name: `${target.name}: readers served beside them`, value: whole, unit: `of ${READING}` },
      );
      await Bun.sleep(500);
    }
    return { failures, figures };
  },
};
