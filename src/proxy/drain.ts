/** Knows what is still being served, so that a stop can wait for it, and then end what is left. */
import type { Clock } from "../ports.ts";

export interface Drain {
  /** Something began that a stop waits for. `end` is called when the wait is over. Returns how to say that it finished. */
  open(end?: () => void): () => void;
  /** How many are open. */
  active(): number;
  /** Resolves when all finished, at the latest a moment after `limitMs`, when those left were told to end. */
  wait(limitMs: number): Promise<void>;
}

/** After they were told to end: time for the last words to leave. */
const LAST_WORDS_MS = 250;

export function createDrain(clock: Clock): Drain {
  const open = new Set<{ end(): void }>();
  let onEmpty: (() => void) | null = null;

  function empty(limitMs: number): Promise<void> {
    if (open.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = clock.schedule(limitMs, resolve);
      onEmpty = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  return {
    open(end = () => {}) {
      const entry = { end };
      open.add(entry);
      return () => {
        if (open.delete(entry) && open.size === 0) onEmpty?.();
      };
    },
    active: () => open.size,
    async wait(limitMs) {
      await empty(limitMs);
      for (const entry of [...open]) entry.end();
      await empty(LAST_WORDS_MS);
    },
  };
}
