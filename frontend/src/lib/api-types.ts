/** The admin API as the dashboard reads it. Times are ISO-8601 `Z`; a field with `?` may be absent, and is then not shown. */

export type * from "./api-types-admin.ts";

export type AccountStatus =
  "active" | "paused" | "rate_limited" | "quota_exceeded" | "reauth_required" | "deactivated";
export type RoutingPolicy = "normal" | "burn_first" | "preserve";

export interface Point {
  t: string;
  v: number;
}

export interface QuotaWindow {
  key: string;
  minutes: number;
  usedPercent: number;
  resetAt: string | null;
  /** "all" for the plan's own windows, otherwise the metered feature that it limits. */
  scope: string;
  capacityCredits?: number | null;
}

export interface TokenState {
  state: string;
  expiresAt?: string | null;
}

export interface AccountSummary {
  accountId: string;
  chatgptAccountId?: string | null;
  email: string | null;
  alias: string | null;
  displayName: string;
  workspaceId?: string | null;
  workspaceLabel?: string | null;
  seatType?: string | null;
  planType: string;
  routingPolicy: RoutingPolicy;
  status: AccountStatus;
  statusReason: string | null;
  /** When a state that heals itself ends. */
  statusUntil?: string | null;
  resetAtPrimary?: string | null;
  resetAtSecondary?: string | null;
  windows: QuotaWindow[];
  additionalQuotas?: QuotaWindow[];
  creditsHas?: boolean | null;
  creditsUnlimited?: boolean | null;
  creditsBalance?: string | null;
  lastRefreshAt: string | null;
  requestUsage?: RequestUsage | null;
  auth?: { access?: TokenState; refresh?: TokenState; idToken?: TokenState } | null;
  reserveAtPercent?: number | null;
  inFlight?: number;
  sessionsHeld?: number;
  createdAt?: string;
  lastUsedAt?: string | null;
  /** When its windows were last read. */
  usageReadAt?: string | null;
}

export interface RequestUsage {
  requestCount: number;
  totalTokens: number;
  cachedInputTokens: number;
  totalCostUsd: number;
}

export interface AccountTrends {
  accountId: string;
  primary: Point[];
  secondary: Point[];
  /** One series per window length, which "primary" and "secondary" cannot tell. */
  windows?: { minutes: number; scope: string; points: Point[] }[];
}

export interface AccountSessions {
  /** The list holds the latest of them. */
  total: number;
  sessions: { id: string; kind: string; lastUsedAt: string | null }[];
}

export interface ProbeResult {
  ok: boolean;
  status?: AccountStatus;
  statusBefore?: AccountStatus;
  statusAfter?: AccountStatus;
  message?: string;
}

export interface ImportedAccount {
  accountId: string;
  email: string | null;
  planType: string;
  status: AccountStatus;
  workspaceLabel?: string | null;
}

export interface WindowTotal {
  remainingPercent: number;
  capacityCredits: number;
  remainingCredits: number;
  resetAt: string | null;
  windowMinutes: number;
}

export interface Depletion {
  /** safe, warning, danger or critical. */
  riskLevel: string;
  /** How fast the window is used against how fast it is given: 1 lasts exactly until its reset. */
  burnRate: number | null;
  projectedExhaustionAt: string | null;
}

export type Timeframe = "1d" | "7d" | "30d";

export interface Overview {
  lastSyncAt: string | null;
  timeframe: { key: Timeframe; windowMinutes: number; bucketSeconds: number; bucketCount: number };
  accounts: AccountSummary[];
  summary: {
    primaryWindow: WindowTotal | null;
    secondaryWindow: WindowTotal | null;
    cost: { currency: string; totalUsd: number };
    metrics: {
      requests: number;
      tokens: number;
      inputTokens?: number;
      cachedInputTokens: number;
      /** From 0 to 1, as in the trends. */
      errorRate: number;
      errorCount: number;
      topError: string | null;
    };
    comparison: {
      canCompare: boolean;
      previous: {
        requests: number;
        tokens: number;
        costUsd: number;
        errorRate?: number;
        inputTokens?: number;
        cachedInputTokens?: number;
      } | null;
    };
  };
  trends: { requests: Point[]; tokens: Point[]; cost: Point[]; errorRate: Point[]; cacheHitRate?: Point[] };
  depletion: { primary: Depletion | null; secondary: Depletion | null };
  /** The forecast per window length, for pools whose windows are neither of the two. */
  depletionByMinutes?: Record<string, Depletion>;
}

export type RequestStatus = "ok" | "cancelled" | "rate_limit" | "quota" | "error";

export interface Attempt {
  accountId: string | null;
  outcome: string;
  status: number | null;
  ms: number;
}

export interface SelectionCandidate {
  accountId: string;
  score: number | null;
  rejection: string | null;
  note?: string | null;
}

export interface RequestEntry {
  requestedAt: string;
  requestId: string;
  sessionId: string | null;
  accountId: string | null;
  planType: string | null;
  apiKeyId: string | null;
  apiKeyName: string | null;
  requestKind: string;
  route?: string;
  model: string | null;
  transport: string;
  upstreamTransport: string | null;
  lane: string;
  attempts: Attempt[];
  selection: { strategy: string; reason: string; candidates: SelectionCandidate[] } | null;
  serviceTier: string | null;
  reasoningEffort: string | null;
  status: RequestStatus;
  errorCode: string | null;
  errorMessage: string | null;
  upstreamStatusCode: number | null;
  tokens: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  costUsd: number;
  costBreakdown: {
    inputUsd: number;
    cachedInputUsd: number;
    outputUsd: number;
    toolCallsUsd: number;
    totalUsd: number;
  } | null;
  costEstimated: boolean;
  latencyMs: number;
  latencyFirstTokenMs: number | null;
  latencyQueueMs: number | null;
  latencySelectMs?: number | null;
  latencyConnectMs?: number | null;
  tokensPerSecond: number | null;
  useragent: string | null;
  clientIp: string | null;
}

export interface RequestPage {
  requests: RequestEntry[];
  total: number | null;
  /** Counting stopped there. */
  totalIsAtLeast?: boolean;
  hasMore: boolean;
  nextCursor: string | null;
}

export interface RequestOptions {
  accountIds: string[];
  modelOptions: { model: string; reasoningEffort: string | null }[];
  apiKeys: { id: string; name: string; keyPrefix: string }[];
  statuses: RequestStatus[];
}

export type LimitType = "total_tokens" | "input_tokens" | "output_tokens" | "cost_usd";
export type LimitWindow = "5h" | "daily" | "weekly" | "monthly";

export interface LimitInput {
  limitType: LimitType;
  limitWindow: LimitWindow;
  /** Tokens, or micro-dollars. */
  maxValue: number;
  modelFilter: string | null;
}

export interface KeyLimit extends LimitInput {
  id?: string;
  currentValue: number;
  resetAt: string | null;
}

export interface ApiKey {
  id: string;
  name: string;
  keyPrefix: string;
  isActive: boolean;
  allowedModels: string[] | null;
  enforcedModel?: string | null;
  enforcedReasoningEffort?: string | null;
  enforcedServiceTier?: string | null;
  assignedAccountIds?: string[] | null;
  expiresAt: string | null;
  createdAt: string;
  lastUsedAt: string | null;
  limits: KeyLimit[];
  usage?: RequestUsage | null;
  balanceEnabled?: boolean;
  /** null for a key that is not charged. */
  balance?: { balanceUsd: number } | null;
}

/** The body of create and edit; on edit an absent field stays as it is. */
export interface ApiKeyInput {
  name?: string;
  isActive?: boolean;
  allowedModels?: string[] | null;
  enforcedModel?: string | null;
  enforcedReasoningEffort?: string | null;
  enforcedServiceTier?: string | null;
  assignedAccountIds?: string[] | null;
  expiresAt?: string | null;
  limits?: LimitInput[];
  balanceEnabled?: boolean;
  resetUsage?: boolean;
}

export type ApiKeyWithSecret = ApiKey & { key: string };

export interface LedgerEntry {
  id: string;
  at: string;
  kind: "credit" | "correction" | "charge";
  amountUsd: number;
  note: string | null;
}

export interface Ledger {
  balanceEnabled: boolean;
  balanceUsd: number;
  entries: LedgerEntry[];
  nextBefore: string | null;
}

export interface KeyTrends {
  tokens: Point[];
  cost: Point[];
}

export interface Model {
  id: string;
  name: string;
  supportedReasoningEfforts: string[];
  defaultReasoningEffort: string | null;
}

export interface ReportSums {
  requests: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  costUsd: number;
  errors?: number;
}

export interface Report {
  summary: ReportSums & { planCostUsd?: number | null };
  daily: (ReportSums & { date: string })[];
  byModel: (ReportSums & { model: string | null })[];
  byAccount: (ReportSums & { accountId: string | null })[];
  byKey: (ReportSums & { apiKeyId: string | null; name: string | null })[];
}
