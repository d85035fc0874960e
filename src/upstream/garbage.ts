/** Has what a fast upstream left behind collected soon, when a slow reader was the reason to stop reading. */
import type { Clock, Timer } from "../ports.ts";

/**
 * Until a reader's kernel buffers are full, megabytes pass through us in pieces of 32 KB each. JavaScriptCore lets 32 MB of
 * them lie before it collects, and Bun's timer may come half a minute later: that much would be charged to stalled clients.
 */
const COLLECT_AFTER_MS = 1_000;
/** A collection takes some milliseconds of the thread; clients that are always a little behind must not cost more than that. */
const COLLECT_EVERY_MS = 5_000;

export interface GarbageCollector {
  /** Some reader fell behind: collect in a while, once for all of them. */
  soon(): void;
  stop(): void;
}

export function createGarbageCollector(clock: Clock, collect = () => Bun.gc(false)): GarbageCollector {
  let timer: Timer | null = null;
  let lastAt = Number.NEGATIVE_INFINITY;

  function run(): void {
    timer = null;
    lastAt = clock.monotonic();
    collect();
  }

  return {
    soon() {
      timer ??= clock.schedule(
        Math.max(COLLECT_AFTER_MS, lastAt + COLLECT_EVERY_MS - clock.monotonic()),
        run,
      );
    },
    stop() {
      timer?.cancel();
      timer = null;
    },
  };
}
