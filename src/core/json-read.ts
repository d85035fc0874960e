/** Tolerant reading of parsed JSON that others wrote: each function answers null instead of throwing. */

export type JsonRecord = Record<string, unknown>;

/** The value as an object (not an array), else null. */
export function asRecord(value: unknown): JsonRecord | null {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as JsonRecord) : null;
}

/** The value as a list; anything else is an empty one. */
export function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

/** Non-empty text without the blanks around it, else null. */
export function asText(value: unknown): string | null {
  if (typeof value !== "string") return null;
  const text = value.trim();
  return text === "" ? null : text;
}

/** A finite number, also when it is written as text ("12.5"), else null. */
export function asNumber(value: unknown): number | null {
  const number = typeof value === "string" && value.trim() !== "" ? Number(value) : value;
  return typeof number === "number" && Number.isFinite(number) ? number : null;
}

/** A boolean, also when it is written as text in any case ("True"), else null. */
export function asBoolean(value: unknown): boolean | null {
  if (typeof value === "boolean") return value;
  const text = asText(value)?.toLowerCase();
  return text === "true" ? true : text === "false" ? false : null;
}

/** Epochs above this many are milliseconds: as seconds it would be the year 5138. */
const SECONDS_LIMIT = 100_000_000_000;

/** A moment as ms since the epoch, from Unix seconds, Unix milliseconds or RFC 3339 text; else null. */
export function asTimeMs(value: unknown): number | null {
  const number = asNumber(value);
  if (number !== null) return number <= 0 ? null : number < SECONDS_LIMIT ? number * 1000 : number;
  const text = asText(value);
  const parsed = text === null ? Number.NaN : Date.parse(text);
  return Number.isNaN(parsed) ? null : parsed;
}

/** The first of `names` that is there and not null. */
export function firstOf(record: JsonRecord | null, names: readonly string[]): unknown {
  for (const name of names) {
    const value = record?.[name];
    if (value !== undefined && value !== null) return value;
  }
  return undefined;
}
