/** A store in a temporary directory with a fake clock, and made-up accounts and records to put into it. */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type BetterSqlite3 from "better-sqlite3";
import type { Account, Credentials } from "../core/account.ts";
import type { RequestRecord } from "../core/record.ts";
import { Secret } from "../core/secret.ts";
import { createLog, type Log } from "../ports.ts";
import type { ApiKeyRow } from "../store/api-keys.ts";
import { openStore, type Store } from "../store/open.ts";
import { loadSqlite } from "../store/sqlite-native.ts";
import { createFakeClock, type FakeClock } from "./fake-clock.ts";

export interface TemporaryStore {
  readonly store: Store;
  dataDir: string;
  clock: FakeClock;
  log: Log;
  /** Every line logged so far. */
  lines: string[];
  /** Closes the store and opens it again, as a restart would. */
  reopen(): Store;
  /** A second connection to the file, behind the store's back. */
  connect(): BetterSqlite3.Database;
  /** Runs one statement through such a connection. */
  sql(statement: string): void;
  remove(): void;
}

export function createTemporaryStore(options: { busyTimeoutMs?: number } = {}): TemporaryStore {
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-store-"));
  chmodSync(dataDir, 0o700);
  const clock = createFakeClock();
  const lines: string[] = [];
  const log = createLog({
    level: "debug",
    format: "text",
    write: (line) => lines.push(line),
    now: clock.now,
  });
  let store = openStore({ dataDir, clock, log, ...options });
  const connect = () => new (loadSqlite())(join(dataDir, "codex-lb.db"));
  return {
    get store() {
      return store;
    },
    dataDir,
    clock,
    log,
    lines,
    reopen() {
      store.close();
      store = openStore({ dataDir, clock, log, ...options });
      return store;
    },
    connect,
    sql(statement) {
      const client = connect();
      client.exec(statement);
      client.close();
    },
    remove() {
      store.close();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

/** `acc_<name>`, an active Plus account. */
export function testAccount(name: string): Account {
  return {
    id: `acc_${name}`,
    chatgptAccountId: `chatgpt-${name}`,
    chatgptUserId: `user-${name}`,
    workspaceId: null,
    email: `${name}@example.com`,
    alias: null,
    planType: "plus",
    workspaceLabel: null,
    seatType: null,
    routingPolicy: "normal",
    reserveAtPercent: null,
    state: "active",
    stateReason: null,
    stateUntilMs: null,
    createdAtMs: 1,
  };
}

/** Tokens `access-<mark>`, `refresh-<mark>`, `id-<mark>`. */
export function testCredentials(mark: string): Credentials {
  return {
    kind: "chatgpt",
    accessToken: new Secret(`access-${mark}`),
    refreshToken: new Secret(`refresh-${mark}`),
    idToken: new Secret(`id-${mark}`),
    accessExpiresAtMs: 1000,
    lastRefreshAtMs: 500,
  };
}

/** A request that went well, asked at the fake clock's start: 100 tokens in, 40 of them cached, 20 out, 1,050 micro-dollars. */
export function testRecord(changes: Partial<RequestRecord> = {}): RequestRecord {
  return {
    requestId: "req_1",
    requestedAtMs: Date.UTC(2026, 0, 1),
    route: "/backend-api/codex/responses",
    sessionId: "session-1",
    threadId: "thread-1",
    turnId: null,
    requestKind: "turn",
    accountId: "acc_a",
    planType: "plus",
    apiKeyId: null,
    apiKeyName: null,
    model: "gpt-5.5",
    serviceTier: null,
    reasoningEffort: "medium",
    transport: "http",
    upstreamTransport: "http",
    lane: "pool",
    attempts: [{ accountId: "acc_a", outcome: "relay", status: 200, ms: 12 }],
    selection: {
      strategy: "usage_weighted",
      reason: "least used",
      candidates: [{ accountId: "acc_a", score: 1, rejection: null }],
    },
    status: "ok",
    errorCode: null,
    errorMessage: null,
    upstreamStatusCode: 200,
    inputTokens: 100,
    cachedInputTokens: 40,
    outputTokens: 20,
    reasoningTokens: 5,
    webSearchCalls: 0,
    generatedImages: 0,
    inputCostMicros: 750,
    cachedInputCostMicros: 75,
    outputCostMicros: 225,
    toolCallsCostMicros: 0,
    totalCostMicros: 1050,
    costEstimated: false,
    latencyMs: 120.5,
    latencyQueueMs: 0,
    latencySelectMs: 1,
    latencyConnectMs: 10,
    latencyFirstTokenMs: 50,
    userAgent: "codex_exec/0.169.0",
    clientIp: "127.0.0.1",
    ...changes,
  };
}

/** `key_<name>`, active and without restrictions. */
export function testKey(name: string, changes: Partial<ApiKeyRow> = {}): ApiKeyRow {
  return {
    id: `key_${name}`,
    name,
    keyHash: `hash-${name}`,
    keyPrefix: `sk-clb-${name}`,
    isActive: true,
    allowedModels: null,
    enforcedModel: null,
    enforcedReasoningEffort: null,
    enforcedServiceTier: null,
    assignedAccountIds: null,
    balanceEnabled: false,
    apiKeyLaneAllowed: true,
    expiresAtMs: null,
    createdAtMs: 1,
    lastUsedAtMs: null,
    ...changes,
  };
}
