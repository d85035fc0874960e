/** The queue in front of a full pool: requests wait for a place, in fair order among keys, for a bounded time. */
import type { Clock, Timer } from "../ports.ts";

/** Waiting requests hold their body in memory; beyond this many a refusal is kinder than a longer queue. */
export const MAX_WAITING = 1_000;

/** The first of a line may need an account that is still full; so many are asked in all, each costing a pick among the accounts. */
const MAX_TRIED_PER_LINE = 32;

export interface Waiter {
  /** Requests of one key wait in one line; the lines take turns. */
  keyId: string;
  waitMs: number;
  /** Tries to take a place, now; true when the waiting is over. */
  tryNow(): boolean;
  /** Registers what to call when the client leaves; returns how to unregister. */
  onLeave(callback: () => void): () => void;
}

export interface WaitingRoom {
  /** True: `tryNow` said so. False: the time is over, the room is full, or the client left. */
  wait(waiter: Waiter): Promise<boolean>;
  /** Places may be free: the lines take turns, in each the first who can use one, until nobody can. */
  room(): void;
  size(): number;
}

interface Place {
  tryNow(): boolean;
  leave(served: boolean): void;
}

export function createWaitingRoom(clock: Clock): WaitingRoom {
  /** In the order of their turns. */
  const lines = new Map<string, Place[]>();
  let size = 0;

  function remove(keyId: string, place: Place): void {
    const line = lines.get(keyId);
    const at = line?.indexOf(place) ?? -1;
    if (at < 0) return;
    line!.splice(at, 1);
    size--;
    if (line!.length === 0) lines.delete(keyId);
  }

  return {
    wait({ keyId, waitMs, tryNow, onLeave }) {
      if (size >= MAX_WAITING || waitMs <= 0) return Promise.resolve(false);
      return new Promise((resolve) => {
        let timer: Timer | null = null;
        let unregister: (() => void) | null = null;
        const place: Place = {
          tryNow,
          leave(served) {
            timer?.cancel();
            unregister?.();
            remove(keyId, place);
            resolve(served);
          },
        };
        const line = lines.get(keyId);
        if (line) line.push(place);
        else lines.set(keyId, [place]);
        size++;
        timer = clock.schedule(waitMs, () => place.leave(false));
        let left = false;
        unregister = onLeave(() => {
          left = true;
          place.leave(false);
        });
        // It called back while registering.
        if (left) unregister();
      });
    },
    room() {
      let served = size > 0;
      while (served) {
        served = false;
        for (const [keyId, line] of [...lines]) {
          const next = line.slice(0, MAX_TRIED_PER_LINE).find((place) => place.tryNow());
          if (!next) continue;
          next.leave(true);
          served = true;
          // This line had its turn: it comes last now.
          if (lines.delete(keyId)) lines.set(keyId, line);
        }
      }
    },
    size: () => size,
  };
}
