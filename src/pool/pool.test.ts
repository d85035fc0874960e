/** What the pool picks follows every change of its accounts at once. */
import { expect, test } from "bun:test";
import * as fc from "fast-check";
import { createAffinityMap } from "../core/affinity.ts";
import { select } from "../core/selection.ts";
import { DEFAULT_SETTINGS } from "../core/settings.ts";
import type { Window } from "../core/windows.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { testAccount, testCredentials } from "../testing/temporary-store.ts";
import { createPool, type Pool } from "./pool.ts";

const NAMES = ["a", "b", "c"];
const MINUTE_MS = 60_000;
const NO_READING = {
  planType: null,
  credits: null,
  spendControlReached: null,
  limitReached: null,
  allowed: null,
  reachedType: null,
  resetCreditsAvailable: null,
};

test("after any changes, in any order, a pick is what it would be for a pool seen for the first time", () => {
  const week = (usedPercent: number, resetAtMs: number): Window => {
    return { minutes: 10_080, usedPercent, resetAtMs, scope: "all" };
  };
  type Step = (pool: Pool, id: string, nowMs: number, figure: number) => void;
  const steps: Step[] = [
    (pool, id, nowMs, figure) =>
      pool.read(id, { ...NO_READING, source: "usage", windows: [week(figure, nowMs + 5 * MINUTE_MS)] }),
    (pool, id, nowMs, figure) =>
      pool.read(id, { ...NO_READING, source: "headers", windows: [week(figure, nowMs + MINUTE_MS)] }),
    (pool, id, nowMs, figure) =>
      pool.apply(id, { kind: "cooling", untilMs: nowMs + figure * 1_000, cause: "network" }),
    (pool, id) => pool.apply(id, { kind: "refused", reason: "refused" }),
    (pool, id, nowMs, figure) =>
      pool.apply(id, { kind: "model_unavailable", model: "m", untilMs: nowMs + figure * 1_000 }),
    (pool, id, nowMs, figure) =>
      pool.apply(id, {
        kind: "spent",
        scope: "all",
        model: "m",
        untilMs: nowMs + figure * 1_000,
        windowMinutes: 300,
      }),
    (pool, id) => pool.apply(id, { kind: "reauth", reason: "lost" }),
    (pool, id) => pool.apply(id, { kind: "logged_in" }),
    (pool, id, _nowMs, figure) => pool.patch(id, { reserveAtPercent: figure }),
    (pool, id) => pool.patch(id, { routingPolicy: "burn_first", reserveAtPercent: null }),
    (pool, id) => pool.setModels(id, new Set(["other"])),
    (pool, id) => pool.setModels(id, null),
    (pool) => pool.tick(),
    (pool, id) => void pool.remove(id),
    (pool, id) => putAccount(pool, id),
  ];
  const changes = fc.array(
    fc.record({
      step: fc.constantFrom(...steps),
      id: fc.constantFrom(...NAMES.map((name) => testAccount(name).id)),
      figure: fc.integer({ min: 0, max: 110 }),
      laterMs: fc.constantFrom(0, 0, 1_000, MINUTE_MS),
    }),
    { maxLength: 30 },
  );
  fc.assert(
    fc.property(changes, (list) => {
      const clock = createFakeClock();
      const settings = () => DEFAULT_SETTINGS;
      const affinity = createAffinityMap({ capacity: 10, ttlMs: {} as never });
      const pool = createPool({ clock, random: createSeededRandom(1), affinity, settings });
      for (const name of NAMES) putAccount(pool, testAccount(name).id);
      for (const { step, id, figure, laterMs } of list) {
        clock.advance(laterMs);
        step(pool, id, clock.now(), figure);
        const asked = {
          model: "m",
          allowedAccountIds: null,
          excludedIds: new Set<string>(),
          keepAccountId: null,
        };
        const fresh = select([...pool.list()], {
          ...asked,
          nowMs: clock.now(),
          strategy: DEFAULT_SETTINGS.routingStrategy,
          preferEarlierReset: DEFAULT_SETTINGS.preferEarlierResetAccounts,
          singleAccountId: null,
          random: () => 0,
        });
        const { verdict, lease } = pool.acquire(asked);
        lease?.release();
        expect(verdict.pick?.id).toBe(fresh.pick?.id as string);
        expect(verdict.rejections).toEqual(fresh.rejections);
      }
    }),
    { numRuns: 300 },
  );
});

function putAccount(pool: Pool, id: string): void {
  const account = NAMES.map(testAccount).find((one) => one.id === id)!;
  pool.put({ account, credentials: testCredentials(id), windows: [], credits: null, models: null });
}
