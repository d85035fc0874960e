/** Seeded randomness and ids, so that a run can be repeated. */

export interface SeededRandom {
  /** Uniform in [0, 1). */
  next(): number;
  /** Uniform in 0 … below-1. */
  below(limit: number): number;
  hex(digits: number): string;
  pick<T>(list: readonly T[]): T;
}

export function createSeededRandom(seed: number): SeededRandom {
  let state = seed >>> 0;
  // mulberry32: 32 bits of state are plenty for test traffic.
  function next(): number {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }
  const below = (limit: number) => Math.floor(next() * limit);
  function hex(digits: number): string {
    let text = "";
    while (text.length < digits) text += below(0x100000000).toString(16).padStart(8, "0");
    return text.slice(0, digits);
  }
  return { next, below, hex, pick: (list) => list[below(list.length)]! };
}
