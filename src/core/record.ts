/** The record of one finished request: the single value from which log row, roll-ups, key counters, metrics and live feed are made. */

/** How a request ended, as the request log and its filter name it. */
export type RequestStatus = "ok" | "cancelled" | "rate_limit" | "quota" | "error";
export const REQUEST_STATUSES: readonly RequestStatus[] = ["ok", "cancelled", "rate_limit", "quota", "error"];

/** What kind of upstream served it: an account of the pool, or the operator's own OpenAI API key. */
export type Lane = "pool" | "api_key";

export type Transport = "http" | "websocket";

/** One try on one account. */
export interface AttemptRecord {
  /** null in the API-key lane. */
  accountId: string | null;
  /** What the retry table made of it: `relay`, or the cause for which it was left. */
  outcome: string;
  /** Upstream's HTTP status; null when none came. */
  status: number | null;
  /** From the start of the attempt until its outcome was known, in milliseconds. */
  ms: number;
}

/** One account as selection saw it: a score when it was ranked, a reason when it was left out. */
export interface CandidateRecord {
  accountId: string;
  score: number | null;
  rejection: string | null;
}

/** Why the account was chosen. Candidates come best first and are cut to `MAX_RECORDED_CANDIDATES` by whoever builds the record. */
export interface SelectionRecord {
  strategy: string;
  /** One sentence for people. */
  reason: string;
  candidates: CandidateRecord[];
}

/** A row of the log keeps so many candidates: enough to explain a pick, and a bound on the row for a pool of thousands. */
export const MAX_RECORDED_CANDIDATES = 12;

/** Whole micro-dollars: 1 USD = 1,000,000. */
export interface CostRecord {
  inputCostMicros: number;
  cachedInputCostMicros: number;
  outputCostMicros: number;
  toolCallsCostMicros: number;
  totalCostMicros: number;
  /** True when the model's price was unknown, or when the upstream confirmed no usage. */
  costEstimated: boolean;
}

export interface TokenRecord {
  /** Includes the cached ones. */
  inputTokens: number;
  cachedInputTokens: number;
  /** Includes the reasoning ones. */
  outputTokens: number;
  reasoningTokens: number;
}

/** Durations in milliseconds; null for a phase that the request never reached. */
export interface LatencyRecord {
  /** From the arrival of the request to the end of the reply. */
  latencyMs: number;
  /** Waiting for a place on an account. */
  latencyQueueMs: number | null;
  /** Choosing the account and, when due, refreshing its token. */
  latencySelectMs: number | null;
  /** From sending the winning attempt to its response headers. */
  latencyConnectMs: number | null;
  /** From the arrival of the request to the first output token. */
  latencyFirstTokenMs: number | null;
}

/** Never a prompt, never an output. A request belongs to the hour, and to the limit window, in which it was asked. */
export interface RequestRecord extends TokenRecord, CostRecord, LatencyRecord {
  requestId: string;
  requestedAtMs: number;
  /** The path asked for, without its query, for example `/backend-api/codex/responses`. */
  route: string;
  sessionId: string | null;
  threadId: string | null;
  turnId: string | null;
  /** `turn`, `prewarm`, `compaction`, `review`, `title`, or what the client called it. */
  requestKind: string;
  /** The account that served it, or the last that was tried. */
  accountId: string | null;
  planType: string | null;
  apiKeyId: string | null;
  /** The key's name at that time, so that the log stays readable when the key is gone. */
  apiKeyName: string | null;
  /** What upstream said it served, otherwise what was asked for. */
  model: string | null;
  serviceTier: string | null;
  reasoningEffort: string | null;
  /** The client's side and upstream's side. */
  transport: Transport;
  upstreamTransport: Transport | null;
  lane: Lane;
  attempts: AttemptRecord[];
  selection: SelectionRecord | null;
  status: RequestStatus;
  errorCode: string | null;
  errorMessage: string | null;
  upstreamStatusCode: number | null;
  webSearchCalls: number;
  generatedImages: number;
  userAgent: string | null;
  clientIp: string | null;
}
