/** What a key holder reads when a budget of theirs is used up: whose limit, which one, and when it resets. */
import type { LimitSpec } from "./limits.ts";

/** Says whose fault it is not: a key's limit must not look like a failure of OpenAI. */
const OURS = "This limit was set in codex-lb for this key; it is not one of OpenAI's.";

interface Counter extends LimitSpec {
  currentValue: number;
  resetAtMs: number;
}

/** `weekly limit of 1,000,000 tokens for gpt-5.5` */
export function nameLimit(limit: LimitSpec): string {
  const model = limit.modelFilter === null ? "" : ` for ${limit.modelFilter}`;
  const window = limit.limitWindow === "5h" ? "5-hour" : limit.limitWindow;
  return `${window} limit of ${amountInWords(limit, limit.maxValue)}${model}`;
}

export function limitSpentMessage(counter: Counter, nowMs: number): string {
  const resetAt = new Date(counter.resetAtMs).toISOString().replace(/\.\d+Z$/, "Z");
  const used = amountInWords(counter, counter.currentValue);
  return (
    `This API key has used up its ${nameLimit(counter)} (${used} used). ` +
    `It resets at ${resetAt}, in ${durationInWords(counter.resetAtMs - nowMs)}. ${OURS}`
  );
}

export function limitBusyMessage(limit: LimitSpec): string {
  return (
    `What is left of this API key's ${nameLimit(limit)} is held by its requests in flight. ` +
    `Try again when one of them has ended. ${OURS}`
  );
}

export function balanceSpentMessage(balanceMicros: number): string {
  const left = balanceMicros < 0 ? `-${dollars(-balanceMicros)}` : dollars(balanceMicros);
  return `The prepaid balance of this API key is used up (${left}). Ask whoever runs this codex-lb to add credit.`;
}

export const BALANCE_BUSY_MESSAGE =
  "What is left of this API key's prepaid balance is held by its requests in flight. Try again when one of them has ended.";

function amountInWords(limit: LimitSpec, value: number): string {
  switch (limit.limitType) {
    case "total_tokens":
      return `${value.toLocaleString("en-US")} tokens`;
    case "input_tokens":
      return `${value.toLocaleString("en-US")} input tokens`;
    case "output_tokens":
      return `${value.toLocaleString("en-US")} output tokens`;
    case "cost_usd":
      return dollars(value);
  }
}

/** `$5.00`, `$0.0105`: cents at least, micro-dollars when they matter. */
function dollars(micros: number): string {
  const format = { style: "currency", currency: "USD", maximumFractionDigits: 6 } as const;
  return (micros / 1e6).toLocaleString("en-US", format);
}

const UNITS: [name: string, ms: number][] = [
  ["day", 86_400_000],
  ["hour", 3_600_000],
  ["minute", 60_000],
  ["second", 1_000],
];

/** Rounded up to the largest unit of which there are two, so that nobody comes back too early: `3 days`, `26 hours`, `1 second`. */
export function durationInWords(ms: number): string {
  const [name, unit] = UNITS.find(([, size]) => ms >= 2 * size) ?? UNITS[3]!;
  const count = Math.max(1, Math.ceil(ms / unit));
  return `${count} ${name}${count === 1 ? "" : "s"}`;
}
