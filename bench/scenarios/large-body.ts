/** Huge requests beside small streams: what they take longer, and what the small ones notice. */
import { type Client, connectClient, median, quantile } from "../load.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { openStreams } from "../streams.ts";

const MEGABYTE = 1024 * 1024;
const SMALL_STREAMS = 100;
const GAP_MS = 50;

export const largeBodyScenario: Scenario = {
  name: "large-body",
  what: `requests of 1, 4 and 16 MB beside ${SMALL_STREAMS} streams with an event every ${GAP_MS} ms`,
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    const figures: Figure[] = [];
    const rounds = quick ? 5 : 20;
    const firstByte: Record<string, number> = {};
    for (const megabytes of [1, 4, 16]) {
      await bench.canned({ events: 80, totalBytes: 20_480 });
      for (const target of bench.targets) {
        const client = await connectClient(target, megabytes * MEGABYTE);
        const times: number[] = [];
        for (let round = -2; round < rounds; round++) {
          const { firstByteMs } = await client.request();
          if (round >= 0) times.push(firstByteMs);
        }
        client.close();
        firstByte[target.name] = median(times);
        if (target.name === "direct") continue;
        const goal = target.name === "codex-lb" && megabytes === 16 ? { goal: { atMost: 20 } } : {};
        figures.push({
          name: `${target.name}, ${megabytes} MB: added to the first byte`,
          value: firstByte[target.name]! - firstByte.direct!,
          unit: "ms",
          ...goal,
        });
      }
    }
    const target = bench.target("codex-lb");
    const events = quick ? 60 : 200;
    const late: number[] = [];
    for (const withLarge of [false, true]) {
      await bench.canned({ events, totalBytes: events * 250, gapMs: GAP_MS });
      const streams = await openStreams(target, { count: SMALL_STREAMS, gapMs: GAP_MS });
      const large = withLarge ? await connectClient(target, 16 * MEGABYTE) : null;
      const end = new AbortController();
      const sending = large && sendUntil(large, end.signal);
      const { deviationsMs } = await streams.finished;
      end.abort();
      large?.close();
      await sending;
      late.push(quantile(deviationsMs, 0.99));
    }
    figures.push({
      name: "codex-lb: small streams' p99 rises by",
      value: late[1]! - late[0]!,
      unit: "ms",
      goal: { atMost: 10 },
    });
    return { failures: 0, figures };
  },
};

async function sendUntil(client: Client, end: AbortSignal): Promise<void> {
  while (!end.aborted) await client.request().catch(() => {});
}
