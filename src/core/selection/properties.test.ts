/** What holds for any pool and any request. */
import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { select, STRATEGIES, type Candidate, type SelectionRequest, type Strategy } from "../selection.ts";
import { usedPercentAt } from "../windows.ts";
import { candidate, HOUR_MS, nowMs, request, seeded } from "./testing.ts";

describe("for any pool", () => {
  const windowArb = fc.record({
    minutes: fc.constantFrom(60, 300, 10_080, 43_200),
    usedPercent: fc.integer({ min: 0, max: 110 }),
    resetAtMs: fc.integer({ min: -5, max: 100 }).map((hours) => nowMs + hours * HOUR_MS),
    scope: fc.constantFrom("all", "all", "codex_x"),
  });
  const candidateArb = fc.record({
    state: fc.constantFrom(
      "active",
      "active",
      "active",
      "active",
      "rate_limited",
      "quota_exceeded",
      "paused",
      "reauth_required",
      "deactivated",
    ),
    stateUntilMs: fc.constantFrom(null, nowMs - 1, nowMs + HOUR_MS),
    coolingUntilMs: fc.constantFrom(0, 0, 0, nowMs + 1_000),
    routingPolicy: fc.constantFrom("normal", "normal", "burn_first", "preserve"),
    reserveAtPercent: fc.constantFrom(null, null, 80),
    windows: fc.array(windowArb, { maxLength: 4 }),
    hasCredits: fc.boolean(),
    inFlight: fc.integer({ min: 0, max: 3 }),
    maxInFlight: fc.constantFrom(2, 4, 100),
    lastPickedSeq: fc.integer({ min: 0, max: 9 }),
    models: fc.constantFrom(null, new Set(["m"]), new Set(["other"])),
    unavailableModels: fc.constantFrom(
      undefined,
      new Map(),
      new Map([["m", nowMs + 1]]),
      new Map([["m", nowMs]]),
    ),
    capacityWeight: fc.constantFrom(0, 1, 10),
  });
  const poolArb = fc
    .array(candidateArb, { maxLength: 12 })
    .map((parts) => parts.map((part, i) => candidate(`A${i}`, part as Partial<Candidate>)));
  const requestArb = fc.record({
    strategy: fc.constantFrom(...STRATEGIES),
    preferEarlierReset: fc.boolean(),
    singleAccountId: fc.constantFrom(null, "A0", "A1"),
    model: fc.constantFrom(null, "m"),
    scope: fc.constantFrom(null, "codex_x"),
    allowedAccountIds: fc.constantFrom(null, null, new Set(["A0", "A1", "A2", "A3"])),
    excludedIds: fc.constantFrom(new Set<string>(), new Set(["A2"])),
    keepAccountId: fc.constantFrom(null, "A1", "A9"),
    seed: fc.integer(),
  });

  /** Eligibility said a second time, plainly. */
  function mayServe(one: Candidate, asked: SelectionRequest): boolean {
    const counted = one.windows.filter(({ scope }) => scope === "all" || scope === asked.scope);
    const most = Math.max(0, ...counted.map((window) => usedPercentAt(window, nowMs)));
    const waits = one.state === "rate_limited" || one.state === "quota_exceeded";
    return (
      (one.state === "active" || (waits && one.stateUntilMs !== null && one.stateUntilMs <= nowMs)) &&
      (most < 100 || one.hasCredits === true) &&
      (one.reserveAtPercent === null || most < one.reserveAtPercent) &&
      (asked.model === null || one.models === null || one.models.has(asked.model)) &&
      (asked.model === null || (one.unavailableModels?.get(asked.model) ?? 0) <= nowMs) &&
      one.coolingUntilMs <= nowMs &&
      one.inFlight < one.maxInFlight &&
      (asked.allowedAccountIds === null || asked.allowedAccountIds.has(one.id)) &&
      !asked.excludedIds.has(one.id) &&
      (asked.strategy !== "single_account" || asked.singleAccountId === one.id)
    );
  }

  test("a rejected account is never picked, an eligible one always leads to a pick, and every account is accounted for", () => {
    fc.assert(
      fc.property(poolArb, requestArb, (pool, { seed, ...part }) => {
        const asked = request({ ...part, random: seeded(seed) });
        const verdict = select(pool, asked);
        const eligible = pool.filter((one) => mayServe(one, asked));
        expect(verdict.eligibleCount).toBe(eligible.length);
        expect(verdict.pick === null).toBe(eligible.length === 0);
        if (verdict.pick !== null) expect(eligible).toContain(verdict.pick);
        const kept = eligible.find(({ id }) => id === asked.keepAccountId);
        if (kept !== undefined) expect(verdict.pick).toBe(kept);
        const rejected = verdict.rejections.reduce((sum, { count }) => sum + count, 0);
        expect(rejected + eligible.length).toBe(pool.length);
        expect(select(pool, { ...asked, random: seeded(seed) }).pick).toBe(verdict.pick);
        expect(verdict.ranking.map(({ id }) => id)).toHaveLength(Math.min(5, eligible.length));
        expect(verdict.ranking[0]?.id).toBe(verdict.pick?.id as string);
      }),
      { numRuns: 500 },
    );
  });

  test("picks are the same for the same seed, and do not depend on what was picked before", () => {
    fc.assert(
      fc.property(poolArb, requestArb, requestArb, (pool, { seed, ...part }, before) => {
        select(pool, request({ ...before, random: seeded(before.seed), nowMs: nowMs + 50 * HOUR_MS }));
        const one = select(pool, request({ ...part, random: seeded(seed) }));
        const other = select([...pool], request({ ...part, random: seeded(seed) }));
        expect(one.pick).toBe(other.pick);
        expect(one.ranking).toEqual(other.ranking);
        expect(one.rejections).toEqual(other.rejections);
      }),
      { numRuns: 300 },
    );
  });

  test("no eligible account is starved while requests stay under way", () => {
    const fair: Strategy[] = [
      "usage_weighted",
      "round_robin",
      "capacity_weighted",
      "reset_first",
      "fill_first",
    ];
    fc.assert(
      fc.property(poolArb, fc.constantFrom(...fair), fc.integer(), (pool, strategy, seed) => {
        for (const one of pool) one.maxInFlight = Math.min(one.maxInFlight, 4);
        const asked = request({ strategy, random: seeded(seed) });
        const waiting = new Set(pool.filter((one) => mayServe(one, asked)));
        // 12 accounts with at most 4 places each: all are full after 48 picks, so each was reached.
        for (let picks = 0; picks < 48; picks++) {
          const { pick } = select(pool, asked);
          if (pick === null) break;
          pick.inFlight++;
          pick.lastPickedSeq = 10 + picks;
          waiting.delete(pick);
        }
        expect([...waiting]).toEqual([]);
      }),
    );
  });
});
