/** Limits as words and figures: "300M tokens a week", "$12.50 of $120". */
import type { ApiKey, KeyLimit, LimitInput, LimitType } from "../../lib/api-types.ts";
import { compact, MICROS_PER_USD, ms, usd } from "../../lib/format.ts";
import { keys as words } from "../../lib/strings.ts";

export function amountText(type: LimitType, value: number): string {
  // "50M" and not "50.0M": these are chosen figures, not measured ones.
  return (type === "cost_usd" ? usd(value / MICROS_PER_USD) : compact(value)).replace(/\.0+(?=\D|$)/, "");
}

export function limitText(limit: LimitInput): string {
  const amount = amountText(limit.limitType, limit.maxValue);
  const unit = limit.limitType === "cost_usd" ? "" : ` ${words.limit.types[limit.limitType]}`;
  const model = limit.modelFilter ? ` ${words.limit.forModel(limit.modelFilter)}` : "";
  return `${amount}${unit}${model} ${words.limit.windows[limit.limitWindow]}`;
}

/** What the limits mean, in one sentence. */
export function limitsSentence(name: string, limits: readonly LimitInput[]): string {
  const who = name.trim() || words.editor.thisKey;
  if (limits.length === 0) return words.editor.unlimited(who);
  const texts = limits.map(limitText);
  const list =
    texts.length === 1 ? texts[0] : `${texts.slice(0, -1).join(", ")} ${words.editor.and} ${texts.at(-1)}`;
  return words.editor.sentence(who, list ?? "");
}

export const usedShare = (limit: KeyLimit): number =>
  Math.min(100, (limit.currentValue / limit.maxValue) * 100);

const UNITS: Record<string, number> = { "": 1, k: 1e3, m: 1e6, b: 1e9 };

/** "20M" → 20,000,000; null for what is no amount. Dollars become micro-dollars. */
export function parseAmount(text: string, type: LimitType): number | null {
  const match = /^\s*\$?\s*([\d.,\s]+?)\s*([kmb]?)\s*$/i.exec(text);
  if (!match) return null;
  const number = Number((match[1] ?? "").replaceAll(/[,\s]/g, ""));
  const value = Math.round(
    number * (UNITS[(match[2] ?? "").toLowerCase()] ?? 1) * (type === "cost_usd" ? MICROS_PER_USD : 1),
  );
  return Number.isSafeInteger(value) && value >= 1 ? value : null;
}

/** The text of an amount in its field, such that parsing gives it back exactly. */
export function amountInput(type: LimitType, value: number): string {
  if (type === "cost_usd") return String(value / MICROS_PER_USD);
  for (const [unit, size] of [
    ["B", 1e9],
    ["M", 1e6],
    ["k", 1e3],
  ] as const)
    if (value % size === 0) return `${value / size}${unit}`;
  return String(value);
}

export type KeyState = "active" | "disabled" | "expired";

export function keyState(key: ApiKey, nowMs: number): KeyState {
  const expires = ms(key.expiresAt);
  if (expires !== null && expires <= nowMs) return "expired";
  return key.isActive ? "active" : "disabled";
}
