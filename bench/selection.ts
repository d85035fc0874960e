/** Cost of one pick among 1,000 accounts with four windows each, per strategy. Run: `bun bench/selection.ts`. */
import { select, STRATEGIES, type Candidate, type SelectionRequest } from "../src/core/selection.ts";

const ACCOUNTS = 1_000;
/** Batches, so that the best one shows the cost on a machine that is busy with other things too. */
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
  const batches = Array.from({ length: BATCHES }, () => {
    const start = performance.now();
    round(PICKS);
    return ((performance.now() - start) * 1_000) / PICKS;
  }).toSorted((a, b) => a - b);
  for (const one of inFlight) one.inFlight--;
  const [best, median] = [batches[0]!, batches[BATCHES >> 1]!].map((figure) => figure.toFixed(2).padStart(6));
  console.log(`${label.padEnd(34)} best ${best}  median ${median} µs per pick  (${picked} picks)`);
}

const cases: Record<string, SelectionRequest> = {
  ...Object.fromEntries(STRATEGIES.map((strategy) => [strategy, { ...base, strategy }])),
  "usage_weighted, keeps its account": { ...base, keepAccountId: candidates[500]!.id },
  "usage_weighted, earlier reset": { ...base, preferEarlierReset: true },
};

// A pool runs one strategy; each is measured in a process of its own, so that none is compiled for the others' sake.
const asked = process.argv[2];
if (asked !== undefined) measure(asked, cases[asked]!);
else
  for (const label of Object.keys(cases))
    Bun.spawnSync([process.execPath, import.meta.path, label], { stdio: ["ignore", "inherit", "inherit"] });
