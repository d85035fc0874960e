/** Every table of codex-lb.db. Times are milliseconds since the epoch, money is whole micro-dollars, both as integers. */
import { sql } from "drizzle-orm";
import { blob, index, integer, primaryKey, real, sqliteTable, text } from "drizzle-orm/sqlite-core";
import type { AccountState, Credentials, RoutingPolicy } from "../core/account.ts";
import type { AttemptRecord, Lane, RequestStatus, SelectionRecord, Transport } from "../core/record.ts";

const bool = (name: string) => integer(name, { mode: "boolean" });
const json = <T>(name: string) => text(name, { mode: "json" }).$type<T>();
const bytes = (name: string) => blob(name, { mode: "buffer" });

/** Facts about the database itself, for example the fingerprint of its encryption key. */
export const storeMeta = sqliteTable("store_meta", {
  name: text("name").primaryKey(),
  value: text("value").notNull(),
});

export const accounts = sqliteTable("accounts", {
  id: text("id").primaryKey(),
  chatgptAccountId: text("chatgpt_account_id").notNull(),
  chatgptUserId: text("chatgpt_user_id"),
  workspaceId: text("workspace_id"),
  email: text("email"),
  alias: text("alias"),
  planType: text("plan_type").notNull(),
  workspaceLabel: text("workspace_label"),
  seatType: text("seat_type"),
  routingPolicy: text("routing_policy").$type<RoutingPolicy>().notNull(),
  reserveAtPercent: real("reserve_at_percent"),
  state: text("state").$type<AccountState>().notNull(),
  stateReason: text("state_reason"),
  stateUntilMs: integer("state_until_ms"),
  createdAtMs: integer("created_at_ms").notNull(),
});

/** Tokens, each encrypted for its account and field (secrets.ts). Apart from accounts so that no listing can fetch them. */
export const credentials = sqliteTable("credentials", {
  accountId: text("account_id")
    .primaryKey()
    .references(() => accounts.id, { onDelete: "cascade" }),
  kind: text("kind").$type<Credentials["kind"]>().notNull(),
  accessToken: bytes("access_token").notNull(),
  refreshToken: bytes("refresh_token"),
  idToken: bytes("id_token"),
  accessExpiresAtMs: integer("access_expires_at_ms"),
  lastRefreshAtMs: integer("last_refresh_at_ms"),
});

/**
 * The latest reading of each window. This and the other tables filled by the write-behind queue have no foreign keys: a
 * reading that arrives just after its account was deleted must not fail the whole batch. Readers join with accounts.
 */
export const windowSnapshots = sqliteTable(
  "window_snapshots",
  {
    accountId: text("account_id").notNull(),
    scope: text("scope").notNull(),
    minutes: integer("minutes").notNull(),
    usedPercent: real("used_percent").notNull(),
    resetAtMs: integer("reset_at_ms").notNull(),
    seenAtMs: integer("seen_at_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.scope, table.minutes] })],
);

/** One reading per window and quarter of an hour, the last one of it: `atMs` is the start of that quarter. */
export const windowHistory = sqliteTable(
  "window_history",
  {
    accountId: text("account_id").notNull(),
    scope: text("scope").notNull(),
    minutes: integer("minutes").notNull(),
    atMs: integer("at_ms").notNull(),
    usedPercent: real("used_percent").notNull(),
    resetAtMs: integer("reset_at_ms").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.accountId, table.scope, table.minutes, table.atMs] }),
    index("window_history_at").on(table.atMs),
  ],
);

/** Credits of an account as upstream last told. */
export const accountCredits = sqliteTable("account_credits", {
  accountId: text("account_id").primaryKey(),
  hasCredits: bool("has_credits").notNull(),
  unlimited: bool("unlimited").notNull(),
  /** Upstream's own text; null when it names none. */
  balance: text("balance"),
  seenAtMs: integer("seen_at_ms").notNull(),
});

/** The model catalogue per account and client version, verbatim. */
export const accountModels = sqliteTable(
  "account_models",
  {
    accountId: text("account_id")
      .notNull()
      .references(() => accounts.id, { onDelete: "cascade" }),
    clientVersion: text("client_version").notNull(),
    entries: text("entries").notNull(),
    etag: text("etag"),
    fetchedAtMs: integer("fetched_at_ms").notNull(),
  },
  (table) => [primaryKey({ columns: [table.accountId, table.clientVersion] })],
);

/** The request log: core/record.ts, one row per finished request. Every filter has an index that also gives the order. */
export const requests = sqliteTable(
  "requests",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    requestId: text("request_id").notNull(),
    requestedAtMs: integer("requested_at_ms").notNull(),
    route: text("route").notNull(),
    sessionId: text("session_id"),
    threadId: text("thread_id"),
    turnId: text("turn_id"),
    requestKind: text("request_kind").notNull(),
    accountId: text("account_id"),
    planType: text("plan_type"),
    apiKeyId: text("api_key_id"),
    apiKeyName: text("api_key_name"),
    model: text("model"),
    serviceTier: text("service_tier"),
    reasoningEffort: text("reasoning_effort"),
    transport: text("transport").$type<Transport>().notNull(),
    upstreamTransport: text("upstream_transport").$type<Transport>(),
    lane: text("lane").$type<Lane>().notNull(),
    attempts: json<AttemptRecord[]>("attempts").notNull(),
    selection: json<SelectionRecord>("selection"),
    status: text("status").$type<RequestStatus>().notNull(),
    errorCode: text("error_code"),
    errorMessage: text("error_message"),
    upstreamStatusCode: integer("upstream_status_code"),
    inputTokens: integer("input_tokens").notNull(),
    cachedInputTokens: integer("cached_input_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    reasoningTokens: integer("reasoning_tokens").notNull(),
    webSearchCalls: integer("web_search_calls").notNull(),
    generatedImages: integer("generated_images").notNull(),
    inputCostMicros: integer("input_cost_micros").notNull(),
    cachedInputCostMicros: integer("cached_input_cost_micros").notNull(),
    outputCostMicros: integer("output_cost_micros").notNull(),
    toolCallsCostMicros: integer("tool_calls_cost_micros").notNull(),
    totalCostMicros: integer("total_cost_micros").notNull(),
    costEstimated: bool("cost_estimated").notNull(),
    latencyMs: real("latency_ms").notNull(),
    latencyQueueMs: real("latency_queue_ms"),
    latencySelectMs: real("latency_select_ms"),
    latencyConnectMs: real("latency_connect_ms"),
    latencyFirstTokenMs: real("latency_first_token_ms"),
    userAgent: text("user_agent"),
    clientIp: text("client_ip"),
  },
  (table) => [
    index("requests_time").on(table.requestedAtMs, table.id),
    index("requests_account").on(table.accountId, table.requestedAtMs, table.id),
    index("requests_key").on(table.apiKeyId, table.requestedAtMs, table.id),
    index("requests_status").on(table.status, table.requestedAtMs, table.id),
    index("requests_model").on(table.model, table.reasoningEffort, table.requestedAtMs, table.id),
    index("requests_error")
      .on(table.errorCode, table.requestedAtMs, table.id)
      .where(sql`error_code IS NOT NULL`),
    index("requests_request_id").on(table.requestId, table.requestedAtMs, table.id),
    index("requests_session")
      .on(table.sessionId, table.requestedAtMs, table.id)
      .where(sql`session_id IS NOT NULL`),
  ],
);

/** What the sums of a row are split by: nothing, one dimension, or all three. */
export type RollupLevel = "total" | "account" | "key" | "model" | "detail";

/**
 * Sums per hour, once in all and once by account, by key, by model, and by all three: a chart then reads a few rows per
 * hour, not every combination that occurred. The empty string stands for "none" and for "not split by this", because NULL
 * never equals itself in a key.
 */
export const requestRollups = sqliteTable(
  "request_rollups",
  {
    level: text("level").$type<RollupLevel>().notNull(),
    hourMs: integer("hour_ms").notNull(),
    accountId: text("account_id").notNull(),
    apiKeyId: text("api_key_id").notNull(),
    model: text("model").notNull(),
    requests: integer("requests").notNull(),
    /** Status rate_limit, quota or error. A cancelled request is neither ok nor an error. */
    errors: integer("errors").notNull(),
    cancelled: integer("cancelled").notNull(),
    inputTokens: integer("input_tokens").notNull(),
    cachedInputTokens: integer("cached_input_tokens").notNull(),
    outputTokens: integer("output_tokens").notNull(),
    reasoningTokens: integer("reasoning_tokens").notNull(),
    costMicros: integer("cost_micros").notNull(),
    latencyMsSum: real("latency_ms_sum").notNull(),
    firstTokenMsSum: real("first_token_ms_sum").notNull(),
    /** How many requests had a first token: the divisor of the sum above. */
    firstTokens: integer("first_tokens").notNull(),
    attempts: integer("attempts").notNull(),
  },
  (table) => [
    primaryKey({ columns: [table.level, table.hourMs, table.accountId, table.apiKeyId, table.model] }),
    index("request_rollups_key").on(table.apiKeyId, table.level, table.hourMs),
  ],
);

/** How often each error code occurred, for "top error". */
export const errorRollups = sqliteTable(
  "error_rollups",
  {
    hourMs: integer("hour_ms").notNull(),
    accountId: text("account_id").notNull(),
    apiKeyId: text("api_key_id").notNull(),
    errorCode: text("error_code").notNull(),
    requests: integer("requests").notNull(),
  },
  (table) => [primaryKey({ columns: [table.hourMs, table.accountId, table.apiKeyId, table.errorCode] })],
);

export const apiKeys = sqliteTable("api_keys", {
  id: text("id").primaryKey(),
  name: text("name").notNull(),
  /** SHA-256 of the key, hex. */
  keyHash: text("key_hash").notNull().unique(),
  keyPrefix: text("key_prefix").notNull(),
  isActive: bool("is_active").notNull(),
  /** null: every model. */
  allowedModels: json<string[]>("allowed_models"),
  enforcedModel: text("enforced_model"),
  enforcedReasoningEffort: text("enforced_reasoning_effort"),
  enforcedServiceTier: text("enforced_service_tier"),
  /** null: every account. */
  assignedAccountIds: json<string[]>("assigned_account_ids"),
  /** Whether requests are charged against prepaid credit; the balance is the sum of the ledger. */
  balanceEnabled: bool("balance_enabled").notNull(),
  /** Whether the operator's own API key at OpenAI may serve it when no account can. */
  apiKeyLaneAllowed: bool("api_key_lane_allowed").notNull().default(true),
  expiresAtMs: integer("expires_at_ms"),
  createdAtMs: integer("created_at_ms").notNull(),
  lastUsedAtMs: integer("last_used_at_ms"),
});

export type LimitType = "total_tokens" | "input_tokens" | "output_tokens" | "cost_usd";
export type LimitWindow = "5h" | "daily" | "weekly" | "monthly";

export const keyLimits = sqliteTable(
  "key_limits",
  {
    id: text("id").primaryKey(),
    apiKeyId: text("api_key_id")
      .notNull()
      .references(() => apiKeys.id, { onDelete: "cascade" }),
    limitType: text("limit_type").$type<LimitType>().notNull(),
    limitWindow: text("limit_window").$type<LimitWindow>().notNull(),
    /** Tokens, or micro-dollars for `cost_usd`. */
    maxValue: integer("max_value").notNull(),
    /** null: every model. */
    modelFilter: text("model_filter"),
    /** Windows follow one another from here; "reset usage" moves it. The counter itself is rebuilt from the log. */
    anchorMs: integer("anchor_ms").notNull(),
  },
  (table) => [index("key_limits_key").on(table.apiKeyId)],
);

export type LedgerKind = "credit" | "correction" | "charge";

/** What was paid in and what was spent, in micro-dollars. Charges are one row per key and hour, growing in place. */
export const keyLedger = sqliteTable(
  "key_ledger",
  {
    /** `charge:<key>:<hour>` for charges, random otherwise. */
    id: text("id").primaryKey(),
    apiKeyId: text("api_key_id")
      .notNull()
      .references(() => apiKeys.id, { onDelete: "cascade" }),
    atMs: integer("at_ms").notNull(),
    kind: text("kind").$type<LedgerKind>().notNull(),
    /** Positive adds credit, negative takes it. */
    amountMicros: integer("amount_micros").notNull(),
    note: text("note"),
  },
  (table) => [index("key_ledger_key").on(table.apiKeyId, table.atMs)],
);

/** One row: the settings as one object, with the version that guards against a lost update. */
export const settings = sqliteTable("settings", {
  id: integer("id").primaryKey(),
  version: integer("version").notNull(),
  values: json<Record<string, unknown>>("values").notNull(),
  updatedAtMs: integer("updated_at_ms").notNull(),
});

/** Which account a conversation is on. The key is `<kind>:<key>` of core/affinity. */
export const affinity = sqliteTable(
  "affinity",
  {
    conversationKey: text("conversation_key").primaryKey(),
    accountId: text("account_id").notNull(),
    expiresAtMs: integer("expires_at_ms").notNull(),
  },
  (table) => [index("affinity_expiry").on(table.expiresAtMs), index("affinity_account").on(table.accountId)],
);

/** Prices that replace or add to those shipped; the shape of one model's entry in the price table. */
export const priceOverrides = sqliteTable("price_overrides", {
  model: text("model").primaryKey(),
  price: json<Record<string, unknown>>("price").notNull(),
  updatedAtMs: integer("updated_at_ms").notNull(),
});

export const auditLog = sqliteTable(
  "audit_log",
  {
    id: integer("id").primaryKey({ autoIncrement: true }),
    atMs: integer("at_ms").notNull(),
    /** `dashboard`, `admin_token`, `local`, `cli`, `guest`, `anonymous`, `system`. */
    actor: text("actor").notNull(),
    actorIp: text("actor_ip"),
    /** What was done, for example `account.import`. */
    action: text("action").notNull(),
    /** To what: an id or a name. */
    target: text("target"),
    details: json<Record<string, unknown>>("details"),
  },
  (table) => [
    index("audit_log_time").on(table.atMs, table.id),
    index("audit_log_action").on(table.action, table.id),
  ],
);

/** One row: how people sign in to the dashboard. */
export const dashboardCredentials = sqliteTable("dashboard_credentials", {
  id: integer("id").primaryKey(),
  passwordHash: text("password_hash"),
  /** Of those who may look and not change. */
  guestPasswordHash: text("guest_password_hash"),
  /** Encrypted. */
  totpSecret: bytes("totp_secret"),
  /** The last accepted time step, so that a code works once. */
  totpLastStep: integer("totp_last_step"),
  /** SHA-256 of each recovery code that is left. */
  recoveryCodeHashes: json<string[]>("recovery_code_hashes").notNull(),
});

export type DashboardRole = "admin" | "guest";

export const dashboardSessions = sqliteTable(
  "dashboard_sessions",
  {
    id: text("id").primaryKey(),
    /** SHA-256 of the cookie, hex. */
    tokenHash: text("token_hash").notNull().unique(),
    role: text("role").$type<DashboardRole>().notNull(),
    totpVerified: bool("totp_verified").notNull(),
    createdAtMs: integer("created_at_ms").notNull(),
    lastSeenAtMs: integer("last_seen_at_ms").notNull(),
    expiresAtMs: integer("expires_at_ms").notNull(),
    clientIp: text("client_ip"),
    userAgent: text("user_agent"),
  },
  (table) => [index("dashboard_sessions_expiry").on(table.expiresAtMs)],
);
