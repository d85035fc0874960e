/** The settings that people change while the service runs: their shape, defaults and validation. */
import { parseCidr } from "./cidr.ts";
import type { ModelRule } from "./dialects/model-name.ts";
import { CodedError } from "./errors.ts";
import type { Strategy } from "./selection.ts";

export interface DashboardSettings {
  /** Keep a conversation on one account while that account can serve. */
  stickyThreadsEnabled: boolean;
  /** Among accounts that are about equally used, prefer the one whose windows reset sooner. */
  preferEarlierResetAccounts: boolean;
  routingStrategy: Strategy;
  /** The account of strategy `single_account`; null: none chosen yet. */
  singleAccountId: string | null;
  /** Requests that one account serves at the same time; more wait. */
  maxConcurrentRequestsPerAccount: number;
  /** How long a request waits for a place before it is refused. */
  queueWaitSeconds: number;
  /** Codex may open WebSockets; off, it turns to HTTP by itself. */
  websocketEnabled: boolean;
  /** Importing a login that exists is a conflict instead of an update. */
  importWithoutOverwrite: boolean;
  apiKeyAuthEnabled: boolean;
  requestLogRetentionDays: number;
  usageHistoryRetentionDays: number;
  dashboardSessionTtlSeconds: number;
  /** Hours from one scheduled copy of the database to the next; 0: none are made. */
  backupIntervalHours: number;
  /** Scheduled copies that are kept; older ones are deleted. Those that people made stay. */
  backupKeep: number;
  /** Whoever knows the guest password may look, with e-mail addresses masked. */
  guestAccessEnabled: boolean;
  /** Addresses and networks that may use the proxy; empty: any. This machine always may. */
  proxyAllowlist: readonly string[];
  /** The same for the dashboard and the admin API. */
  dashboardAllowlist: readonly string[];
  /** Origins of web pages, like `https://chat.example.com`, that may call the proxy; browsers' calls are refused otherwise. */
  proxyAllowedOrigins: readonly string[];
  /** Model names on `/v1` that stand for others; the first rule that fits and whose model the pool has wins. */
  modelRules: readonly ModelRule[];
  /** `apiKey`: the operator's own API key at OpenAI, when one is configured, serves while no account of the pool can. */
  lanes: { readonly apiKey: boolean };
}

export const DEFAULT_SETTINGS: DashboardSettings = {
  stickyThreadsEnabled: true,
  preferEarlierResetAccounts: false,
  routingStrategy: "usage_weighted",
  singleAccountId: null,
  maxConcurrentRequestsPerAccount: 512,
  queueWaitSeconds: 10,
  websocketEnabled: true,
  importWithoutOverwrite: false,
  apiKeyAuthEnabled: false,
  requestLogRetentionDays: 90,
  usageHistoryRetentionDays: 90,
  dashboardSessionTtlSeconds: 43_200,
  backupIntervalHours: 24,
  backupKeep: 3,
  guestAccessEnabled: false,
  proxyAllowlist: [],
  dashboardAllowlist: [],
  proxyAllowedOrigins: [],
  modelRules: [
    { pattern: "claude-*haiku*", model: "gpt-5.4-mini" },
    { pattern: "claude-*", model: "gpt-5.5" },
  ],
  lanes: { apiKey: true },
};

/** Each request of `/v1` walks them; nobody names more models than this. */
const MAX_MODEL_RULES = 100;
const MAX_MODEL_NAME_CHARS = 100;

const STRATEGIES: readonly Strategy[] = [
  "usage_weighted",
  "round_robin",
  "capacity_weighted",
  "reset_first",
  "fill_first",
  "single_account",
];

type Check = (value: unknown) => string | null;

const boolean: Check = (value) => (typeof value === "boolean" ? null : "true or false");
const whole =
  (from: number, to: number): Check =>
  (value) =>
    Number.isInteger(value) && (value as number) >= from && (value as number) <= to
      ? null
      : `a whole number from ${from} to ${to}`;

/** Each request walks these lists. */
const MAX_LIST_LENGTH = 256;

const listOf =
  (accepts: (text: string) => boolean, what: string): Check =>
  (value) =>
    Array.isArray(value) &&
    value.length <= MAX_LIST_LENGTH &&
    value.every((entry) => typeof entry === "string" && accepts(entry))
      ? null
      : `a list of at most ${MAX_LIST_LENGTH} ${what}`;

const networks = listOf((text) => parseCidr(text) !== null, "addresses or networks like 10.0.0.0/8");

/** As browsers send it: scheme and host in lower case, no path. Also the schemes of apps, like `tauri://localhost`. */
function isOrigin(text: string): boolean {
  return /^[a-z][a-z\d+.-]*:\/\/[^\s/?#@A-Z]+$/.test(text) && URL.canParse(text);
}

function isModelRule(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const names = Object.entries(value);
  const isName = (name: unknown) =>
    typeof name === "string" && name.trim() !== "" && name.length <= MAX_MODEL_NAME_CHARS;
  return (
    names.length === 2 && names.every(([key, name]) => (key === "pattern" || key === "model") && isName(name))
  );
}

function isLanes(value: unknown): boolean {
  if (typeof value !== "object" || value === null) return false;
  const entries = Object.entries(value);
  return entries.length === 1 && entries[0]![0] === "apiKey" && typeof entries[0]![1] === "boolean";
}

const CHECKS: Record<keyof DashboardSettings, Check> = {
  stickyThreadsEnabled: boolean,
  preferEarlierResetAccounts: boolean,
  routingStrategy: (value) =>
    STRATEGIES.includes(value as Strategy) ? null : `one of ${STRATEGIES.join(", ")}`,
  singleAccountId: (value) =>
    value === null || (typeof value === "string" && value.length <= 64) ? null : "an account's id or null",
  maxConcurrentRequestsPerAccount: whole(1, 10_000),
  queueWaitSeconds: whole(0, 300),
  websocketEnabled: boolean,
  importWithoutOverwrite: boolean,
  apiKeyAuthEnabled: boolean,
  requestLogRetentionDays: whole(1, 3_650),
  usageHistoryRetentionDays: whole(1, 3_650),
  dashboardSessionTtlSeconds: whole(300, 30 * 86_400),
  backupIntervalHours: whole(0, 24 * 30),
  backupKeep: whole(1, 100),
  guestAccessEnabled: boolean,
  proxyAllowlist: networks,
  dashboardAllowlist: networks,
  proxyAllowedOrigins: listOf(isOrigin, "origins like https://chat.example.com"),
  modelRules: (value) =>
    Array.isArray(value) && value.length <= MAX_MODEL_RULES && value.every(isModelRule)
      ? null
      : `a list of at most ${MAX_MODEL_RULES} rules {"pattern":"claude-*","model":"gpt-5.5"}`,
  lanes: (value) => (isLanes(value) ? null : 'an object like {"apiKey":true}'),
};

/** The fields that GET answers and PUT accepts back without storing them. A second factor is switched off with its code only. */
const READ_ONLY = new Set(["totpRequiredOnLogin", "totpConfigured", "apiKeyLaneConfigured", "version"]);

/** `current` with the fields of `patch` (an object from outside). Throws CodedError `validation_error` (422) naming the field. */
export function patchSettings(current: DashboardSettings, patch: unknown): DashboardSettings {
  if (typeof patch !== "object" || patch === null || Array.isArray(patch)) {
    throw new CodedError("validation_error", "Settings are a JSON object.", { status: 422 });
  }
  const next: Record<string, unknown> = { ...current };
  for (const [name, value] of Object.entries(patch)) {
    if (READ_ONLY.has(name)) continue;
    if (!Object.hasOwn(CHECKS, name)) {
      throw new CodedError("validation_error", `"${name.slice(0, 64)}" is not a setting.`, {
        status: 422,
        param: name.slice(0, 64),
      });
    }
    const accepts = CHECKS[name as keyof DashboardSettings](value);
    if (accepts !== null) {
      throw new CodedError("validation_error", `"${name}" must be ${accepts}.`, { status: 422, param: name });
    }
    next[name] = value;
  }
  return next as unknown as DashboardSettings;
}

/** Stored settings of an earlier program: what is missing or no longer valid falls back to its default. */
export function readStoredSettings(stored: unknown): DashboardSettings {
  const settings: Record<string, unknown> = { ...DEFAULT_SETTINGS };
  if (typeof stored === "object" && stored !== null) {
    for (const [name, value] of Object.entries(stored)) {
      if (Object.hasOwn(CHECKS, name) && CHECKS[name as keyof DashboardSettings](value) === null)
        settings[name] = value;
    }
  }
  return settings as unknown as DashboardSettings;
}
