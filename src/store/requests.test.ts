import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  createTemporaryStore,
  type TemporaryStore,
  testAccount,
  testCredentials,
  testKey,
  testRecord,
} from "../testing/temporary-store.ts";
import { HOUR_MS } from "./closed-hours.ts";

const START_MS = Date.UTC(2026, 0, 1);

let home: TemporaryStore;
beforeEach(() => {
  home = createTemporaryStore();
});
afterEach(() => home.remove());

describe("a finished request", () => {
  test("comes back from the log as it was recorded", () => {
    const plain = testRecord();
    const failed = testRecord({
      requestId: "req_2",
      requestedAtMs: START_MS + 1,
      selection: null,
      accountId: null,
      model: null,
      reasoningEffort: null,
      attempts: [],
      status: "error",
      errorCode: "no_accounts",
      errorMessage: "no account can serve",
      costEstimated: true,
      latencyFirstTokenMs: null,
      upstreamTransport: null,
    });
    home.store.requests.insertBatch([plain, failed]);
    const { rows } = home.store.requestLog.page({}, { limit: 10 });
    expect(rows).toEqual([
      { ...failed, id: 2 },
      { ...plain, id: 1 },
    ]);
  });

  test("is added to the sums of its hour, account, key and model", () => {
    home.store.requests.insertBatch([
      testRecord(),
      testRecord({
        requestedAtMs: START_MS + HOUR_MS - 1,
        status: "cancelled",
        errorCode: "client_left",
        latencyFirstTokenMs: null,
      }),
      testRecord({ status: "quota", errorCode: "usage_limit_reached", accountId: null, totalCostMicros: 0 }),
      testRecord({ requestedAtMs: START_MS + HOUR_MS, model: "gpt-5.4", apiKeyId: "key_a" }),
    ]);
    const { rollups } = home.store;
    expect(rollups.sums({ sinceMs: START_MS })).toEqual([
      {
        bucketMs: null,
        accountId: null,
        apiKeyId: null,
        model: null,
        requests: 4,
        errors: 1,
        cancelled: 1,
        inputTokens: 400,
        cachedInputTokens: 160,
        outputTokens: 80,
        reasoningTokens: 20,
        costMicros: 3150,
        latencyMsSum: 482,
        firstTokenMsSum: 150,
        firstTokens: 3,
        attempts: 4,
      },
    ]);
    const groups = rollups.sums({ sinceMs: START_MS }, ["bucket", "account", "key", "model"]);
    expect(groups.map((sum) => [sum.bucketMs, sum.accountId, sum.apiKeyId, sum.model, sum.requests])).toEqual(
      [
        [START_MS, "", "", "gpt-5.5", 1],
        [START_MS, "acc_a", "", "gpt-5.5", 2],
        [START_MS + HOUR_MS, "acc_a", "key_a", "gpt-5.4", 1],
      ],
    );
    for (const by of ["account", "key", "model"] as const)
      expect(rollups.sums({ sinceMs: START_MS }, [by]).reduce((sum, { requests }) => sum + requests, 0)).toBe(
        4,
      );
    expect(rollups.topErrors({ sinceMs: START_MS }, 3)).toEqual([
      { errorCode: "usage_limit_reached", requests: 1 },
    ]);
  });

  test("is charged to a key that keeps a balance, and to no other", () => {
    const { apiKeys, ledger, requests } = home.store;
    apiKeys.insert(testKey("paid", { balanceEnabled: true }), []);
    apiKeys.insert(testKey("free"), []);
    ledger.add({
      id: "l1",
      apiKeyId: "key_paid",
      atMs: START_MS,
      kind: "credit",
      amountMicros: 5000,
      note: "cash",
    });
    requests.insertBatch([
      testRecord({ apiKeyId: "key_paid" }),
      testRecord({ apiKeyId: "key_paid" }),
      testRecord({ apiKeyId: "key_free" }),
      testRecord({ apiKeyId: "key_deleted" }),
    ]);
    requests.insertBatch([testRecord({ apiKeyId: "key_paid", requestedAtMs: START_MS + HOUR_MS })]);
    expect(ledger.balances()).toEqual(new Map([["key_paid", 5000 - 3 * 1050]]));
    expect(
      ledger.list("key_paid", { limit: 10 }).map(({ kind, amountMicros }) => [kind, amountMicros]),
    ).toEqual([
      ["charge", -1050],
      ["credit", 5000],
      ["charge", -2100],
    ]);
  });
});

describe("sums", () => {
  test("fall into buckets counted from the first hour, filtered by account, key and model", () => {
    const at = (hours: number, changes = {}) =>
      testRecord({ requestedAtMs: START_MS + hours * HOUR_MS, ...changes });
    home.store.requests.insertBatch([at(0), at(5), at(6, { accountId: "acc_b" }), at(13), at(24)]);
    const range = { sinceMs: START_MS + 90, untilMs: START_MS + 24 * HOUR_MS };
    const counts = (filter: object) =>
      home.store.rollups
        .sums({ ...range, ...filter }, ["bucket"], 6 * HOUR_MS)
        .map((sum) => [((sum.bucketMs ?? 0) - START_MS) / HOUR_MS, sum.requests]);
    expect(counts({})).toEqual([
      [0, 2],
      [6, 1],
      [12, 1],
    ]);
    expect(counts({ accountIds: ["acc_b"] })).toEqual([[6, 1]]);
    expect(counts({ accountIds: [] })).toEqual([]);
    expect(counts({ models: ["other"] })).toEqual([]);
    expect(counts({ apiKeyIds: [""] })).toHaveLength(3);
  });

  test("of a key within an hour come from its rows, by model", () => {
    const records = [0, 10, 20, HOUR_MS].map((offsetMs, index) =>
      testRecord({
        requestedAtMs: START_MS + offsetMs,
        apiKeyId: "key_a",
        inputTokens: 10 ** index,
        model: index % 2 ? "odd" : "even",
      }),
    );
    home.store.requests.insertBatch([...records, testRecord({ apiKeyId: "key_b" })]);
    const rows = (from: number, until: number) =>
      home.store.rollups
        .keyRows("key_a", START_MS + from, START_MS + until)
        .map((row) => [row.model, row.inputTokens]);
    expect(rows(0, HOUR_MS)).toEqual([
      ["even", 101],
      ["odd", 10],
    ]);
    expect(rows(1, 20)).toEqual([["odd", 10]]);
    expect(rows(0, HOUR_MS + 1)).toEqual([
      ["even", 101],
      ["odd", 1010],
    ]);
    expect(rows(21, HOUR_MS)).toEqual([]);
  });
});

describe("retention", () => {
  test("deletes the oldest rows in small batches and keeps the sums", () => {
    const records = [1, 2, 3, 4, 5].map((day) =>
      testRecord({ requestedAtMs: START_MS + day * 24 * HOUR_MS }),
    );
    home.store.requests.insertBatch(records);
    const beforeMs = START_MS + 4 * 24 * HOUR_MS;
    expect(home.store.requests.prune(beforeMs, 2)).toBe(2);
    expect(home.store.requests.prune(beforeMs, 2)).toBe(1);
    expect(home.store.requests.prune(beforeMs, 2)).toBe(0);
    expect(home.store.requestLog.countAmong({}, 100).rows).toBe(2);
    expect(home.store.rollups.sums({ sinceMs: START_MS })[0]?.requests).toBe(5);
    home.store.requests.pruneRollups(beforeMs);
    expect(home.store.rollups.sums({ sinceMs: START_MS })[0]?.requests).toBe(2);
  });
});

test("deleting an account keeps its requests", () => {
  home.store.accounts.put(testAccount("a"), testCredentials("a"));
  home.store.requests.insertBatch([testRecord()]);
  home.store.accounts.delete("acc_a");
  expect(home.store.requestLog.countAmong({ accountIds: ["acc_a"] }, 10).rows).toBe(1);
});
