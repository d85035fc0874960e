/** Chance that repeats: the same seed gives the same numbers and bytes. For tests and the simulator, never for secrets. */
import type { Random } from "../ports.ts";

/** Mulberry32: 32 bits of state, good enough to shuffle and jitter. */
export function createSeededRandom(seed: number): Random {
  let state = seed >>> 0;
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  }
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => Math.floor(next() * 256)) };
}
