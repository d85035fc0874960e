/** Thousands of slow streams: none lost, none cut, little memory each, events on time. */
import { quantile } from "../load.ts";
import { settledBytes, watchMemory } from "../memory.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { openStreams, until } from "../streams.ts";

const GAP_MS = { full: 1_000, quick: 500 };
const WARM_UP_STREAMS = 200;
const OPENING_MS = 30_000;

export const streamsScenario: Scenario = {
  name: "streams",
  what: "1,000 to 8,000 streams at once, one event per second each",
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    // A reply has nine events at least.
    const events = quick ? 10 : 60;
    const gapMs = GAP_MS[quick ? "quick" : "full"];
    const figures: Figure[] = [];
    let failures = 0;
    for (const count of quick ? [1_000] : [1_000, 4_000, 8_000]) {
      let directLate = 0;
      for (const target of bench.targets) {
        // What the process needs once is not counted per stream.
        await bench.canned({ events: 9, totalBytes: 1_000, gapMs: 100 });
        await (await openStreams(target, { count: WARM_UP_STREAMS, gapMs: 100 })).finished(OPENING_MS);
        const before = target.process ? await settledBytes(target.process, quick ? 500 : 5_000) : 0;

        await bench.canned({ events, totalBytes: events * 250, gapMs });
        const streams = await openStreams(target, { count, gapMs });
        await until(() => streams.begun() === count, OPENING_MS);
        const watch = target.process && watchMemory(target.process);
        const { whole, deviationsMs } = await streams.finished(events * gapMs + OPENING_MS);
        const during = watch?.end();
        streams.close();

        const late = quantile(deviationsMs, 0.99);
        if (target.name === "direct") directLate = late;
        const ours = target.name === "codex-lb";
        if (ours) failures += count - whole;
        if (during === undefined || during === null) continue;
        const each = (bytes: number) => Math.max(0, bytes - before) / count / 1024;
        const row = (what: string) => `${target.name}, ${count} streams: ${what}`;
        figures.push(
          { name: row("lost or cut"), value: count - whole, unit: "" },
          {
            name: row("memory each"),
            value: each(during.median),
            unit: "KB",
            ...(ours ? { goal: { atMost: 50 } } : {}),
          },
          { name: row("memory each, at its highest"), value: each(during.highest), unit: "KB" },
          {
            name: row("added p99 between events"),
            value: late - directLate,
            unit: "ms",
            ...(ours ? { goal: { atMost: 5 } } : {}),
          },
        );
      }
    }
    return { failures, figures };
  },
};
