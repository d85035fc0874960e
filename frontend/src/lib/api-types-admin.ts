/** The part of the admin API about settings, signing in, prices and the audit log. */

export type Strategy =
  "usage_weighted" | "round_robin" | "capacity_weighted" | "reset_first" | "fill_first" | "single_account";

export interface Settings {
  version: number;
  stickyThreadsEnabled: boolean;
  preferEarlierResetAccounts: boolean;
  routingStrategy: Strategy;
  singleAccountId: string | null;
  maxConcurrentRequestsPerAccount?: number;
  queueWaitSeconds?: number;
  importWithoutOverwrite: boolean;
  totpRequiredOnLogin: boolean;
  totpConfigured: boolean;
  apiKeyAuthEnabled: boolean;
  guestAccessEnabled?: boolean;
  proxyAllowlist?: string[];
  dashboardAllowlist?: string[];
  proxyAllowedOrigins?: string[];
  modelRules?: { pattern: string; model: string }[];
  requestLogRetentionDays: number;
  usageHistoryRetentionDays: number;
  dashboardSessionTtlSeconds: number;
}

export interface DashboardSession {
  authenticated: boolean;
  passwordRequired: boolean;
  totpRequiredOnLogin: boolean;
  totpConfigured: boolean;
  bootstrapRequired: boolean;
  role: "admin" | "guest" | null;
  /** The password was right and the code is still missing. */
  totpPending?: boolean;
  guestAccessEnabled?: boolean;
  demo?: boolean;
  version?: string;
}

export interface SignedInSession {
  id: string;
  role: "admin" | "guest";
  createdAt: string;
  lastSeenAt: string;
  expiresAt: string;
  clientIp: string | null;
  userAgent: string | null;
  current: boolean;
}

export interface TotpSetup {
  secret: string;
  otpauthUri: string;
  qrSvgDataUri: string;
}

export interface OauthFlow {
  flowId: string;
  method: "browser" | "device";
  authorizationUrl: string | null;
  callbackUrl: string | null;
  verificationUrl: string | null;
  userCode: string | null;
  intervalSeconds: number | null;
  expiresInSeconds: number;
}

export interface OauthStatus {
  status: "pending" | "success" | "error";
  errorMessage?: string | null;
  accountId?: string | null;
}

export interface ModelPrice {
  model: string;
  inputUsd: number;
  cachedInputUsd: number | null;
  outputUsd: number;
  /** True when it replaces or adds to the shipped table. */
  overridden: boolean;
  estimated?: boolean;
}

export interface Prices {
  prices: ModelPrice[];
  /** The operator's own, by model, in dollars per 1M tokens; PUT replaces all of them. */
  overrides: Record<string, PriceOverride>;
}

export interface PriceOverride {
  input: number;
  cachedInput?: number | null;
  output: number;
  [tier: string]: unknown;
}

export interface AuditEntry {
  id: number | string;
  at: string;
  actor: string;
  actorIp: string | null;
  action: string;
  target: string | null;
  details: Record<string, unknown> | null;
}

export interface AuditPage {
  logs: AuditEntry[];
  nextCursor: string | null;
}

export interface About {
  version: string;
  runtime?: string;
  platform?: string;
  startedAt?: string;
  dataDirectory?: string;
  databaseBytes?: number;
}
