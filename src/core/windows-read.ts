/** Reads quota windows from the three places where upstream tells them: the usage call, reply headers, stream events. */
import {
  asBoolean,
  asList,
  asNumber,
  asRecord,
  asText,
  asTimeMs,
  firstOf,
  type JsonRecord,
} from "./json-read.ts";
import {
  type CreditsReading,
  SCOPE_ALL,
  SCOPE_CODE_REVIEW,
  tidyWindows,
  type UsageReading,
  type Window,
} from "./windows.ts";

/** Upstream's own name for the plan's general limit, where it names it at all. */
const GENERAL_LIMIT_ID = "codex";
/** Scopes become map keys, labels and database text: longer names are cut. */
const MAX_SCOPE_LENGTH = 80;

/** Body of `GET wham/usage` (UPSTREAM G), parsed. null when it is no object. Unknown fields are ignored, missing ones are null. */
export function readUsageBody(body: unknown, nowMs: number): UsageReading | null {
  const root = asRecord(body);
  if (root === null) return null;
  const general = asRecord(root.rate_limit);
  const reached = root.rate_limit_reached_type;
  return {
    source: "usage",
    planType: asText(root.plan_type)?.toLowerCase() ?? null,
    windows: tidyWindows([
      ...windowsIn(general, SCOPE_ALL, nowMs),
      ...windowsIn(asRecord(root.code_review_rate_limit), SCOPE_CODE_REVIEW, nowMs),
      ...additionalWindows(root.additional_rate_limits, nowMs),
    ]),
    credits: readCredits(asRecord(root.credits)),
    spendControlReached: asBoolean(asRecord(root.spend_control)?.reached),
    limitReached: asBoolean(general?.limit_reached),
    allowed: asBoolean(general?.allowed),
    reachedType: asText(asRecord(reached)?.type) ?? asText(reached),
    resetCreditsAvailable: asNumber(asRecord(root.rate_limit_reset_credits)?.available_count),
  };
}

/** A parsed `codex.rate_limits` event (UPSTREAM D). null when it is another event. */
export function readRateLimitsEvent(event: unknown, nowMs: number): UsageReading | null {
  const root = asRecord(event);
  if (root?.type !== "codex.rate_limits") return null;
  const limits = asRecord(root.rate_limits);
  const scope = scopeOf(asText(firstOf(root, ["metered_limit_name", "limit_name"])));
  return {
    source: "event",
    planType: asText(root.plan_type)?.toLowerCase() ?? null,
    windows: tidyWindows([
      ...windowsIn(limits, scope, nowMs),
      ...windowsIn(asRecord(root.code_review_rate_limits), SCOPE_CODE_REVIEW, nowMs),
      ...additionalWindows(root.additional_rate_limits, nowMs),
    ]),
    credits: readCredits(asRecord(root.credits)),
    spendControlReached: null,
    limitReached: scope === SCOPE_ALL ? asBoolean(limits?.limit_reached) : null,
    allowed: scope === SCOPE_ALL ? asBoolean(limits?.allowed) : null,
    reachedType: null,
    resetCreditsAvailable: null,
  };
}

const WINDOW_HEADER =
  /^x-codex-(?:(.+)-)?(primary|secondary|tertiary)-(used-percent|window-minutes|reset-at|reset-after-seconds)$/;

/** The `x-codex-*` headers of a reply (UPSTREAM C), extra families included. null when they tell nothing about quota. */
export function readRateLimitHeaders(
  headers: Iterable<readonly [string, string]>,
  nowMs: number,
): UsageReading | null {
  const slots = new Map<string, { scope: string; fields: JsonRecord }>();
  const credits: JsonRecord = {};
  let reachedType: string | null = null;
  for (const [rawName, value] of headers) {
    const name = rawName.toLowerCase();
    if (!name.startsWith("x-codex-")) continue;
    if (name.startsWith("x-codex-credits-")) credits[name.slice("x-codex-credits-".length)] = value;
    if (name === "x-codex-rate-limit-reached-type") reachedType = asText(value);
    const match = WINDOW_HEADER.exec(name);
    if (match === null) continue;
    const [, family = "", slot = "", field = ""] = match;
    const key = `${family} ${slot}`;
    const entry = slots.get(key) ?? { scope: familyScope(family), fields: {} };
    entry.fields[field.replaceAll("-", "_")] = value;
    slots.set(key, entry);
  }
  const windows = [...slots.values()].flatMap(({ scope, fields }) => readWindow(fields, scope, nowMs) ?? []);
  const bought = readCredits({
    has_credits: credits["has-credits"],
    unlimited: credits.unlimited,
    balance: credits.balance,
  });
  if (windows.length === 0 && bought === null && reachedType === null) return null;
  return {
    source: "headers",
    planType: null,
    windows: tidyWindows(windows),
    credits: bought,
    spendControlReached: null,
    limitReached: null,
    allowed: null,
    reachedType,
    resetCreditsAvailable: null,
  };
}

/** Header family `x-codex-bengalfox-…` is limit id `codex_bengalfox`; no family is the plan's own limit (UPSTREAM C). */
function familyScope(family: string): string {
  return family === "" ? SCOPE_ALL : scopeOf(`codex_${family.replaceAll("-", "_")}`);
}

function scopeOf(limitId: string | null): string {
  if (limitId === null) return SCOPE_ALL;
  const id = limitId.toLowerCase().slice(0, MAX_SCOPE_LENGTH);
  return id === GENERAL_LIMIT_ID ? SCOPE_ALL : id;
}

function additionalWindows(value: unknown, nowMs: number): Window[] {
  return asList(value).flatMap((item) => {
    const entry = asRecord(item);
    const limitId = asText(firstOf(entry, ["metered_feature", "limit_name"]));
    return limitId === null ? [] : windowsIn(asRecord(entry?.rate_limit), scopeOf(limitId), nowMs);
  });
}

/** Every value of `limits` that looks like a window, whatever its slot is called. */
function windowsIn(limits: JsonRecord | null, scope: string, nowMs: number): Window[] {
  return Object.values(limits ?? {}).flatMap((value) => {
    const fields = asRecord(value);
    return fields === null ? [] : (readWindow(fields, scope, nowMs) ?? []);
  });
}

/** null without a percentage or a length: such a window could not be told apart from others. */
function readWindow(fields: JsonRecord, scope: string, nowMs: number): Window | null {
  const usedPercent = asNumber(fields.used_percent);
  const seconds = asNumber(fields.limit_window_seconds);
  // Rounded up as Codex does, so that both name the same window.
  const minutes =
    seconds !== null ? Math.ceil(seconds / 60) : Math.round(asNumber(fields.window_minutes) ?? 0);
  if (usedPercent === null || minutes <= 0) return null;
  const afterSeconds = asNumber(fields.reset_after_seconds);
  // Without any reset it is one whole window away at most.
  const resetAtMs = asTimeMs(fields.reset_at) ?? nowMs + (afterSeconds ?? minutes * 60) * 1000;
  return { minutes, usedPercent: Math.max(0, usedPercent), resetAtMs, scope };
}

function readCredits(fields: JsonRecord | null): CreditsReading | null {
  const has = asBoolean(fields?.has_credits);
  const unlimited = asBoolean(fields?.unlimited);
  if (has === null && unlimited === null) return null;
  const balance = asText(fields?.balance) ?? asNumber(fields?.balance)?.toString() ?? null;
  return { has: has ?? false, unlimited: unlimited ?? false, balance };
}
