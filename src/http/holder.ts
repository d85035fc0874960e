/** What the holder of a key may see of it: counters, limits, balance and the latest requests; nothing of anybody else. */
import { presentedKey } from "../core/api-key.ts";
import { CodedError } from "../core/errors.ts";
import { usdFromMicros } from "../core/pricing.ts";
import type { KeyPool, PooledKey } from "../pool/keys.ts";
import type { RequestPage } from "../store/request-log.ts";
import type { RequestRow } from "../store/requests.ts";
import { errorResponse } from "../proxy/answers.ts";
import { isoTime, isoTimeOrNull } from "./admin.ts";
import { balanceView, limitView, usageView } from "./api-keys.ts";
import type { Firewall } from "./firewall.ts";
import type { Client } from "./locality.ts";
import type { ProxyRoute } from "./server.ts";

export interface HolderRoutesPorts {
  keys: KeyPool;
  requestLog: {
    page(filter: { apiKeyIds: string[] }, at: { limit: number }): RequestPage;
  };
  firewall: Pick<Firewall, "admitToProxy">;
  newRequestId(): string;
}

/** Enough to see what one is doing; the log as a whole is the operator's. */
const RECENT_REQUESTS = 20;

/** `GET /v1/usage` in the style of OpenAI's API, `GET /api/v1/me` in that of ours. A key is needed whatever the settings say. */
export function holderRoutes({ keys, requestLog, firewall, newRequestId }: HolderRoutesPorts): ProxyRoute[] {
  function route(
    path: string,
    answer: (key: PooledKey) => unknown,
    refuse: (error: CodedError, id: string) => Response,
  ) {
    return {
      method: "GET",
      path,
      handle(request: Request, client: Client): Response {
        const requestId = newRequestId();
        try {
          firewall.admitToProxy(client);
        } catch (error) {
          return refuse(error as CodedError, requestId);
        }
        const presented = presentedKey((name) => request.headers.get(name));
        const key = presented.kind === "key" ? keys.find(presented.keyHash) : null;
        const refused = key ? key.refuse(null) : NO_KEY;
        if (!key || refused) {
          const { code, message } = refused ?? NO_KEY;
          return refuse(new CodedError(code, message, { status: 401 }), requestId);
        }
        return Response.json(answer(key), {
          headers: { "x-request-id": requestId, "cache-control": "no-store" },
        });
      },
    };
  }

  const recentOf = (key: PooledKey) =>
    requestLog.page({ apiKeyIds: [key.id] }, { limit: RECENT_REQUESTS }).rows;

  return [
    route(
      "/v1/usage",
      (key) => snakeCased(holderView(keys, key, recentOf(key))),
      (error, id) => errorResponse(error, "openai", { "x-request-id": id }),
    ),
    route(
      "/api/v1/me",
      (key) => holderView(keys, key, recentOf(key)),
      ({ code, message, status }, id) =>
        Response.json({ error: { code, message } }, { status, headers: { "x-request-id": id } }),
    ),
  ];
}

const NO_KEY = {
  code: "invalid_api_key",
  message:
    "codex-lb: this shows a key to its holder. Send an API key of this codex-lb as `Authorization: Bearer sk-clb-…`.",
};

function holderView(keys: KeyPool, key: PooledKey, recent: RequestRow[]) {
  const { name, allowedModels, enforcedModel, enforcedReasoningEffort, enforcedServiceTier, expiresAtMs } =
    key.settings;
  return {
    name,
    keyPrefix: key.keyPrefix,
    allowedModels,
    enforcedModel,
    enforcedReasoningEffort,
    enforcedServiceTier,
    expiresAt: isoTimeOrNull(expiresAtMs),
    ...usageView(key),
    limits: keys.counters(key.id).map((counter) => ({
      ...limitView(counter),
      remainingValue: Math.max(0, counter.maxValue - counter.currentValue),
    })),
    balance: balanceView(keys, key),
    recentRequests: recent.map(requestView),
  };
}

/** Without the account that served it: which logins are pooled is not the holder's business. */
function requestView(row: RequestRow) {
  return {
    requestedAt: isoTime(row.requestedAtMs),
    requestId: row.requestId,
    model: row.model,
    status: row.status,
    errorCode: row.errorCode,
    inputTokens: row.inputTokens,
    cachedInputTokens: row.cachedInputTokens,
    outputTokens: row.outputTokens,
    costUsd: usdFromMicros(row.totalCostMicros),
    latencyMs: row.latencyMs,
  };
}

function snakeCased(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(snakeCased);
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [
      name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
      snakeCased(inner),
    ]),
  );
}
