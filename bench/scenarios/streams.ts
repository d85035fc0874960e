/** Thousands of slow streams: none lost, none cut, little memory each, events on time. */
import { quantile } from "../load.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { openStreams, until } from "../streams.ts";

const GAP_MS = 1_000;

export const streamsScenario: Scenario = {
  name: "streams",
  what: "1,000 to 8,000 streams at once, one event per second each",
  targets: ["direct", "bare", "codex-lb"],
  async run({ bench, quick }) {
    const events = quick ? 10 : 60;
    await bench.canned({ events, totalBytes: events * 250, gapMs: GAP_MS });
    const figures: Figure[] = [];
    let failures = 0;
    for (const count of quick ? [1_000] : [1_000, 4_000, 8_000]) {
      const late: Record<string, number> = {};
      for (const target of bench.targets) {
        // A first small round: what the process needs once is not counted per stream.
        const before = target.process?.rssBytes() ?? 0;
        const streams = await openStreams(target, { count, gapMs: GAP_MS });
        await until(() => streams.begun() === count, 20_000);
        const during = target.process?.rssBytes() ?? 0;
        const { whole, deviationsMs } = await streams.finished;
        late[target.name] = quantile(deviationsMs, 0.99);
        if (target.name !== "direct") {
          if (target.name === "codex-lb") failures += count - whole;
          const ours = target.name === "codex-lb";
          figures.push(
            { name: `${target.name}, ${count} streams: lost or cut`, value: count - whole, unit: "" },
            {
              name: `${target.name}, ${count} streams: memory each`,
              value: Math.max(0, during - before) / count / 1024,
              unit: "KB",
              ...(ours ? { goal: { atMost: 50 } } : {}),
            },
            {
              name: `${target.name}, ${count} streams: added p99 between events`,
              value: late[target.name]! - late.direct!,
              unit: "ms",
              ...(ours ? { goal: { atMost: 5 } } : {}),
            },
          );
        }
      }
    }
    return { failures, figures };
  },
};
