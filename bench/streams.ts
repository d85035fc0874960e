/** Many slow streams at once over raw sockets: when each event came, what was lost, who was cut. */
import { bodyOfSession, replyReader, requestBody, requestHead, sorted } from "./load.ts";
import { RESPONSES_PATH, type Target } from "./targets.ts";

export interface StreamsResult {
  /** Streams that saw their terminal event and a proper end. */
  whole: number;
  /** Deviations of the gaps between events from the expected one, ms, sorted. */
  deviationsMs: number[];
}

export interface OpenStreams {
  /** Streams that have begun to answer. */
  begun(): number;
  /** Resolves when all have ended, or when none may still be missing: `limitMs` after the call. */
  finished(limitMs: number): Promise<StreamsResult>;
  close(): void;
}

const EVENT = Buffer.from("\nevent: ");

/** Opens `count` streams, a few hundred at a time so that no backlog overflows. */
export async function openStreams(
  target: Target,
  options: { count: number; gapMs: number; bodyBytes?: number; stallAtOnce?: boolean },
): Promise<OpenStreams> {
  const url = new URL(target.origin);
  const body = requestBody(options.bodyBytes ?? 2_000);
  const sockets: { pause(): void; terminate(): void }[] = [];
  const deviationsMs: number[] = [];
  let begun = 0;
  let whole = 0;
  let left = options.count;
  const { promise: allEnded, resolve } = Promise.withResolvers<void>();

  async function open(index: number): Promise<void> {
    let hasBegun = false;
    let lastEventAt = 0;
    let complete = false;
    let over = false;
    const read = replyReader();
    function end(): void {
      if (over) return;
      over = true;
      if (complete) whole++;
      if (--left === 0) resolve();
    }
    const socket = await Bun.connect({
      hostname: url.hostname,
      port: Number(url.port),
      socket: {
        data(self, bytes) {
          if (!hasBegun) {
            hasBegun = true;
            begun++;
            if (options.stallAtOnce) self.pause();
          }
          if (bytes.includes(EVENT) || bytes.subarray(0, 7).toString() === "event: ") {
            const now = performance.now();
            // From event to event: the reply's head may come in a packet of its own.
            if (lastEventAt > 0) deviationsMs.push(Math.abs(now - lastEventAt - options.gapMs));
            lastEventAt = now;
          }
          const reply = read(bytes);
          if (reply === null) return;
          complete = reply.ok;
          end();
          self.end();
        },
        close: end,
        error: end,
      },
    });
    socket.setNoDelay(true);
    sockets.push(socket);
    socket.write(
      requestHead(target, { path: RESPONSES_PATH, body }, `stream-${index}`) + bodyOfSession(body, index),
    );
  }

  for (let from = 0; from < options.count; from += 200) {
    const batch = Math.min(200, options.count - from);
    await Promise.all(Array.from({ length: batch }, (_, index) => open(from + index)));
    await Bun.sleep(20);
  }
  return {
    begun: () => begun,
    async finished(limitMs) {
      await Promise.race([allEnded, Bun.sleep(limitMs)]);
      return { whole, deviationsMs: sorted(deviationsMs) };
    },
    close: () => sockets.forEach((socket) => socket.terminate()),
  };
}

/** Waits until `condition` holds, at most `limitMs`. */
export async function until(condition: () => boolean, limitMs: number): Promise<boolean> {
  const deadline = performance.now() + limitMs;
  while (!condition()) {
    if (performance.now() > deadline) return false;
    await Bun.sleep(25);
  }
  return true;
}
