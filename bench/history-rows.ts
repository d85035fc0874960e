/** Fills a data directory's log with believable rows of the last 60 days, through the store's own functions. */
import type { RequestRecord } from "../src/core/record.ts";
import { createLog, systemClock } from "../src/ports.ts";
import { openStore } from "../src/store/open.ts";

const DAYS = 60;
const BATCH = 2_000;
const MODELS = ["gpt-5.5", "gpt-5.4", "gpt-5.4-mini", "gpt-6.1-sol"];

export function fillHistory(dataDir: string, rows: number): void {
  const log = createLog({ level: "error", format: "text", write: (line) => void process.stderr.write(line) });
  const store = openStore({ dataDir, clock: systemClock, log });
  const now = Date.now();
  const step = (DAYS * 86_400_000) / rows;
  let batch: RequestRecord[] = [];
  for (let index = 0; index < rows; index++) {
    batch.push(record(now - (rows - index) * step, index));
    if (batch.length === BATCH) {
      store.requests.insertBatch(batch);
      batch = [];
    }
  }
  store.requests.insertBatch(batch);
  store.close();
}

function record(requestedAtMs: number, index: number): RequestRecord {
  const failed = index % 37 === 0;
  const inputTokens = 4_000 + ((index * 7_919) % 60_000);
  const accountId = `acc_${String(index % 10).padStart(20, "0")}`;
  return {
    requestId: `req_${Math.floor(requestedAtMs).toString(16).padStart(12, "0")}${String(index).padStart(12, "0")}`,
    requestedAtMs: Math.floor(requestedAtMs),
    route: "/backend-api/codex/responses",
    sessionId: `session-${Math.floor(index / 40)}`,
    threadId: null,
    turnId: null,
    requestKind: "turn",
    accountId,
    planType: "plus",
    apiKeyId: `key_${index % 6}`,
    apiKeyName: `key ${index % 6}`,
    model: MODELS[index % MODELS.length]!,
    serviceTier: "default",
    reasoningEffort: "medium",
    transport: "http",
    upstreamTransport: "http",
    lane: "pool",
    attempts: [{ accountId, outcome: failed ? "overload" : "relay", status: failed ? 503 : 200, ms: 900 }],
    selection: {
      strategy: "usage_weighted",
      reason: "Least used.",
      candidates: [{ accountId, score: 12, rejection: null }],
    },
    status: failed ? "error" : "ok",
    errorCode: failed ? "server_is_overloaded" : null,
    errorMessage: failed ? "OpenAI's backend failed." : null,
    upstreamStatusCode: failed ? 503 : 200,
    inputTokens,
    cachedInputTokens: Math.floor(inputTokens * 0.8),
    outputTokens: 300 + (index % 900),
    reasoningTokens: index % 200,
    inputCostMicros: 1_000,
    cachedInputCostMicros: 500,
    outputCostMicros: 2_000,
    toolCallsCostMicros: 0,
    totalCostMicros: 3_500,
    costEstimated: false,
    webSearchCalls: 0,
    generatedImages: 0,
    latencyMs: 2_000 + (index % 3_000),
    latencyQueueMs: 0,
    latencySelectMs: 0.1,
    latencyConnectMs: 12,
    latencyFirstTokenMs: 700,
    userAgent: "codex_exec/0.169.0",
    clientIp: "127.0.0.1",
  };
}
