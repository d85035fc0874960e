/** Prints what one pick among 1,000 accounts costs, median µs, in the case that is named; the scenario `selection` runs it. */
import { select, STRATEGIES, type Candidate, type SelectionRequest } from "../src/core/selection.ts";
import { median } from "./load.ts";

const ACCOUNTS = 1_000;
const SESSIONS = 10_000;
/** Batches, so that one that was interrupted does not count. */
const BATCHES = 40;
const PICKS = 500;
const nowMs = 1_795_000_000_000;

/** A small seeded generator (mulberry32): the figures must not depend on luck. */
function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const random = seeded(7);

function account(index: number): Candidate {
  const window = (minutes: number, scope = "all") => ({
    minutes,
    scope,
    usedPercent: Math.floor(random() * 100),
    resetAtMs: nowMs + Math.ceil(random() * minutes) * 60_000,
  });
  return {
    id: `acc_${Math.floor(random() * 2 ** 48)
      .toString(16)
      .padStart(20, String(index))}`,
    stamp: {},
    state: index % 20 === 0 ? "paused" : index % 33 === 0 ? "rate_limited" : "active",
    stateUntilMs: index % 33 === 0 ? nowMs + 60_000 : null,
    coolingUntilMs: index % 50 === 0 ? nowMs + 5_000 : 0,
    routingPolicy: index % 10 === 0 ? "burn_first" : "normal",
    reserveAtPercent: index % 10 === 1 ? 90 : null,
    planType: "plus",
    windows: [window(300), window(10_080), window(43_200), window(10_080, "codex_extra")],
    inFlight: 0,
    maxInFlight: 64,
    lastPickedSeq: 0,
    models: new Set(["gpt-5.5", "gpt-6.1-sol"]),
    unavailableModels: new Map(),
    capacityWeight: 1,
  };
}

const KEEPS = "usage_weighted, keeps its account";
const SESSIONS_CASE = `usage_weighted, ${SESSIONS} sessions`;
const EARLIER = "usage_weighted, earlier reset";
/** The default strategy as it is met most, first. */
export const CASES: readonly string[] = [
  SESSIONS_CASE,
  ...STRATEGIES.toSorted((a, b) => Number(b === "usage_weighted") - Number(a === "usage_weighted")),
  KEEPS,
  EARLIER,
];

/** Median µs per pick. */
function measure(name: string): number {
  const candidates = Array.from({ length: ACCOUNTS }, (_, index) => account(index));
  const request: SelectionRequest = {
    nowMs,
    strategy: STRATEGIES.find((strategy) => strategy === name) ?? "usage_weighted",
    preferEarlierReset: name === EARLIER,
    singleAccountId: candidates[7]!.id,
    model: "gpt-5.5",
    allowedAccountIds: null,
    excludedIds: new Set(),
    keepAccountId: name === KEEPS ? candidates[500]!.id : null,
    random,
  };
  // In an order that no cache knows.
  const kept = Array.from(
    { length: name === SESSIONS_CASE ? SESSIONS : 0 },
    () => candidates[Math.floor(random() * ACCOUNTS)]!.id,
  );
  let seq = 0;
  const inFlight: Candidate[] = [];
  const round = (picks: number) => {
    for (let index = 0; index < picks; index++) {
      if (kept.length > 0) request.keepAccountId = kept[seq % SESSIONS]!;
      const { pick } = select(candidates, request);
      seq++;
      if (pick === null) continue;
      pick.inFlight++;
      pick.lastPickedSeq = seq;
      inFlight.push(pick);
      if (inFlight.length > 200) inFlight.shift()!.inFlight--;
    }
  };
  round(2_000);
  return median(
    Array.from({ length: BATCHES }, () => {
      const start = performance.now();
      round(PICKS);
      return ((performance.now() - start) * 1_000) / PICKS;
    }),
  );
}

if (import.meta.main) console.log(measure(process.argv[2]!));
