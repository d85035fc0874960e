/** The states of an account as one pure table: what happened, and what the account becomes, in words for people. */
import type { Account, AccountState } from "./account.ts";
import { CodedError } from "./errors.ts";
import type { AccountEffect } from "./retry.ts";
import { isSpent, SCOPE_ALL, type Window } from "./windows.ts";

/** What happens to an account. Every effect of a failed attempt is one; those that touch no state change nothing. */
export type AccountEvent =
  | AccountEffect
  /** A reading of its quota made after whatever put it into its state. */
  | { kind: "fresh_reading"; windows: readonly Window[]; hasCredits?: boolean }
  /** The clock: heals an account whose `stateUntilMs` has passed. */
  | { kind: "reset_passed" }
  | { kind: "paused" }
  | { kind: "reactivated" }
  /** New tokens from a person: a login or an import. */
  | { kind: "logged_in" };

export type AccountStateFields = Pick<Account, "state" | "stateReason" | "stateUntilMs">;

export interface Transition extends AccountStateFields {
  changed: boolean;
  /** One sentence on what happened, for the log and the live feed. */
  text: string;
}

/** Up to this long a window counts as short: spent, it makes an account rate_limited; a longer one quota_exceeded. */
const SHORT_WINDOW_MINUTES = 24 * 60;
const MINUTE_MS = 60_000;
/** A spent account whose reset nobody names is tried again after this; one wasted attempt costs less than a lost account. */
const SPENT_RECHECK_MS = 15 * MINUTE_MS;

/**
 * What the event makes of the account. Rows that are not listed change nothing: a paused account stays paused whatever its
 * quota does, and only a person or a login brings back one that needs a person.
 * Throws CodedError `account_state_transition_invalid` (409) when a person asks for what the state does not allow.
 */
export function applyEvent(current: AccountStateFields, event: AccountEvent, nowMs: number): Transition {
  const { state } = current;
  const heals = state === "rate_limited" || state === "quota_exceeded";
  switch (event.kind) {
    case "spent":
      if (event.scope !== SCOPE_ALL || (state !== "active" && !heals)) break;
      return spendUntil(current, event, nowMs);
    case "fresh_reading":
      if (state !== "active" && !heals) break;
      return readWindows(current, event, nowMs);
    case "reset_passed":
      if (!heals || (current.stateUntilMs ?? 0) > nowMs) break;
      return become(current, "active", null, null, "Its window was reset; it serves again.");
    case "reauth":
      if (state === "deactivated") break;
      return become(current, "reauth_required", event.reason, null, event.reason);
    case "deactivated":
      return become(current, "deactivated", event.reason, null, event.reason);
    case "logged_in":
      if (state !== "reauth_required" && state !== "deactivated") break;
      return become(current, "active", null, null, "Logged in again; it serves again.");
    case "paused":
      return pause(current);
    case "reactivated":
      return reactivate(current);
    case "none":
    case "refused":
    case "cooling":
    case "model_unavailable":
      break;
  }
  return { ...fieldsOf(current), changed: false, text: "Nothing changes." };
}

function spendUntil(
  current: AccountStateFields,
  spent: { untilMs: number | null; windowMinutes: number | null },
  nowMs: number,
): Transition {
  const known = spent.untilMs !== null && spent.untilMs > nowMs ? spent.untilMs : null;
  const untilMs = known ?? nowMs + SPENT_RECHECK_MS;
  // Late answers of requests that were already under way must not shorten what a longer window imposes.
  if (current.state !== "active" && (current.stateUntilMs ?? 0) >= untilMs) {
    return { ...fieldsOf(current), changed: false, text: "Its quota is still spent." };
  }
  const minutes = spent.windowMinutes ?? (known === null ? Infinity : (known - nowMs) / MINUTE_MS);
  const window = spent.windowMinutes === null ? "Its quota" : `Its ${lengthText(spent.windowMinutes)} window`;
  const reason =
    known === null
      ? `${window} is spent and upstream names no reset; tried again after ${isoText(untilMs)}.`
      : `${window} is spent until ${isoText(untilMs)}.`;
  return become(
    current,
    minutes <= SHORT_WINDOW_MINUTES ? "rate_limited" : "quota_exceeded",
    reason,
    untilMs,
    reason,
  );
}

/** A reading that shows a spent window says until when; one that shows room heals; one without windows says nothing. */
function readWindows(
  current: AccountStateFields,
  reading: { windows: readonly Window[]; hasCredits?: boolean },
  nowMs: number,
): Transition {
  const own = reading.windows.filter((window) => window.scope === SCOPE_ALL);
  const last = own
    .filter((window) => isSpent(window, nowMs))
    .reduce<Window | null>((a, b) => (a === null || b.resetAtMs > a.resetAtMs ? b : a), null);
  if (last !== null && reading.hasCredits !== true) {
    const wasActive = { ...fieldsOf(current), state: "active" as const };
    const next = spendUntil(wasActive, { untilMs: last.resetAtMs, windowMinutes: last.minutes }, nowMs);
    // Upstream's reset times wander by a second or two between readings.
    const sameEnd = Math.abs((next.stateUntilMs ?? 0) - (current.stateUntilMs ?? 0)) < MINUTE_MS;
    return { ...next, changed: next.state !== current.state || !sameEnd };
  }
  const showsRoom = own.length > 0 && current.state !== "active";
  if (!showsRoom) return { ...fieldsOf(current), changed: false, text: "Its windows have room." };
  return become(current, "active", null, null, "A fresh reading shows room; it serves again.");
}

function pause(current: AccountStateFields): Transition {
  switch (current.state) {
    case "active":
    case "rate_limited":
    case "quota_exceeded":
      return become(current, "paused", "Paused by a person.", null, "Paused by a person.");
    case "paused":
      throw invalid("The account is already paused.");
    case "reauth_required":
      throw invalid("The account is out of rotation already: its login ended. Log in again first.");
    case "deactivated":
      throw invalid("The account is out of rotation already: upstream deactivated it.");
  }
  return current.state satisfies never;
}

function reactivate(current: AccountStateFields): Transition {
  switch (current.state) {
    case "paused":
    case "rate_limited":
    case "quota_exceeded":
    case "deactivated":
      return become(current, "active", null, null, "Reactivated by a person.");
    case "active":
      throw invalid("The account is already active.");
    case "reauth_required":
      throw invalid("The account's login ended; log in again to reactivate it.");
  }
  return current.state satisfies never;
}

function become(
  current: AccountStateFields,
  state: AccountState,
  stateReason: string | null,
  stateUntilMs: number | null,
  text: string,
): Transition {
  const changed = current.state !== state || current.stateUntilMs !== stateUntilMs;
  return { state, stateReason, stateUntilMs, changed, text };
}

function fieldsOf({ state, stateReason, stateUntilMs }: AccountStateFields): AccountStateFields {
  return { state, stateReason, stateUntilMs };
}

function invalid(message: string): CodedError {
  return new CodedError("account_state_transition_invalid", message, { status: 409 });
}

/** 300 -> "5 h", 10080 -> "7 d": how people call a window. */
export function lengthText(minutes: number): string {
  if (minutes >= 1440 && minutes % 1440 === 0) return `${minutes / 1440} d`;
  if (minutes >= 60 && minutes % 60 === 0) return `${minutes / 60} h`;
  return `${Math.round(minutes)} min`;
}

/** To the minute, in UTC: these sentences end up in logs and on pages of people in other zones. */
function isoText(atMs: number): string {
  return `${new Date(atMs).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
