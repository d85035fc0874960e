/** Numbers, money, durations and times as people read them. */

const LOCALE = "en-US";
const whole = new Intl.NumberFormat(LOCALE, { maximumFractionDigits: 0 });

/** 22,481 */
export const count = (value: number): string => whole.format(value);

const COMPACT_STEPS: readonly [number, string][] = [
  [1e12, "T"],
  [1e9, "B"],
  [1e6, "M"],
  [1e3, "k"],
];

/** 1.92B, 22.5k, 840: three digits that matter. */
export function compact(value: number): string {
  for (const [step, unit] of COMPACT_STEPS) {
    if (Math.abs(value) < step) continue;
    const scaled = value / step;
    return `${scaled.toFixed(Math.abs(scaled) >= 100 ? 0 : Math.abs(scaled) >= 10 ? 1 : 2)}${unit}`;
  }
  return whole.format(value);
}

const cents = new Intl.NumberFormat(LOCALE, { style: "currency", currency: "USD" });
const dollars = new Intl.NumberFormat(LOCALE, {
  style: "currency",
  currency: "USD",
  maximumFractionDigits: 0,
});

/** $486.72; below a cent the digits that are there; from ten thousand on without cents. */
export function usd(value: number): string {
  const size = Math.abs(value);
  const sign = value < 0 ? "−" : "";
  if (size >= 10_000) return sign + dollars.format(size);
  if (size >= 0.01 || size === 0) return sign + cents.format(size);
  return sign + fine(size);
}

const fine = (size: number): string => (size < 0.000_1 ? "<$0.0001" : `$${size.toFixed(4)}`);

/** What one request cost: below a dollar always with four digits, so that a column of them lines up and sums are seen to be right. */
export function requestUsd(value: number): string {
  return value === 0 ? "$0" : value < 1 ? fine(value) : usd(value);
}

export const MICROS_PER_USD = 1_000_000;

/** 62%, 0.8%, <0.1% */
export function percent(value: number): string {
  if (value > 0 && value < 0.1) return "<0.1%";
  if (value >= 10 || value === 0 || Number.isInteger(value)) return `${Math.round(value)}%`;
  return `${value.toFixed(1)}%`;
}

/** 840 ms, 3.2 s, 1 min 4 s */
export function duration(ms: number): string {
  if (ms < 1) return "<1 ms";
  if (ms < 1_000) return `${Math.round(ms)} ms`;
  if (ms < 60_000) return `${(ms / 1_000).toFixed(ms < 10_000 ? 2 : 1)} s`;
  return `${Math.floor(ms / 60_000)} min ${Math.round((ms % 60_000) / 1_000)} s`;
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** The two largest units: 3 d 4 h, 2 h 14 min, 41 s. */
export function span(ms: number): string {
  const size = Math.max(0, ms);
  if (size < MINUTE) return `${Math.floor(size / 1_000)} s`;
  if (size < HOUR) return `${Math.floor(size / MINUTE)} min`;
  if (size < DAY) return pair(size, HOUR, "h", MINUTE, "min");
  return pair(size, DAY, "d", HOUR, "h");
}

function pair(size: number, big: number, bigName: string, small: number, smallName: string): string {
  const rest = Math.floor((size % big) / small);
  return rest === 0
    ? `${Math.floor(size / big)} ${bigName}`
    : `${Math.floor(size / big)} ${bigName} ${rest} ${smallName}`;
}

/** "just now", "41 s ago", "3 d ago": one unit is enough for the past. */
export function ago(ms: number): string {
  if (ms < 5_000) return "just now";
  if (ms < MINUTE) return `${Math.floor(ms / 1_000)} s ago`;
  if (ms < HOUR) return `${Math.floor(ms / MINUTE)} min ago`;
  if (ms < DAY) return `${Math.floor(ms / HOUR)} h ago`;
  return `${Math.floor(ms / DAY)} d ago`;
}

const exactFormat = new Intl.DateTimeFormat(undefined, {
  dateStyle: "medium",
  timeStyle: "medium",
  hourCycle: "h23",
});
const clockFormat = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  hourCycle: "h23",
});
const clockSecondsFormat = new Intl.DateTimeFormat(undefined, {
  hour: "2-digit",
  minute: "2-digit",
  second: "2-digit",
  hourCycle: "h23",
});
const dayFormat = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short" });
const weekdayFormat = new Intl.DateTimeFormat(LOCALE, { weekday: "short" });
const dateFormat = new Intl.DateTimeFormat(LOCALE, { day: "numeric", month: "short", year: "numeric" });

export const exact = (at: Date | number): string => exactFormat.format(at);
export const clockTime = (at: Date | number): string => clockFormat.format(at);
export const clockSeconds = (at: Date | number): string => clockSecondsFormat.format(at);
export const day = (at: Date | number): string => dayFormat.format(at);
export const weekday = (at: Date | number): string => weekdayFormat.format(at);
export const date = (at: Date | number): string => dateFormat.format(at);

/** "14:05" today, "Fri 14:05" within a week, else "3 Dec". */
export function when(at: number, nowMs: number): string {
  const distance = at - nowMs;
  if (Math.abs(distance) > 6 * DAY) return day(at);
  if (new Date(at).toDateString() === new Date(nowMs).toDateString()) return clockTime(at);
  return `${weekdayFormat.format(at)} ${clockTime(at)}`;
}

/** How a window of so many minutes is called in a heading. */
export function windowName(minutes: number): string {
  if (minutes === 300) return "5-hour";
  if (minutes === 1_440) return "Daily";
  if (minutes === 10_080) return "Weekly";
  if (minutes >= 40_320 && minutes <= 44_640) return "Monthly";
  return minutes % 1_440 === 0
    ? `${minutes / 1_440}-day`
    : minutes % 60 === 0
      ? `${minutes / 60}-hour`
      : `${minutes}-minute`;
}

/** The same where there is little room: 5 h, 7 d. */
export function windowShort(minutes: number): string {
  return minutes % 1_440 === 0
    ? `${minutes / 1_440} d`
    : minutes % 60 === 0
      ? `${minutes / 60} h`
      : `${minutes} m`;
}

/** ChatGPT's plan names as people know them. */
export function planName(planType: string): string {
  const named: Record<string, string> = {
    prolite: "Pro Lite",
    promax: "Pro Max",
    edu: "Edu",
    hc: "Enterprise",
  };
  return named[planType] ?? planType.charAt(0).toUpperCase() + planType.slice(1);
}

/** Date as `YYYY-MM-DD` in the browser's zone. */
export function isoDay(at: Date): string {
  const two = (value: number) => String(value).padStart(2, "0");
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
}

/** ISO time → ms since the epoch; null for null and for what is no time. */
export function ms(at: string | null | undefined): number | null {
  if (at === null || at === undefined) return null;
  const value = Date.parse(at);
  return Number.isNaN(value) ? null : value;
}
