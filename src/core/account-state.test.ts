/** The table of account states: every event on every state. */
import { describe, expect, test } from "bun:test";
import type { AccountState } from "./account.ts";
import { applyEvent, lengthText, type AccountEvent, type AccountStateFields } from "./account-state.ts";
import { CodedError } from "./errors.ts";
import type { Window } from "./windows.ts";

const nowMs = Date.UTC(2026, 10, 20, 5, 0);
const HOUR_MS = 3_600_000;
const STATES: AccountState[] = [
  "active",
  "rate_limited",
  "quota_exceeded",
  "paused",
  "reauth_required",
  "deactivated",
];
const endsMs = nowMs + HOUR_MS;
const at = (state: AccountState): AccountStateFields => ({
  state,
  stateReason: state === "active" ? null : "before",
  stateUntilMs: state === "rate_limited" || state === "quota_exceeded" ? endsMs : null,
});
const window = (usedPercent: number, minutes = 300, scope = "all"): Window => ({
  minutes,
  usedPercent,
  resetAtMs: nowMs + minutes * 60_000,
  scope,
});
const spent = (windowMinutes: number | null, untilMs: number | null, scope = "all"): AccountEvent => ({
  kind: "spent",
  untilMs,
  scope,
  windowMinutes,
  model: "m",
});
const reading = (...windows: Window[]): AccountEvent => ({ kind: "fresh_reading", windows });

/** For each of STATES in order: the state afterwards, "=" for no change, "409" for a refusal. */
const TABLE: [string, AccountEvent, string[]][] = [
  [
    "a short window spent",
    spent(300, nowMs + 2 * HOUR_MS),
    ["rate_limited", "rate_limited", "rate_limited", "=", "=", "="],
  ],
  [
    "a long window spent",
    spent(10_080, nowMs + 2 * HOUR_MS),
    ["quota_exceeded", "quota_exceeded", "quota_exceeded", "=", "=", "="],
  ],
  [
    "a shorter wait than the one in force",
    spent(300, nowMs + 60_000),
    ["rate_limited", "=", "=", "=", "=", "="],
  ],
  ["a metered feature spent", spent(300, endsMs, "codex_extra"), ["=", "=", "=", "=", "=", "="]],
  [
    "a burst limit",
    { kind: "cooling", untilMs: endsMs, cause: "burst_limit" },
    ["=", "=", "=", "=", "=", "="],
  ],
  [
    "a refused model",
    { kind: "model_unavailable", model: "m", untilMs: endsMs },
    ["=", "=", "=", "=", "=", "="],
  ],
  ["nothing", { kind: "none" }, ["=", "=", "=", "=", "=", "="]],
  ["a reading with room", reading(window(99)), ["=", "active", "active", "=", "=", "="]],
  ["a reading without windows", reading(), ["=", "=", "=", "=", "=", "="]],
  [
    "a reading of a metered feature alone",
    reading(window(10, 300, "codex_extra")),
    ["=", "=", "=", "=", "=", "="],
  ],
  [
    "a reading with a spent week",
    reading(window(10), window(100, 10_080)),
    ["quota_exceeded", "quota_exceeded", "quota_exceeded", "=", "=", "="],
  ],
  [
    "a spent reading with credits",
    { kind: "fresh_reading", windows: [window(100)], hasCredits: true },
    ["=", "active", "active", "=", "=", "="],
  ],
  ["a reset that has not come", { kind: "reset_passed" }, ["=", "=", "=", "=", "=", "="]],
  [
    "a login that ended",
    { kind: "reauth", reason: "ended" },
    ["reauth_required", "reauth_required", "reauth_required", "reauth_required", "=", "="],
  ],
  [
    "deactivated upstream",
    { kind: "deactivated", reason: "gone" },
    ["deactivated", "deactivated", "deactivated", "deactivated", "deactivated", "="],
  ],
  ["a new login", { kind: "logged_in" }, ["=", "=", "=", "=", "active", "active"]],
  ["paused by a person", { kind: "paused" }, ["paused", "paused", "paused", "409", "409", "409"]],
  [
    "reactivated by a person",
    { kind: "reactivated" },
    ["409", "active", "active", "active", "409", "active"],
  ],
];

function outcome(state: AccountState, event: AccountEvent): string {
  try {
    const next = applyEvent(at(state), event, nowMs);
    expect(next.text).not.toBe("");
    expect(next.state === "active").toBe(next.stateReason === null);
    return next.changed ? next.state : "=";
  } catch (error) {
    expect(error).toBeInstanceOf(CodedError);
    expect((error as CodedError).code).toBe("account_state_transition_invalid");
    return String((error as CodedError).status);
  }
}

test.each(TABLE)("%s", (_name, event, expected) => {
  expect(STATES.map((state) => outcome(state, event))).toEqual(expected);
});

test.each(["rate_limited", "quota_exceeded"] as const)("%s heals once its time has passed", (state) => {
  const healed = applyEvent(at(state), { kind: "reset_passed" }, endsMs);
  expect(healed).toMatchObject({ state: "active", stateReason: null, stateUntilMs: null, changed: true });
});

describe("what people read", () => {
  test("the window and its reset", () => {
    expect(applyEvent(at("active"), spent(300, endsMs), nowMs).stateReason).toBe(
      "Its 5 h window is spent until 2026-11-20 06:00 UTC.",
    );
  });
  test("an unknown reset is tried again soon, so that no account is lost", () => {
    const next = applyEvent(at("active"), spent(null, null), nowMs);
    expect(next.state).toBe("quota_exceeded");
    expect(next.stateUntilMs).toBe(nowMs + 900_000);
    expect(next.stateReason).toBe(
      "Its quota is spent and upstream names no reset; tried again after 2026-11-20 05:15 UTC.",
    );
  });
  test.each([
    [300, "5 h"],
    [10_080, "7 d"],
    [43_200, "30 d"],
    [45, "45 min"],
    [90, "90 min"],
  ])("%d minutes is %s", (minutes, text) => {
    expect(lengthText(minutes)).toBe(text);
  });
});

test("without a window the wait tells a short limit from a long one", () => {
  expect(applyEvent(at("active"), spent(null, nowMs + 23 * HOUR_MS), nowMs).state).toBe("rate_limited");
  expect(applyEvent(at("active"), spent(null, nowMs + 25 * HOUR_MS), nowMs).state).toBe("quota_exceeded");
});

test("a reading may shorten a wait that was too long, and a wandering second is no change", () => {
  const long = { ...at("rate_limited"), stateUntilMs: nowMs + 90 * HOUR_MS };
  const next = applyEvent(long, reading(window(100)), nowMs);
  expect(next).toMatchObject({ state: "rate_limited", stateUntilMs: nowMs + 5 * HOUR_MS, changed: true });
  expect(
    applyEvent(next, reading({ ...window(100), resetAtMs: nowMs + 5 * HOUR_MS + 2_000 }), nowMs).changed,
  ).toBe(false);
});
