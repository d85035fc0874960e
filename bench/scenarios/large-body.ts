/** Huge requests beside small streams: what they take longer, and what the small ones notice. */
import {
  type Client,
  connectClient,
  median,
  quantile,
  REPLY,
  requestHead,
  responsesPayload,
} from "../load.ts";
import type { Figure, Scenario } from "../scenario.ts";
import { openStreams } from "../streams.ts";
import type { Target } from "../targets.ts";

const MEGABYTE = 1024 * 1024;
const SMALL_STREAMS = 100;
const GAP_MS = 50;
const LIMIT_MS = 60_000;
/** Between two huge requests: a few in a second, as from several people with screenshots. */
const REST_MS = 200;

export const largeBodyScenario: Scenario = {
  name: "large-body",
  what: `requests of 1, 4 and 16 MB beside ${SMALL_STREAMS} streams with an event every ${GAP_MS} ms`,
  targets: ["direct", "nginx", "bare", "codex-lb"],
  async run({ bench, quick }) {
    const figures: Figure[] = [];
    let failures = 0;
    await bench.canned(REPLY);
    for (const megabytes of [1, 4, 16]) {
      const payload = responsesPayload(megabytes * MEGABYTE);
      const clients = new Map<string, Client>();
      for (const target of bench.targets) clients.set(target.name, await connectClient(target, { payload }));
      const times = new Map<string, number[]>(bench.targets.map(({ name }) => [name, []]));
      for (let round = -2; round < (quick ? 5 : 20); round++) {
        for (const [name, client] of clients) {
          const { firstByteMs, ok } = await client.request();
          if (round >= 0) times.get(name)!.push(firstByteMs);
          if (!ok && name === "codex-lb") failures++;
        }
      }
      for (const client of clients.values()) client.close();
      for (const { name } of bench.targets.filter((target) => target.name !== "direct")) {
        figures.push({
          name: `${name}, ${megabytes} MB: added to the first byte`,
          value: median(times.get(name)!) - median(times.get("direct")!),
          unit: "ms",
          ...(name === "codex-lb" && megabytes === 16 ? { goal: { atMost: 20 } } : {}),
        });
      }
    }
    const events = quick ? 40 : 200;
    await bench.canned({ events, totalBytes: events * 250, gapMs: GAP_MS });
    const huge = responsesPayload(16 * MEGABYTE);
    const wireOf = (target: Target) => Buffer.from(requestHead(target, huge, "huge") + huge.body);

    /** The 99th percentile of how far the gaps between a small stream's events are off, ms. */
    async function lateness(target: Target, { besideHuge }: { besideHuge: boolean }): Promise<number> {
      const streams = await openStreams(target, { count: SMALL_STREAMS, gapMs: GAP_MS });
      const end = new AbortController();
      const sending = besideHuge && sendHuge(target, wireOf(target), end.signal);
      const { whole, deviationsMs } = await streams.finished(LIMIT_MS);
      end.abort();
      await sending;
      streams.close();
      if (target.name === "codex-lb") failures += SMALL_STREAMS - whole;
      return quantile(deviationsMs, 0.99);
    }

    let directRise = 0;
    for (const target of bench.targets) {
      const alone = await lateness(target, { besideHuge: false });
      const rise = (await lateness(target, { besideHuge: true })) - alone;
      // The load sends the huge bodies from the core that also reads the streams: what the direct path shows is its own.
      if (target.name === "direct") directRise = rise;
      figures.push({
        name:
          target.name === "direct"
            ? "direct: small streams' p99 rises by"
            : `${target.name}: rises by, beyond direct`,
        value: target.name === "direct" ? rise : rise - directRise,
        unit: "ms",
        ...(target.name === "codex-lb" ? { goal: { atMost: 10 } } : {}),
      });
    }
    return { failures: failures + (await bench.failedRequests()), figures };
  },
};

/** Sends a huge request, leaves at the first byte of its reply, rests, and so on until `end`. */
async function sendHuge(target: Target, wire: Buffer, end: AbortSignal): Promise<void> {
  const { hostname, port } = new URL(target.origin);
  while (!end.aborted) {
    const { promise: answered, resolve } = Promise.withResolvers<void>();
    let unsent = wire;
    const send = (socket: { write(bytes: Buffer): number }) =>
      void (unsent = unsent.subarray(Math.max(0, socket.write(unsent))));
    const socket = await Bun.connect({
      hostname,
      port: Number(port),
      socket: { open: send, drain: send, data: () => resolve(), close: () => resolve() },
    });
    await Promise.race([answered, Bun.sleep(LIMIT_MS)]);
    socket.terminate();
    await Bun.sleep(REST_MS);
  }
}
