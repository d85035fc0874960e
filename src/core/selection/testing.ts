/** Small pools and requests for the tests of selection. */
import type { Window } from "../windows.ts";
import { select } from "../selection.ts";
import type { Candidate, SelectionRequest } from "./types.ts";

export const nowMs = Date.UTC(2026, 10, 20, 5, 0);
export const HOUR_MS = 3_600_000;
export const DAY_MS = 24 * HOUR_MS;

export const week = (usedPercent: number, resetAtMs = nowMs + 3 * DAY_MS, scope = "all"): Window => ({
  minutes: 10_080,
  usedPercent,
  resetAtMs,
  scope,
});
export const fiveHours = (usedPercent: number, resetAtMs = nowMs + HOUR_MS): Window => ({
  minutes: 300,
  usedPercent,
  resetAtMs,
  scope: "all",
});

export function candidate(id: string, part: Partial<Candidate> = {}): Candidate {
  return {
    id,
    stamp: {},
    state: "active",
    stateUntilMs: null,
    coolingUntilMs: 0,
    routingPolicy: "normal",
    reserveAtPercent: null,
    planType: "plus",
    windows: [],
    inFlight: 0,
    maxInFlight: 1_000,
    lastPickedSeq: 0,
    models: null,
    capacityWeight: 1,
    ...part,
  };
}

/** Changes a candidate as the pool does. */
export function change(one: Candidate, part: Partial<Candidate>): void {
  Object.assign(one, part, { stamp: {} });
}

export function request(part: Partial<SelectionRequest> = {}): SelectionRequest {
  return {
    nowMs,
    strategy: "usage_weighted",
    preferEarlierReset: false,
    singleAccountId: null,
    model: null,
    allowedAccountIds: null,
    excludedIds: new Set(),
    keepAccountId: null,
    random: () => 0.5,
    ...part,
  };
}

/** mulberry32: the same draws for the same seed. */
export function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Picks `count` times as the pool does: each pick is under way afterwards unless `finish`. */
export function sequence(
  pool: Candidate[],
  count: number,
  asked: Partial<SelectionRequest>,
  finish = false,
): string {
  let picks = "";
  for (let seq = 1; seq <= count; seq++) {
    const { pick } = select(pool, request(asked));
    picks += pick?.id ?? "-";
    if (pick === null) continue;
    pick.lastPickedSeq = seq;
    if (!finish) pick.inFlight++;
  }
  return picks;
}
