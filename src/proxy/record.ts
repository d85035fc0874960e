/** What happened, made once per finished request: the row from which log, roll-ups, key counters, metrics and live feed follow. */
import { type PriceTable, priceOf } from "../core/pricing.ts";
import {
  type CandidateRecord,
  type Lane,
  MAX_RECORDED_CANDIDATES,
  type RequestRecord,
  type RequestStatus,
  type SelectionRecord,
  type Transport,
} from "../core/record.ts";
import type { ReplySummary } from "../core/reply-observer.ts";
import { NO_USAGE, parseTokenUsage, type TokenUsage } from "../core/usage-tokens.ts";
import type { PooledAccount } from "../pool/pool.ts";
import { accountIdOf, laneOf } from "./api-key-lane.ts";
import type { RequestFacts } from "./client-request.ts";
import type { Trace } from "./engine.ts";

/** Who sent the request, and when. */
export interface RequestOrigin {
  requestId: string;
  receivedAtMs: number;
  /** On the monotonic clock. */
  receivedAt: number;
  route: string;
  transport: Transport;
  apiKeyId: string | null;
  apiKeyName: string | null;
  userAgent: string | null;
  clientIp: string | null;
}

export interface RequestEnd {
  status: RequestStatus;
  errorCode: string | null;
  /** For people; ours, never upstream's words. */
  errorMessage: string | null;
  upstreamStatusCode: number | null;
  /** On the monotonic clock. */
  endedAt: number;
  firstTokenAt: number | null;
  upstreamTransport: Transport | null;
  /** To be counted when upstream confirmed no usage; null: then nothing is. */
  estimatedUsage: TokenUsage | null;
}

/** User agents are shown in the log; one longer than this is no name any more. */
const MAX_USER_AGENT_CHARS = 200;

export function requestRecord(input: {
  origin: RequestOrigin;
  facts: RequestFacts | null;
  trace: Trace | null;
  account: PooledAccount | null;
  summary: ReplySummary | null;
  end: RequestEnd;
  prices: PriceTable;
}): RequestRecord {
  const { origin, facts, trace, account, summary, end, prices } = input;
  const lane = laneOf(account);
  const confirmed = parseTokenUsage(summary?.usage);
  const tokens = confirmed ?? end.estimatedUsage ?? NO_USAGE;
  const model = summary?.model ?? (facts?.model || null);
  const serviceTier = summary?.serviceTier ?? null;
  const webSearchCalls = summary?.webSearchCalls ?? 0;
  const generatedImages = (summary?.imageCalls ?? 0) + (end.status === "ok" ? (facts?.images ?? 0) : 0);
  const cost = priceOf(
    {
      ...tokens,
      model: model ?? "",
      serviceTier,
      toolCalls: { webSearch: webSearchCalls, images: generatedImages },
    },
    prices,
  );
  return {
    requestId: origin.requestId,
    requestedAtMs: origin.receivedAtMs,
    route: origin.route,
    sessionId: facts?.sessionId ?? null,
    threadId: facts?.threadId ?? null,
    turnId: facts?.turnId ?? null,
    requestKind: facts?.requestKind ?? "other",
    accountId: accountIdOf(account),
    planType: lane === "pool" ? (account?.planType ?? null) : null,
    apiKeyId: origin.apiKeyId,
    apiKeyName: origin.apiKeyName,
    model,
    serviceTier: serviceTier ?? facts?.serviceTier ?? null,
    reasoningEffort: facts?.reasoningEffort ?? null,
    transport: origin.transport,
    upstreamTransport: end.upstreamTransport,
    lane,
    attempts: trace?.attempts ?? [],
    selection: trace ? selectionRecord(trace, lane) : null,
    status: end.status,
    errorCode: end.errorCode,
    errorMessage: end.errorMessage,
    upstreamStatusCode: end.upstreamStatusCode,
    inputTokens: tokens.inputTokens,
    cachedInputTokens: tokens.cachedInputTokens,
    outputTokens: tokens.outputTokens,
    reasoningTokens: tokens.reasoningTokens,
    inputCostMicros: cost.inputMicros,
    cachedInputCostMicros: cost.cachedInputMicros,
    outputCostMicros: cost.outputMicros,
    toolCallsCostMicros: cost.toolCallsMicros,
    totalCostMicros: cost.totalMicros,
    costEstimated: cost.totalMicros > 0 && (cost.estimated || confirmed === null),
    webSearchCalls,
    generatedImages,
    latencyMs: end.endedAt - origin.receivedAt,
    latencyQueueMs: trace ? trace.queueMs : null,
    latencySelectMs: trace ? trace.selectMs + trace.refreshMs : null,
    latencyConnectMs: trace?.connectMs ?? null,
    latencyFirstTokenMs: end.firstTokenAt === null ? null : end.firstTokenAt - origin.receivedAt,
    userAgent: origin.userAgent?.slice(0, MAX_USER_AGENT_CHARS) ?? null,
    clientIp: origin.clientIp,
  };
}

function selectionRecord({ verdict, affinity }: Trace, lane: Lane): SelectionRecord | null {
  if (!verdict) return null;
  const candidates: CandidateRecord[] = verdict.ranking.map(({ id, score }) => ({
    accountId: id,
    score,
    rejection: null,
  }));
  for (const { reason, ids } of verdict.rejections) {
    for (const accountId of ids) candidates.push({ accountId, score: null, rejection: reason });
  }
  // A pick that stays says so itself; why one moves is known here only.
  const why = affinity.kind === "move" ? `${affinity.reason} ${verdict.reason}` : verdict.reason;
  return {
    strategy: verdict.strategy,
    reason: lane === "api_key" ? `${why} The API-key lane took it.` : why,
    candidates: candidates.slice(0, MAX_RECORDED_CANDIDATES),
  };
}
