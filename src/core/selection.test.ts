/** Every reason for a rejection, what a verdict says, and that a pool's changes are seen. */
import { describe, expect, test } from "bun:test";
import {
  IN_FLIGHT_PERCENT,
  select,
  type Candidate,
  type RejectionReason,
  type SelectionRequest,
} from "./selection.ts";
import { candidate, change, DAY_MS, fiveHours, HOUR_MS, nowMs, request, week } from "./selection/testing.ts";

describe("rejections", () => {
  const untilMs = nowMs + 2 * HOUR_MS;
  const cases: [RejectionReason, Partial<Candidate>, Partial<SelectionRequest>, number | null][] = [
    ["paused", { state: "paused" }, {}, null],
    ["reauth_required", { state: "reauth_required" }, {}, null],
    ["deactivated", { state: "deactivated" }, {}, null],
    ["spent", { state: "rate_limited", stateUntilMs: untilMs }, {}, untilMs],
    ["spent", { state: "quota_exceeded", stateUntilMs: null }, {}, null],
    ["spent", { windows: [week(100, untilMs), fiveHours(100)] }, {}, untilMs],
    ["spent", { windows: [week(100, untilMs, "codex_x")] }, { scope: "codex_x" }, untilMs],
    ["cooling", { coolingUntilMs: untilMs }, {}, untilMs],
    ["model_unavailable", { models: new Set(["other"]) }, { model: "m" }, null],
    ["model_unavailable", { unavailableModels: new Map([["m", untilMs]]) }, { model: "m" }, untilMs],
    ["reserve", { reserveAtPercent: 80, windows: [week(80, untilMs), fiveHours(10)] }, {}, untilMs],
    ["at_capacity", { inFlight: 3, maxInFlight: 3 }, {}, null],
    ["not_allowed_for_key", {}, { allowedAccountIds: new Set(["B"]) }, null],
    ["not_the_single_account", {}, { strategy: "single_account", singleAccountId: "B" }, null],
    ["excluded_after_failure", {}, { excludedIds: new Set(["A"]) }, null],
  ];
  test.each(cases)("%s", (reason, part, asked, expectedUntilMs) => {
    const verdict = select([candidate("A", part)], request({ ...asked, keepAccountId: "A" }));
    expect(verdict.pick).toBeNull();
    expect(verdict.eligibleCount).toBe(0);
    expect(verdict.rejections).toEqual([{ reason, count: 1, ids: ["A"], untilMs: expectedUntilMs }]);
    expect(verdict.earliestReadyAtMs).toBe(reason === "model_unavailable" ? null : expectedUntilMs);
    expect(verdict.reason).toStartWith("No account can serve: 1 ");
  });

  const eligible: [string, Partial<Candidate>, Partial<SelectionRequest>][] = [
    ["whose wait has passed", { state: "rate_limited", stateUntilMs: nowMs }, {}],
    ["with credits on a spent window", { windows: [week(100)], hasCredits: true }, {}],
    ["whose spent window was reset", { windows: [week(100, nowMs)] }, {}],
    ["with another feature spent", { windows: [week(100, untilMs, "codex_x")] }, {}],
    ["that lists the model", { models: new Set(["m"]) }, { model: "m" }],
    ["that refused the model long ago", { unavailableModels: new Map([["m", nowMs]]) }, { model: "m" }],
    ["below its reserve", { reserveAtPercent: 80, windows: [week(79.9)] }, {}],
    ["whose reserve was freed by a reset", { reserveAtPercent: 80, windows: [week(90, nowMs - 1)] }, {}],
  ];
  test.each(eligible)("none for an account %s", (_name, part, asked) => {
    expect(select([candidate("A", part)], request(asked)).pick?.id).toBe("A");
  });

  test("are counted, with the first five ids and the earliest return", () => {
    const pool = Array.from({ length: 8 }, (_, i) =>
      candidate(`A${i}`, { state: "rate_limited", stateUntilMs: untilMs - i * 1_000 }),
    );
    const verdict = select([...pool, candidate("P", { state: "paused" })], request());
    expect(verdict.rejections).toEqual([
      { reason: "spent", count: 8, ids: ["A0", "A1", "A2", "A3", "A4"], untilMs: untilMs - 7_000 },
      { reason: "paused", count: 1, ids: ["P"], untilMs: null },
    ]);
    expect(verdict.earliestReadyAtMs).toBe(untilMs - 7_000);
    expect(verdict.reason).toBe(
      "No account can serve: 8 spent (first back 2026-11-20T06:59:53.000Z), 1 paused.",
    );
  });
  test("an account that is spent by now says so, though it failed on this request", () => {
    const pool = [candidate("A", { state: "rate_limited", stateUntilMs: untilMs })];
    expect(select(pool, request({ excludedIds: new Set(["A"]) })).earliestReadyAtMs).toBe(untilMs);
  });
});

describe("the verdict", () => {
  const pool = [
    candidate("A", { windows: [fiveHours(12), week(41)], inFlight: 2, routingPolicy: "burn_first" }),
    candidate("B", { windows: [week(5)] }),
    candidate("C", { state: "paused" }),
  ];
  test("says why in one sentence, as it was at the pick", () => {
    const verdict = select(pool, request());
    pool[0]!.inFlight++;
    expect(verdict.reason).toBe(
      "Least used, of 2 eligible accounts (7 d 41 %, 5 h 12 %, 2 in flight, burn_first).",
    );
    expect(verdict.ranking).toEqual([
      { id: "A", score: 41.001 + 2 * IN_FLIGHT_PERCENT, note: "7 d 41 %, 5 h 12 %, 2 in flight, burn_first" },
      { id: "B", score: 5, note: "7 d 5 %" },
    ]);
    pool[0]!.inFlight--;
  });
  test("names the conversation that it kept", () => {
    expect(select(pool, request({ keepAccountId: "B" })).reason).toBe(
      "Stays with the account of its conversation (7 d 5 %, holds the conversation).",
    );
  });
  test("names what an empty pool or an unset choice needs", () => {
    expect(select([], request()).reason).toBe("The pool has no account: import one.");
    expect(select(pool, request({ strategy: "single_account" })).reason).toEndWith(
      "choose one in the settings.",
    );
  });
  test("ranks the drawn account first", () => {
    const many = Array.from({ length: 9 }, (_, i) => candidate(`A${i}`, { capacityWeight: 9 - i }));
    const verdict = select(many, request({ strategy: "capacity_weighted", random: () => 0.9999 }));
    expect(verdict.pick?.id).toBe("A8");
    expect(verdict.ranking.map(({ id }) => id)).toEqual(["A8", "A0", "A1", "A2", "A3"]);
  });
});

test("what is remembered of a pool follows its changes", () => {
  const a = candidate("A", { windows: [week(10)], models: new Set(["m"]) });
  const b = candidate("B", { windows: [week(20)] });
  const c = candidate("C", { windows: [week(1)] });
  let pool = [a, b];
  const pick = (part: Partial<SelectionRequest> = {}) =>
    select(pool, request({ model: "m", ...part })).pick?.id;
  expect(pick()).toBe("A");
  change(a, { windows: [week(30)] });
  expect(pick()).toBe("B");
  expect(pick({ nowMs: nowMs + 3 * DAY_MS })).toBe("A");
  expect(pick()).toBe("B");
  change(b, { models: new Set(["other"]) });
  expect(pick()).toBe("A");
  expect(pick({ model: null })).toBe("B");
  pool = [...pool, c];
  expect(pick()).toBe("C");
  change(c, { unavailableModels: new Map([["m", nowMs + 1]]) });
  expect(pick()).toBe("A");
  expect(pick({ nowMs: nowMs + 1 })).toBe("C");
  change(c, { coolingUntilMs: nowMs + HOUR_MS, unavailableModels: new Map() });
  expect(pick()).toBe("A");
  expect(pick({ nowMs: nowMs + HOUR_MS })).toBe("C");
  change(a, { state: "rate_limited", stateUntilMs: nowMs + 60_000 });
  expect(pick()).toBeUndefined();
  expect(pick({ nowMs: nowMs + 60_000 })).toBe("A");
  change(c, { coolingUntilMs: 0 });
  expect(pick()).toBe("C");
  pool = [c];
  expect(pick()).toBe("C");
});
