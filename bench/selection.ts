/** Cost of one pick among 1,000 accounts with four windows each, per strategy. Run: `bun bench/selection.ts`. */
import { select, STRATEGIES, type Candidate, type SelectionRequest } from "../src/core/selection.ts";

const ACCOUNTS = 1_000;
const PICKS = 20_000;
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
    capacityWeight: 1,
  };
}

const candidates = Array.from({ length: ACCOUNTS }, (_, index) => account(index));
const base: SelectionRequest = {
  nowMs,
  strategy: "usage_weighted",
  preferEarlierReset: false,
  singleAccountId: candidates[7]!.id,
  model: "gpt-5.5",
  allowedAccountIds: null,
  excludedIds: new Set(),
  keepAccountId: null,
  random,
};

function measure(label: string, request: SelectionRequest) {
  let picked = 0;
  let seq = 0;
  const inFlight: Candidate[] = [];
  const round = (picks: number) => {
    for (let i = 0; i < picks; i++) {
      const { pick } = select(candidates, request);
      if (pick === null) continue;
      picked++;
      pick.inFlight++;
      pick.lastPickedSeq = ++seq;
      inFlight.push(pick);
      if (inFlight.length > 200) inFlight.shift()!.inFlight--;
    }
  };
  round(2_000);
  const start = performance.now();
  round(PICKS);
  const microseconds = ((performance.now() - start) * 1_000) / PICKS;
  for (const one of inFlight) one.inFlight--;
  console.log(
    `${label.padEnd(34)} ${microseconds.toFixed(2).padStart(7)} µs per pick (${picked} picks, ${ACCOUNTS} accounts)`,
  );
}

for (const strategy of STRATEGIES) measure(strategy, { ...base, strategy });
measure("usage_weighted, keeps its account", { ...base, keepAccountId: candidates[500]!.id });
measure("usage_weighted, earlier reset", { ...base, preferEarlierReset: true });
