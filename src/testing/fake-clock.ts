/** A clock that stands still until a test advances it; due tasks run in order of their time, then of their scheduling. */
import type { Clock, Timer } from "../ports.ts";

export interface FakeClock extends Clock {
  /** Moves time on by `ms` and runs what falls due on the way, each task at its own time; tasks may schedule more. */
  advance(ms: number): void;
  /** How many tasks wait; a stopped part must leave none. */
  pendingTimers(): number;
}

/** Starts at 2026-01-01T00:00:00Z unless told otherwise. */
export function createFakeClock(startMs = Date.UTC(2026, 0, 1)): FakeClock {
  let nowMs = startMs;
  let scheduled = 0;
  const waiting = new Map<number, { dueMs: number; order: number; task: () => void }>();

  function nextDue(untilMs: number) {
    let next: { dueMs: number; order: number; task: () => void } | undefined;
    for (const entry of waiting.values()) {
      if (entry.dueMs > untilMs) continue;
      if (!next || entry.dueMs < next.dueMs || (entry.dueMs === next.dueMs && entry.order < next.order))
        next = entry;
    }
    return next;
  }

  return {
    now: () => nowMs,
    monotonic: () => nowMs - startMs,
    schedule(delayMs, task): Timer {
      const order = scheduled++;
      waiting.set(order, { dueMs: nowMs + Math.max(0, delayMs), order, task });
      return { cancel: () => void waiting.delete(order) };
    },
    advance(ms) {
      const untilMs = nowMs + ms;
      for (let due = nextDue(untilMs); due; due = nextDue(untilMs)) {
        waiting.delete(due.order);
        nowMs = due.dueMs;
        due.task();
      }
      nowMs = untilMs;
    },
    pendingTimers: () => waiting.size,
  };
}
