/** API keys as the admin API takes them: bodies to create and to change a key, checked field by field. */
import { type ApiKeySettings, mayUseModel } from "./api-key.ts";
import { CodedError } from "./errors.ts";
import type { LimitSpec, LimitType, LimitWindow } from "./limits.ts";

export interface NewKeyInput {
  settings: ApiKeySettings;
  limits: LimitSpec[];
}

/** Only what the body names; `limits` replaces the whole list. */
export interface KeyPatchInput {
  settings: Partial<ApiKeySettings>;
  limits: LimitSpec[] | undefined;
  resetUsage: boolean;
}

const MAX_NAME_CHARS = 128;
/** All limits are checked on every request, and all lists are held in memory per key. */
const MAX_LIMITS = 20;
const MAX_LIST_ENTRIES = 200;
const MAX_TEXT_CHARS = 200;

/** Reads a body for POST. Fails with 422 `validation_error`, `param` naming the field; unknown fields are refused by name. */
export function parseNewKey(body: unknown): NewKeyInput {
  const { settings, limits = [] } = parseBody(body);
  if (settings.name === undefined) throw invalid("name", "is missing");
  const complete: ApiKeySettings = { ...DEFAULTS, ...settings, name: settings.name };
  requireEnforcedModelAllowed(complete);
  return { settings: complete, limits };
}

/** Reads a body for PATCH, to be laid over `current`. Fails as `parseNewKey` does. */
export function parseKeyPatch(body: unknown, current: ApiKeySettings): KeyPatchInput {
  const { settings, limits, resetUsage } = parseBody(body);
  requireEnforcedModelAllowed({ ...current, ...settings });
  return { settings, limits, resetUsage };
}

const DEFAULTS: Omit<ApiKeySettings, "name"> = {
  isActive: true,
  allowedModels: null,
  enforcedModel: null,
  enforcedReasoningEffort: null,
  enforcedServiceTier: null,
  assignedAccountIds: null,
  balanceEnabled: false,
  apiKeyLaneAllowed: true,
  expiresAtMs: null,
};

/** Field of the body → where its value goes. Scripts send back what they got, so what only an answer has is passed over. */
function parseBody(body: unknown): KeyPatchInput {
  if (typeof body !== "object" || body === null || Array.isArray(body))
    throw invalid("body", "must be a JSON object");
  const parsed: KeyPatchInput = { settings: {}, limits: undefined, resetUsage: false };
  for (const [field, value] of Object.entries(body)) readField(parsed, field, value);
  return parsed;
}

function readField(parsed: KeyPatchInput, field: string, value: unknown): void {
  const { settings } = parsed;
  switch (field) {
    case "name":
      settings.name = text(value, field, MAX_NAME_CHARS);
      return;
    case "isActive":
    case "balanceEnabled":
    case "apiKeyLaneAllowed":
      settings[field] = flag(value, field);
      return;
    case "allowedModels":
    case "assignedAccountIds":
      settings[field] = list(value, field);
      return;
    case "enforcedModel":
      settings.enforcedModel = optional(value, (given) => text(given, field, MAX_TEXT_CHARS));
      return;
    case "enforcedReasoningEffort":
      settings.enforcedReasoningEffort = optional(value, (given) => oneOf(given, field, EFFORTS));
      return;
    case "enforcedServiceTier":
      settings.enforcedServiceTier = optional(value, (given) => oneOf(given, field, TIERS));
      return;
    case "expiresAt":
      settings.expiresAtMs = optional(value, (given) => moment(given, field));
      return;
    case "limits":
      parsed.limits = limits(value);
      return;
    case "resetUsage":
      parsed.resetUsage = flag(value, field);
      return;
    case "id":
    case "keyPrefix":
    case "createdAt":
    case "lastUsedAt":
    case "usage":
    case "balance":
      return;
    default:
      throw invalid(field, "is not a field of an API key");
  }
}

/** The efforts that catalogues name (`supported_reasoning_levels`), newest models included. */
const EFFORTS: Record<string, string> = same([
  "none",
  "minimal",
  "low",
  "medium",
  "high",
  "xhigh",
  "max",
  "ultra",
]);
/** "fast" is what Codex calls the priority tier. */
const TIERS: Record<string, string> = { ...same(["auto", "default", "flex", "priority"]), fast: "priority" };
const LIMIT_TYPES = same<LimitType>(["total_tokens", "input_tokens", "output_tokens", "cost_usd"]);
const LIMIT_WINDOWS: Record<string, LimitWindow> = {
  ...same<LimitWindow>(["5h", "daily", "weekly", "monthly"]),
  "7d": "weekly",
};

function same<T extends string>(values: T[]): Record<string, T> {
  return Object.fromEntries(values.map((value) => [value, value]));
}

function limits(value: unknown): LimitSpec[] {
  if (value === null) return [];
  if (!Array.isArray(value) || value.length > MAX_LIMITS) {
    throw invalid("limits", `must be a list of at most ${MAX_LIMITS} limits`);
  }
  const seen = new Set<string>();
  return value.map((entry, index) => {
    const spec = limit(entry, `limits[${index}]`);
    const identity = `${spec.limitType} ${spec.limitWindow} ${spec.modelFilter ?? ""}`;
    if (seen.has(identity))
      throw invalid(`limits[${index}]`, "repeats the type, window and model of an earlier limit");
    seen.add(identity);
    return spec;
  });
}

/** Fields of an answer (`id`, `currentValue`, `resetAt`, ...) may be there and mean nothing. */
function limit(value: unknown, path: string): LimitSpec {
  if (typeof value !== "object" || value === null) throw invalid(path, "must be an object");
  const { limitType, limitWindow, maxValue, modelFilter } = value as Record<string, unknown>;
  if (typeof maxValue !== "number" || !Number.isSafeInteger(maxValue) || maxValue < 1) {
    throw invalid(
      `${path}.maxValue`,
      "must be a whole number of at least 1 (tokens, or micro-dollars for cost_usd)",
    );
  }
  return {
    limitType: oneOf(limitType, `${path}.limitType`, LIMIT_TYPES),
    limitWindow: oneOf(limitWindow, `${path}.limitWindow`, LIMIT_WINDOWS),
    maxValue,
    modelFilter: optional(modelFilter, (given) => text(given, `${path}.modelFilter`, MAX_TEXT_CHARS)),
  };
}

function requireEnforcedModelAllowed({ enforcedModel, allowedModels }: Partial<ApiKeySettings>): void {
  if (!enforcedModel || !allowedModels || mayUseModel({ allowedModels }, enforcedModel)) return;
  throw invalid("enforcedModel", `is "${enforcedModel}", which allowedModels does not contain`);
}

/** null, absent and empty text all mean "none". */
function optional<T>(value: unknown, parse: (given: unknown) => T): T | null {
  return value === null || value === undefined || value === "" ? null : parse(value);
}

function text(value: unknown, path: string, maxChars: number): string {
  const trimmed = typeof value === "string" ? value.trim() : "";
  // Control characters would break lists on a terminal and lines of a log.
  if (trimmed === "" || trimmed.length > maxChars || /\p{Cc}/u.test(trimmed)) {
    throw invalid(path, `must be a text of 1 to ${maxChars} characters`);
  }
  return trimmed;
}

function flag(value: unknown, path: string): boolean {
  if (typeof value !== "boolean") throw invalid(path, "must be true or false");
  return value;
}

/** An empty list restricts nothing, as null does. */
function list(value: unknown, path: string): string[] | null {
  if (value === null) return null;
  if (!Array.isArray(value) || value.length > MAX_LIST_ENTRIES) {
    throw invalid(path, `must be a list of at most ${MAX_LIST_ENTRIES} texts, or null`);
  }
  const entries = new Set(value.map((entry, index) => text(entry, `${path}[${index}]`, MAX_TEXT_CHARS)));
  return entries.size === 0 ? null : [...entries];
}

function oneOf<T extends string>(value: unknown, path: string, values: Record<string, T>): T {
  const found = typeof value === "string" && Object.hasOwn(values, value) ? values[value] : undefined;
  if (found === undefined) throw invalid(path, `must be one of ${Object.keys(values).join(", ")}`);
  return found;
}

const ISO_MOMENT = /^\d{4}-\d{2}-\d{2}(T\d{2}:\d{2}(:\d{2}(\.\d+)?)?(Z|[+-]\d{2}:?\d{2})?)?$/;

/** ISO 8601; without a zone it is UTC. */
function moment(value: unknown, path: string): number {
  const given = typeof value === "string" && ISO_MOMENT.test(value) ? value : "";
  const ms = Date.parse(/T[\d:.]+$/.test(given) ? `${given}Z` : given);
  if (Number.isNaN(ms)) throw invalid(path, "must be a moment such as 2027-01-31T00:00:00Z, or null");
  return ms;
}

function invalid(param: string, problem: string): CodedError {
  return new CodedError("validation_error", `${param} ${problem}.`, { status: 422, param });
}
