/** The queue in front of a full pool: requests wait for a place, in fair order among keys, for a bounded time. */
import type { Clock, Timer } from "../ports.ts";

/** Waiting requests hold their body in memory; beyond this many a refusal is kinder than a longer queue. */
export const MAX_WAITING = 1_000;

export interface WaitingRoom {
  /**
   * Waits for a chance to try again. True: try now; false: the time is over, the room is full, or the waiter left.
   * `again`: it tried in vain before, and keeps its place at the head of its key's line.
   */
  wait(waiter: {
    keyId: string;
    waitMs: number;
    again: boolean;
    /** Registers what to call when the client leaves. */
    left(onLeave: () => void): void;
  }): Promise<boolean>;
  /** A place may be free: the first waiter of every key may try, the keys in turn. */
  room(): void;
  size(): number;
}

interface Waiter {
  call(granted: boolean): void;
}

export function createWaitingRoom(clock: Clock): WaitingRoom {
  /** Keys in order of their turns, each with its own queue. */
  const lines = new Map<string, Waiter[]>();
  let size = 0;

  function drop(keyId: string, waiter: Waiter): void {
    const line = lines.get(keyId);
    const at = line?.indexOf(waiter) ?? -1;
    if (at < 0) return;
    line!.splice(at, 1);
    size--;
    if (line!.length === 0) lines.delete(keyId);
  }

  return {
    wait({ keyId, waitMs, again, left }) {
      if (size >= MAX_WAITING || waitMs <= 0) return Promise.resolve(false);
      return new Promise((resolve) => {
        let timer: Timer | null = null;
        const waiter: Waiter = {
          call(granted) {
            timer?.cancel();
            drop(keyId, waiter);
            resolve(granted);
          },
        };
        const line = lines.get(keyId);
        if (!line) lines.set(keyId, [waiter]);
        else if (again) line.unshift(waiter);
        else line.push(waiter);
        size++;
        timer = clock.schedule(waitMs, () => waiter.call(false));
        left(() => waiter.call(false));
      });
    },
    room() {
      if (size === 0) return;
      const turns = [...lines];
      const [first] = turns[0]!;
      // The key that is asked first now is asked last next time.
      lines.delete(first);
      lines.set(first, turns[0]![1]);
      for (const [, line] of turns) line[0]?.call(true);
    },
    size: () => size,
  };
}
