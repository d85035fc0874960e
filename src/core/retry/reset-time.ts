/** When a limit ends: from the error's fields, the quota headers, `retry-after`, upstream's words, or the windows as last read. */
import { isSpent, SCOPE_ALL, type Window } from "../windows.ts";
import type { UpstreamError } from "./upstream-error.ts";

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** The longest window known is 30 days; a reset further away is a misread unit. */
const MAX_RESET_AHEAD_MS = 45 * DAY_MS;
/** Two sources name the same window when their resets differ by no more than this (rounding, clock skew). */
const SAME_RESET_MS = 5 * MINUTE_MS;

/** The window that a limit belongs to, as far as anything says. */
export interface SpentUntil {
  untilMs: number | null;
  windowMinutes: number | null;
}

/**
 * The metered feature a limit is for: `x-codex-active-limit` when it names one of the extra families
 * (UPSTREAM C: `x-codex-<id>-…` is limit `codex_<id>`), otherwise the whole plan.
 */
export function limitScope(error: UpstreamError, windows: readonly Window[]): string {
  const active = error.header("x-codex-active-limit")?.trim().toLowerCase();
  if (active === undefined || active === "" || active === "codex") return SCOPE_ALL;
  const scope = active.replaceAll("-", "_");
  const named = error.header(`${familyPrefix(scope)}-limit-name`) !== null;
  return named || windows.some((window) => window.scope === scope) ? scope : SCOPE_ALL;
}

/** The spent window among headers and readings that ends last; null when none says that it is spent. */
export function confirmedSpent(
  error: UpstreamError,
  windows: readonly Window[],
  scope: string,
  nowMs: number,
): SpentUntil | null {
  const spent = [
    ...headerWindows(error, scope).filter((window) => (window.usedPercent ?? 0) >= 100),
    ...windows.filter((window) => window.scope === scope && isSpent(window, nowMs)),
  ].filter((window) => window.resetAtMs > nowMs);
  const last = spent.toSorted((a, b) => b.resetAtMs - a.resetAtMs)[0];
  return last === undefined ? null : { untilMs: last.resetAtMs, windowMinutes: last.minutes };
}

/** The end of a stated limit, from the best source that has one. */
export function statedReset(
  error: UpstreamError,
  windows: readonly Window[],
  scope: string,
  nowMs: number,
): SpentUntil {
  const untilMs =
    stated(error.resetsAt, nowMs, (value) => epochMs(value)) ??
    stated(error.resetsInSeconds, nowMs, (value) => nowMs + value * SECOND_MS);
  const confirmed = confirmedSpent(error, windows, scope, nowMs);
  if (untilMs === null && confirmed !== null) return confirmed;
  const fromHeaders = headerWindows(error, scope)
    // A family that says its own window has room is not the one meant.
    .filter((window) => window.usedPercent === null && inReach(window.resetAtMs, nowMs));
  const end =
    untilMs ??
    (fromHeaders.length > 0 ? Math.max(...fromHeaders.map((window) => window.resetAtMs)) : null) ??
    retryHint(error, nowMs);
  if (end === null) return { untilMs: null, windowMinutes: null };
  const same = [
    ...headerWindows(error, scope),
    ...windows.filter((window) => window.scope === scope && window.resetAtMs > nowMs),
  ].find((window) => Math.abs(window.resetAtMs - end) <= SAME_RESET_MS);
  return { untilMs: end, windowMinutes: same?.minutes ?? null };
}

/** When upstream says to come back: `retry-after`, `resets_in_seconds` or its words; null when it does not. */
export function retryHint(error: UpstreamError, nowMs: number): number | null {
  const header = error.header("retry-after")?.trim() ?? "";
  const seconds = Number(header);
  const fromHeader =
    header === "" ? null : Number.isFinite(seconds) ? nowMs + seconds * SECOND_MS : Date.parse(header);
  if (fromHeader !== null && inReach(fromHeader, nowMs)) return fromHeader;
  const fromField = stated(error.resetsInSeconds, nowMs, (value) => nowMs + value * SECOND_MS);
  if (fromField !== null) return fromField;
  const wait = waitInText(error.message);
  return wait !== null && inReach(nowMs + wait, nowMs) ? nowMs + wait : null;
}

const UNITS: readonly [RegExp, number][] = [
  [/^(ms|milli)/, 1],
  [/^s/, SECOND_MS],
  [/^m/, MINUTE_MS],
  [/^h/, 60 * MINUTE_MS],
  [/^d/, DAY_MS],
  [/^w/, 7 * DAY_MS],
];
const AMOUNT = String.raw`\d+(?:\.\d+)?\s*(?:milliseconds?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h|days?|d|weeks?|w)(?![a-z])`;
const WAIT = new RegExp(String.raw`\b(?:in|after)\s+(${AMOUNT}(?:[\s,]*(?:and\s+)?${AMOUNT})*)`, "i");

/** "Try again in 1.5s", "in 3 hours 5 minutes", "in 2d 4h": the wait in milliseconds. */
function waitInText(text: string): number | null {
  const match = WAIT.exec(text)?.[1];
  if (match === undefined) return null;
  let waitMs = 0;
  for (const [, amount, unit] of match.matchAll(/(\d+(?:\.\d+)?)\s*([a-z]+)/gi)) {
    const scale = UNITS.find(([pattern]) => pattern.test(unit!.toLowerCase()));
    waitMs += Number(amount) * (scale?.[1] ?? 0);
  }
  return waitMs;
}

interface HeaderWindow {
  /** null when the header is missing. */
  usedPercent: number | null;
  minutes: number | null;
  resetAtMs: number;
}

/** `x-codex-primary-…` and `-secondary-…` (or those of the scope's own family) that carry a reset. */
function headerWindows(error: UpstreamError, scope: string): HeaderWindow[] {
  const prefix = familyPrefix(scope);
  return ["primary", "secondary"].flatMap((slot) => {
    const read = (name: string) => numeric(error.header(`${prefix}-${slot}-${name}`));
    const resetAt = read("reset-at");
    if (resetAt === null) return [];
    return [
      { usedPercent: read("used-percent"), minutes: read("window-minutes"), resetAtMs: epochMs(resetAt) },
    ];
  });
}

function familyPrefix(scope: string): string {
  return scope === SCOPE_ALL ? "x-codex" : `x-${scope.replaceAll("_", "-")}`;
}

function numeric(value: unknown): number | null {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

function stated(value: unknown, nowMs: number, toMs: (value: number) => number): number | null {
  const number = numeric(value);
  const at = number === null ? null : toMs(number);
  return at !== null && inReach(at, nowMs) ? at : null;
}

/** Upstream's times are Unix seconds; a value this large can only be milliseconds. */
function epochMs(value: number): number {
  return value > 1e11 ? value : value * SECOND_MS;
}

/** False for NaN, for what has passed, and for what no window can reach. */
function inReach(atMs: number, nowMs: number): boolean {
  return atMs > nowMs && atMs <= nowMs + MAX_RESET_AHEAD_MS;
}
