/** `/api/request-logs`: the requests that were served, page by page. Never a prompt, never an output. */
import { Elysia, t } from "elysia";
import { CodedError } from "../core/errors.ts";
import { usdFromMicros } from "../core/pricing.ts";
import { REQUEST_STATUSES, type RequestRecord } from "../core/record.ts";
import type { ApiKeyStore } from "../store/api-keys.ts";
import type { RequestCursor, RequestFilter, RequestLog } from "../store/request-log.ts";
import { isoTime } from "./admin.ts";

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 1_000;
/** Counting looks at so many rows: beyond them nobody pages by number, and an exact count would read the whole log. */
const COUNTED_AMONG = 5_000;
/** More values in one filter are a mistake, and each is a range of an index to walk. */
const MAX_VALUES = 100;
const MAX_SEARCH_CHARS = 200;

const texts = () => t.Optional(t.Array(t.String({ maxLength: 200 }), { maxItems: MAX_VALUES }));

const query = t.Object({
  limit: t.Optional(t.Integer({ minimum: 1, maximum: MAX_LIMIT, description: "Default 50." })),
  offset: t.Optional(t.Integer({ minimum: 0, description: "Rows to skip. For deep pages use `cursor`." })),
  cursor: t.Optional(t.String({ description: "The last page's `nextCursor`." })),
  search: t.Optional(
    t.String({
      maxLength: MAX_SEARCH_CHARS,
      description:
        "A whole request or session id, or a part of a model, an error code, an account's e-mail or alias, a key's name.",
    }),
  ),
  accountId: texts(),
  apiKeyId: texts(),
  status: t.Optional(
    t.Array(t.Union(REQUEST_STATUSES.map((status) => t.Literal(status))), { maxItems: MAX_VALUES }),
  ),
  model: texts(),
  reasoningEffort: texts(),
  since: t.Optional(t.String({ description: "ISO-8601, included." })),
  until: t.Optional(t.String({ description: "ISO-8601, included." })),
});

export function requestLogRoutes(ports: { requestLog: RequestLog; apiKeys: Pick<ApiKeyStore, "loadAll"> }) {
  const { requestLog, apiKeys } = ports;
  return new Elysia({ prefix: "/api/request-logs", detail: { tags: ["Requests"] } })
    .get(
      "/",
      ({ query: asked }) => {
        const filter: RequestFilter = {
          ...(asked.accountId && { accountIds: asked.accountId }),
          ...(asked.apiKeyId && { apiKeyIds: asked.apiKeyId }),
          ...(asked.status && { statuses: asked.status }),
          ...(asked.model && { models: asked.model }),
          ...(asked.reasoningEffort && { reasoningEfforts: asked.reasoningEffort }),
          ...(asked.search && { search: asked.search }),
          ...(asked.since && { sinceMs: timeOf("since", asked.since) }),
          ...(asked.until && { untilMs: timeOf("until", asked.until) }),
        };
        const limit = asked.limit ?? DEFAULT_LIMIT;
        const offset = asked.cursor === undefined ? (asked.offset ?? 0) : 0;
        const cursor = asked.cursor === undefined ? {} : { cursor: readCursor(asked.cursor) };
        const { rows, nextCursor } = requestLog.page(filter, { limit, offset, ...cursor });
        const counted = requestLog.countAmong(filter, COUNTED_AMONG);
        return {
          requests: rows.map(requestEntry),
          // Whoever pages by number must not be told of fewer rows than they have seen.
          total: Math.max(counted.rows, offset + rows.length),
          totalIsAtLeast: !counted.isAll,
          hasMore: nextCursor !== null,
          nextCursor: nextCursor && writeCursor(nextCursor),
        };
      },
      { query, detail: { summary: "Finished requests, the newest first" } },
    )
    .get(
      "/options",
      () => ({
        ...requestLog.options(),
        apiKeys: apiKeys.loadAll().map(({ key: { id, name, keyPrefix } }) => ({ id, name, keyPrefix })),
      }),
      { detail: { summary: "What the log can be filtered by" } },
    );
}

function timeOf(param: string, text: string): number {
  const ms = Date.parse(text);
  if (!Number.isNaN(ms)) return ms;
  throw new CodedError("validation_error", `${param} must be a time such as 2026-11-20T08:00:00Z.`, {
    status: 422,
    param,
  });
}

function writeCursor({ requestedAtMs, id }: RequestCursor): string {
  return `${requestedAtMs}.${id}`;
}

function readCursor(text: string): RequestCursor {
  const [requestedAtMs, id] = /^\d{1,16}\.\d{1,16}$/.test(text) ? text.split(".").map(Number) : [];
  if (requestedAtMs !== undefined && id !== undefined) return { requestedAtMs, id };
  throw new CodedError("validation_error", "cursor must be the nextCursor of an earlier page.", {
    status: 422,
    param: "cursor",
  });
}

/** One request as the log, and the live feed, show it. */
export function requestEntry(row: RequestRecord) {
  const { latencyMs, latencyFirstTokenMs, outputTokens } = row;
  const streamedSeconds = latencyFirstTokenMs === null ? 0 : (latencyMs - latencyFirstTokenMs) / 1000;
  return {
    requestedAt: isoTime(row.requestedAtMs),
    requestId: row.requestId,
    route: row.route,
    sessionId: row.sessionId,
    threadId: row.threadId,
    accountId: row.accountId,
    planType: row.planType,
    apiKeyId: row.apiKeyId,
    apiKeyName: row.apiKeyName,
    requestKind: row.requestKind,
    model: row.model,
    transport: row.transport,
    upstreamTransport: row.upstreamTransport,
    lane: row.lane,
    attempts: row.attempts,
    selection: row.selection,
    serviceTier: row.serviceTier,
    reasoningEffort: row.reasoningEffort,
    status: row.status,
    errorCode: row.errorCode,
    errorMessage: row.errorMessage,
    upstreamStatusCode: row.upstreamStatusCode,
    tokens: row.inputTokens + outputTokens,
    inputTokens: row.inputTokens,
    cachedInputTokens: row.cachedInputTokens,
    outputTokens,
    reasoningTokens: row.reasoningTokens,
    webSearchCalls: row.webSearchCalls,
    generatedImages: row.generatedImages,
    costUsd: usdFromMicros(row.totalCostMicros),
    costBreakdown: {
      inputUsd: usdFromMicros(row.inputCostMicros),
      cachedInputUsd: usdFromMicros(row.cachedInputCostMicros),
      outputUsd: usdFromMicros(row.outputCostMicros),
      toolCallsUsd: usdFromMicros(row.toolCallsCostMicros),
      totalUsd: usdFromMicros(row.totalCostMicros),
    },
    costEstimated: row.costEstimated,
    latencyMs,
    latencyFirstTokenMs,
    latencyQueueMs: row.latencyQueueMs,
    latencySelectMs: row.latencySelectMs,
    latencyConnectMs: row.latencyConnectMs,
    tokensPerSecond: streamedSeconds > 0 ? outputTokens / streamedSeconds : null,
    useragent: row.userAgent,
    clientIp: row.clientIp,
  };
}
