/** Periods that pages and reports cut time into: buckets in UTC for charts, calendar days in any time zone for reports. */
import { CodedError } from "./errors.ts";

export type TimeframeKey = "1d" | "7d" | "30d";

export interface Timeframe {
  key: TimeframeKey;
  windowMinutes: number;
  bucketSeconds: number;
  bucketCount: number;
}

const HOUR_SECONDS = 3600;

/** 24 hours, 28 times six hours, 30 days. */
export const TIMEFRAMES: Record<TimeframeKey, Timeframe> = {
  "1d": { key: "1d", windowMinutes: 1440, bucketSeconds: HOUR_SECONDS, bucketCount: 24 },
  "7d": { key: "7d", windowMinutes: 10_080, bucketSeconds: 6 * HOUR_SECONDS, bucketCount: 28 },
  "30d": { key: "30d", windowMinutes: 43_200, bucketSeconds: 24 * HOUR_SECONDS, bucketCount: 30 },
};

export interface Buckets {
  /** Start of each bucket, oldest first; the last one holds now. */
  startsMs: number[];
  /** End of the last bucket; not included. */
  endMs: number;
  /** The period of equal length before begins here and ends at `startsMs[0]`. */
  previousStartMs: number;
}

/** The buckets of a timeframe, aligned to UTC (days at midnight, quarters of days at 0, 6, 12 and 18 h). */
export function bucketsOf({ bucketSeconds, bucketCount }: Timeframe, nowMs: number): Buckets {
  const sizeMs = bucketSeconds * 1000;
  const lastMs = Math.floor(nowMs / sizeMs) * sizeMs;
  const firstMs = lastMs - (bucketCount - 1) * sizeMs;
  return {
    startsMs: Array.from({ length: bucketCount }, (_, index) => firstMs + index * sizeMs),
    endMs: lastMs + sizeMs,
    previousStartMs: firstMs - bucketCount * sizeMs,
  };
}

/** Which bucket a moment falls into; -1 when in none. */
export function bucketIndex({ startsMs, endMs }: Buckets, atMs: number): number {
  const firstMs = startsMs[0]!;
  if (atMs < firstMs || atMs >= endMs) return -1;
  return Math.floor(((atMs - firstMs) * startsMs.length) / (endMs - firstMs));
}

/** One calendar day in the zone asked for: 23 to 25 hours long, end not included. */
export interface Day {
  date: string;
  startMs: number;
  endMs: number;
}

/** Two leap years, so that a report can compare one year with the last. */
const MAX_DAYS = 732;

/**
 * The days from `startDate` to `endDate` (both `YYYY-MM-DD`, both included) in an IANA time zone.
 * Fails with 422 `validation_error` on a bad date, an unknown zone, an end before the start, or more than 732 days.
 */
export function daysBetween(range: { startDate: string; endDate: string; timeZone: string }): Day[] {
  const offsetAt = zoneOffset(range.timeZone);
  const first = utcMidnight(range.startDate, "start_date");
  const last = utcMidnight(range.endDate, "end_date");
  const count = (last - first) / DAY_MS + 1;
  if (count < 1) throw invalid("end_date", "must not lie before start_date");
  if (count > MAX_DAYS) throw invalid("end_date", `must be at most ${MAX_DAYS} days after start_date`);
  const midnights = Array.from({ length: count + 1 }, (_, index) =>
    startOfDay(first + index * DAY_MS, offsetAt),
  );
  return midnights.slice(0, -1).map((startMs, index) => ({
    date: isoDate(first + index * DAY_MS),
    startMs,
    endMs: midnights[index + 1]!,
  }));
}

/** The calendar day, `YYYY-MM-DD`, of a moment in a zone. Fails as `daysBetween` does on an unknown zone. */
export function dateIn(timeZone: string, atMs: number): string {
  return isoDate(atMs + zoneOffset(timeZone)(atMs));
}

const DAY_MS = 86_400_000;

function isoDate(ms: number): string {
  return new Date(ms).toISOString().slice(0, 10);
}

function utcMidnight(date: string, param: string): number {
  const ms = /^\d{4}-\d{2}-\d{2}$/.test(date) ? Date.parse(date) : Number.NaN;
  // The round trip refuses dates that do not exist, such as February 30.
  if (Number.isNaN(ms) || isoDate(ms) !== date) throw invalid(param, "must be a date such as 2026-11-20");
  return ms;
}

/** The first moment whose local date is that of `utcMidnightMs`, also where clocks change at midnight. */
function startOfDay(utcMidnightMs: number, offsetAt: (ms: number) => number): number {
  const guess = utcMidnightMs - offsetAt(utcMidnightMs);
  const candidates = [guess, utcMidnightMs - offsetAt(guess)].toSorted((a, b) => a - b);
  const onThatDay = (ms: number) => ms + offsetAt(ms) >= utcMidnightMs;
  return candidates.find(onThatDay) ?? guess;
}

/** How far local time is ahead of UTC at a moment, in ms. */
function zoneOffset(timeZone: string): (atMs: number) => number {
  const format = formatOf(timeZone);
  return (atMs) => {
    const part: Record<string, number> = {};
    for (const { type, value } of format.formatToParts(atMs)) part[type] = Number(value);
    const { year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0 } = part;
    return Date.UTC(year, month - 1, day, hour, minute, second) - Math.floor(atMs / 1000) * 1000;
  };
}

function formatOf(timeZone: string): Intl.DateTimeFormat {
  try {
    return new Intl.DateTimeFormat("en-US", {
      timeZone,
      calendar: "gregory",
      hourCycle: "h23",
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
    });
  } catch {
    throw invalid("timezone", "must be an IANA time zone such as Europe/Berlin");
  }
}

function invalid(param: string, problem: string): CodedError {
  return new CodedError("validation_error", `${param} ${problem}.`, { status: 422, param });
}
