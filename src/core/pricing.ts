/**
 * What one response would have cost at list price, in whole micro-dollars.
 *
 * `(input − cached) × input price + cached × cached price + output × output price` plus the tool calls. Reasoning tokens
 * are part of the output and are not charged again. Arithmetic is exact, in integer pico-dollars; there is ONE rounding:
 * the total goes to the nearest micro-dollar, a half upwards, and the parts are then made to add up to it (each rounded
 * down, the missing micro-dollars given to the parts that lost most).
 */
import { CodedError } from "./errors.ts";
import { baseModelName, plainModelName } from "./model-name.ts";

/** Prices of one token, in pico-dollars: $1 per 1M tokens is 1,000,000. */
export interface Rate {
  input: bigint;
  cachedInput: bigint;
  output: bigint;
}

interface ModelPrice {
  standard: Rate;
  priority: Rate | null;
  flex: Rate | null;
  /** For requests whose input exceeds the table's threshold; null: the model has no such surcharge. */
  long: Rate | null;
  /** The price itself is a guess (none is published). */
  estimated: boolean;
}

interface CallPrice {
  picos: bigint;
  /** The price assumes something that a response does not say (an image's size). */
  estimated: boolean;
}

export interface PriceTable {
  longContextThresholdTokens: number;
  models: ReadonlyMap<string, ModelPrice>;
  webSearch: CallPrice;
  image: CallPrice;
}

/** All counts are whole and not negative (see `usage-tokens.ts`). */
export interface PricedUse {
  /** As it came; kept by the caller, only looked up here. */
  model: string;
  /** The tier that upstream confirmed in its response, not the one that was asked for; null when it says nothing. */
  serviceTier: string | null;
  /** Includes the cached ones. */
  inputTokens: number;
  cachedInputTokens: number;
  /** Includes reasoning. */
  outputTokens: number;
  toolCalls?: { webSearch?: number; images?: number };
}

/** Micro-dollars; the four parts add up to the total. */
export interface Cost {
  inputMicros: number;
  cachedInputMicros: number;
  outputMicros: number;
  toolCallsMicros: number;
  totalMicros: number;
  /** True when any part rests on a price that is not published for exactly this use. */
  estimated: boolean;
  /** The rate that was applied, for people: `gpt-5.4 flex, long context`. */
  rate: string;
}

export const MICROS_PER_USD = 1_000_000;
const PICOS_PER_MICRO = 1_000_000n;
/** Where no priority price is published: the multiplier that all published ones but one (2.5) have. */
const PRIORITY_MULTIPLIER = 2n;
/** "flex is half price", says the price list. */
const FLEX_DIVISOR = 2n;

/** Micro-dollars as dollars, for display and JSON. */
export function usdFromMicros(micros: number): number {
  return micros / MICROS_PER_USD;
}

/** Prices one response. Never fails: a name without a price is charged at the dearest known rate and marked. */
export function priceOf(use: PricedUse, table: PriceTable): Cost {
  const { rate, name, estimated } = rateOf(use, table);
  const input = BigInt(use.inputTokens);
  const cached = BigInt(Math.min(use.cachedInputTokens, use.inputTokens));
  const { webSearch = 0, images = 0 } = use.toolCalls ?? {};
  const parts = roundTogether([
    (input - cached) * rate.input,
    cached * rate.cachedInput,
    BigInt(use.outputTokens) * rate.output,
    BigInt(webSearch) * table.webSearch.picos + BigInt(images) * table.image.picos,
  ]);
  const [inputMicros, cachedInputMicros, outputMicros, toolCallsMicros] = parts;
  return {
    inputMicros,
    cachedInputMicros,
    outputMicros,
    toolCallsMicros,
    totalMicros: inputMicros + cachedInputMicros + outputMicros + toolCallsMicros,
    estimated:
      estimated || (webSearch > 0 && table.webSearch.estimated) || (images > 0 && table.image.estimated),
    rate: name,
  };
}

type Parts<T> = [T, T, T, T];

/** The one rounding; see the top of the file. */
function roundTogether(picos: Parts<bigint>): Parts<number> {
  const total = (picos[0] + picos[1] + picos[2] + picos[3] + PICOS_PER_MICRO / 2n) / PICOS_PER_MICRO;
  const micros = picos.map((part) => part / PICOS_PER_MICRO) as Parts<bigint>;
  let missing = total - micros[0] - micros[1] - micros[2] - micros[3];
  const byLoss = [0, 1, 2, 3].toSorted((a, b) =>
    Number((picos[b]! % PICOS_PER_MICRO) - (picos[a]! % PICOS_PER_MICRO)),
  );
  for (const index of byLoss) {
    if (missing === 0n) break;
    micros[index]! += 1n;
    missing -= 1n;
  }
  return micros.map(Number) as Parts<number>;
}

interface NamedRate {
  rate: Rate;
  name: string;
  estimated: boolean;
}

function rateOf(use: PricedUse, table: PriceTable): NamedRate {
  const name = [plainModelName(use.model), baseModelName(use.model)].find((known) => table.models.has(known));
  if (name === undefined) return dearestRate(table);
  const price = table.models.get(name)!;
  const tiered = tierRate(price, use.serviceTier);
  const estimated = price.estimated || tiered.estimated;
  const label = tiered.tier === "standard" ? name : `${name} ${tiered.tier}`;
  if (price.long === null || use.inputTokens <= table.longContextThresholdTokens) {
    return { rate: tiered.rate, name: label, estimated };
  }
  const longLabel = `${label}, long context`;
  if (tiered.tier === "standard") return { rate: price.long, name: longLabel, estimated };
  return { rate: surcharged(tiered.rate, price.standard, price.long), name: longLabel, estimated: true };
}

/** Tier and length do not matter here: the dearest standard rate already exceeds every published tier of other models. */
function dearestRate(table: PriceTable): NamedRate {
  let dearest: [string, Rate] | null = null;
  for (const [name, { standard }] of table.models) {
    const order =
      dearest === null ? 1n : standard.output - dearest[1].output || standard.input - dearest[1].input;
    if (order > 0n) dearest = [name, standard];
  }
  const [name, rate] = dearest!;
  return { rate, name: `${name} (dearest known)`, estimated: true };
}

interface TierRate {
  rate: Rate;
  tier: "standard" | "priority" | "flex";
  estimated: boolean;
}

function tierRate(price: ModelPrice, serviceTier: string | null): TierRate {
  switch (serviceTier?.toLowerCase()) {
    case "priority":
    case "fast":
      return price.priority
        ? { rate: price.priority, tier: "priority", estimated: false }
        : {
            rate: mapRate(price.standard, (p) => p * PRIORITY_MULTIPLIER),
            tier: "priority",
            estimated: true,
          };
    case "flex":
      return price.flex
        ? { rate: price.flex, tier: "flex", estimated: false }
        : { rate: mapRate(price.standard, (p) => p / FLEX_DIVISOR), tier: "flex", estimated: true };
    case undefined:
    case "":
    case "default":
    case "auto":
    case "standard":
      return { rate: price.standard, tier: "standard", estimated: false };
    default:
      return { rate: price.standard, tier: "standard", estimated: true };
  }
}

function mapRate(rate: Rate, change: (picos: bigint, part: keyof Rate) => bigint): Rate {
  return {
    input: change(rate.input, "input"),
    cachedInput: change(rate.cachedInput, "cachedInput"),
    output: change(rate.output, "output"),
  };
}

/** Long context within a tier has no published price: the tier's rate grows as the standard one does. */
function surcharged(tier: Rate, standard: Rate, long: Rate): Rate {
  return mapRate(tier, (picos, part) =>
    standard[part] === 0n ? long[part] : (picos * long[part]) / standard[part],
  );
}

/**
 * Reads a price table of the shape of `data/prices.json` (dollars per 1M tokens; dollars per tool call).
 * Fails with 422 `validation_error` whose `param` is the path of the field at fault.
 */
export function parsePriceTable(json: unknown): PriceTable {
  const root = objectAt(json, "prices");
  const threshold = root.longContextThresholdTokens;
  if (typeof threshold !== "number" || !Number.isSafeInteger(threshold) || threshold < 1) {
    throw invalid("longContextThresholdTokens", "must be a whole number of tokens");
  }
  const calls = objectAt(root.toolCalls, "toolCalls");
  const models = parseModels(root.models);
  if (models.size === 0) throw invalid("models", "must name at least one model");
  return { longContextThresholdTokens: threshold, models, ...parseCalls(calls, { required: true }) };
}

/**
 * The table with an operator's own prices laid over it: `{ models?, toolCalls? }` in the shape of `data/prices.json`.
 * An entry replaces the model's whole entry, tiers included. Fails as `parsePriceTable` does, unknown fields by name.
 */
export function withPriceOverrides(table: PriceTable, overrides: unknown): PriceTable {
  const root = objectAt(overrides, "overrides");
  refuseUnknown(root, ["models", "toolCalls"], "");
  const models = root.models === undefined ? [] : parseModels(root.models);
  const calls = root.toolCalls === undefined ? {} : objectAt(root.toolCalls, "toolCalls");
  return { ...table, ...parseCalls(calls), models: new Map([...table.models, ...models]) };
}

type Json = Record<string, unknown>;
const RATE_FIELDS = ["input", "cachedInput", "output"];
const MODEL_FIELDS = [...RATE_FIELDS, "priority", "flex", "long", "estimated"];
/** Dollars; anything above is a slip of the unit (micro-dollars, or a price per token times a billion). */
const MAX_PRICE_USD = 100_000;

function parseModels(json: unknown): Map<string, ModelPrice> {
  const models = new Map<string, ModelPrice>();
  for (const [name, value] of Object.entries(objectAt(json, "models"))) {
    const path = `models.${name}`;
    const entry = objectAt(value, path);
    refuseUnknown(entry, MODEL_FIELDS, `${path}.`);
    const tier = (field: string): Rate | null => {
      if (entry[field] === undefined || entry[field] === null) return null;
      const rate = objectAt(entry[field], `${path}.${field}`);
      refuseUnknown(rate, RATE_FIELDS, `${path}.${field}.`);
      return parseRate(rate, `${path}.${field}`);
    };
    models.set(plainModelName(name), {
      standard: parseRate(entry, path),
      priority: tier("priority"),
      flex: tier("flex"),
      long: tier("long"),
      estimated: Boolean(entry.estimated),
    });
  }
  return models;
}

function parseRate(json: Json, path: string): Rate {
  const input = millionths(json.input, `${path}.input`);
  const cached = json.cachedInput;
  return {
    input,
    // No discount is published: cached tokens cost what others do.
    cachedInput: cached === undefined || cached === null ? input : millionths(cached, `${path}.cachedInput`),
    output: millionths(json.output, `${path}.output`),
  };
}

function parseCalls(calls: Json, options: { required: true }): Pick<PriceTable, "webSearch" | "image">;
function parseCalls(calls: Json): Partial<Pick<PriceTable, "webSearch" | "image">>;
function parseCalls(
  calls: Json,
  options?: { required: true },
): Partial<Pick<PriceTable, "webSearch" | "image">> {
  refuseUnknown(calls, ["web_search", "image_generation"], "toolCalls.");
  const price = (name: string, unit: string): CallPrice | undefined => {
    if (calls[name] === undefined && !options?.required) return undefined;
    const path = `toolCalls.${name}`;
    const entry = objectAt(calls[name], path);
    refuseUnknown(entry, [unit, "assumes"], `${path}.`);
    const picos = millionths(entry[unit], `${path}.${unit}`) * PICOS_PER_MICRO;
    return { picos, estimated: entry.assumes !== undefined };
  };
  const webSearch = price("web_search", "perCall");
  const image = price("image_generation", "perImage");
  return { ...(webSearch && { webSearch }), ...(image && { image }) };
}

/** Dollars as whole millionths. Finer prices are refused rather than silently changed. */
function millionths(value: unknown, path: string): bigint {
  if (typeof value !== "number" || !Number.isFinite(value) || value < 0 || value > MAX_PRICE_USD) {
    throw invalid(path, `must be a price in dollars from 0 to ${MAX_PRICE_USD}`);
  }
  const scaled = Math.round(value * 1e6);
  if (Math.abs(scaled - value * 1e6) > 1e-3) throw invalid(path, "may have at most six decimals");
  return BigInt(scaled);
}

function objectAt(value: unknown, path: string): Json {
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw invalid(path, "must be an object");
  return value as Json;
}

function refuseUnknown(json: Json, known: string[], path: string): void {
  for (const field of Object.keys(json)) {
    if (!known.includes(field)) throw invalid(`${path}${field}`, `is unknown; known are ${known.join(", ")}`);
  }
}

function invalid(param: string, problem: string): CodedError {
  return new CodedError("validation_error", `${param} ${problem}.`, { status: 422, param });
}
