import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { Secret } from "../core/secret.ts";
import {
  createTemporaryStore,
  type TemporaryStore,
  testAccount,
  testCredentials,
  testKey,
} from "../testing/temporary-store.ts";
import type { NewKeyLimit } from "./api-keys.ts";
import { HISTORY_STEP_MS } from "./windows.ts";

const START_MS = Date.UTC(2026, 0, 1);

let home: TemporaryStore;
beforeEach(() => {
  home = createTemporaryStore();
});
afterEach(() => home.remove());

describe("API keys", () => {
  const limit = (id: string, maxValue: number): NewKeyLimit => ({
    id,
    limitType: "total_tokens",
    limitWindow: "weekly",
    maxValue,
    modelFilter: null,
    anchorMs: 1,
  });

  test("come back with their limits after a restart, oldest first", () => {
    const a = testKey("a", { allowedModels: ["gpt-5.5"], assignedAccountIds: ["acc_a"], createdAtMs: 2 });
    home.store.apiKeys.insert(a, [limit("l1", 10), limit("l2", 20)]);
    home.store.apiKeys.insert(testKey("b"), []);
    const [first, second] = home.reopen().apiKeys.loadAll();
    expect(first).toEqual({ key: testKey("b"), limits: [] });
    expect(second).toEqual({
      key: a,
      limits: [
        { ...limit("l1", 10), apiKeyId: "key_a" },
        { ...limit("l2", 20), apiKeyId: "key_a" },
      ],
    });
  });

  test("change without touching limits that were not named, and replace those that were", () => {
    const { apiKeys } = home.store;
    apiKeys.insert(testKey("a"), [limit("l1", 10)]);
    expect(apiKeys.update("key_a", { name: "renamed", allowedModels: null })).toMatchObject({
      key: { name: "renamed" },
      limits: [{ id: "l1" }],
    });
    expect(apiKeys.update("key_a", {}, [limit("l2", 5)])?.limits.map(({ id }) => id)).toEqual(["l2"]);
    apiKeys.markUsed("key_a", 88);
    expect(apiKeys.find("key_a")).toMatchObject({ key: { lastUsedAtMs: 88 }, limits: [{ id: "l2" }] });
    expect(apiKeys.update("key_x", { name: "x" }, [limit("l3", 1)])).toBeNull();
  });

  test("go with their limits and ledger", () => {
    const { apiKeys, ledger } = home.store;
    apiKeys.insert(testKey("a"), [limit("l1", 10)]);
    ledger.add({ id: "x", apiKeyId: "key_a", atMs: 1, kind: "credit", amountMicros: 5, note: null });
    expect([apiKeys.delete("key_a"), apiKeys.delete("key_a")]).toEqual([true, false]);
    expect(apiKeys.loadAll()).toEqual([]);
    expect(ledger.balances()).toEqual(new Map());
  });
});

test("settings are saved only by who read the latest version", () => {
  const { settings } = home.store;
  expect(settings.get()).toEqual({ version: 0, values: {} });
  expect(settings.put({ a: 1 }, { expectedVersion: 0, nowMs: 1 })).toEqual({ version: 1, values: { a: 1 } });
  expect(() => settings.put({ a: 2 }, { expectedVersion: 0, nowMs: 2 })).toThrow(
    expect.objectContaining({ code: "settings_conflict", status: 409 }),
  );
  expect(home.reopen().settings.get()).toEqual({ version: 1, values: { a: 1 } });
});

describe("windows", () => {
  const reading = (seenAtMs: number, usedPercent: number) => ({
    accountId: "acc_a",
    seenAtMs,
    windows: [{ scope: "all", minutes: 300, usedPercent, resetAtMs: 9e12 }],
  });
  beforeEach(() => void home.store.accounts.put(testAccount("a"), testCredentials("a")));

  test("keep one point of history per quarter of an hour, the last", () => {
    const { windows } = home.store;
    windows.save(reading(START_MS + 1, 1));
    windows.save(reading(START_MS + HISTORY_STEP_MS - 1, 2.5));
    windows.save(reading(START_MS + HISTORY_STEP_MS, 3));
    const points = windows
      .history("acc_a", START_MS)
      .map(({ atMs, usedPercent }) => [atMs - START_MS, usedPercent]);
    expect(points).toEqual([
      [0, 2.5],
      [HISTORY_STEP_MS, 3],
    ]);
    expect(windows.poolHistory(START_MS + 1)).toHaveLength(1);
    expect(windows.loadAll()).toEqual([
      {
        accountId: "acc_a",
        scope: "all",
        minutes: 300,
        usedPercent: 3,
        resetAtMs: 9e12,
        seenAtMs: START_MS + HISTORY_STEP_MS,
      },
    ]);
    expect([windows.prune(START_MS + 1, 10), windows.prune(START_MS + 1, 10)]).toEqual([1, 0]);
  });

  test("and credits of a deleted account are gone, even when a late reading arrives", () => {
    const { windows, accounts } = home.store;
    windows.save(reading(START_MS, 1));
    windows.saveCredits({
      accountId: "acc_a",
      hasCredits: true,
      unlimited: false,
      balance: "3.5",
      seenAtMs: 1,
    });
    expect(windows.loadCredits()).toHaveLength(1);
    accounts.delete("acc_a");
    windows.save(reading(START_MS, 2));
    expect([windows.loadAll(), windows.loadCredits()]).toEqual([[], []]);
  });
});

test("bindings of conversations load while they hold, the longest-lived first", () => {
  const { accounts, affinity } = home.store;
  accounts.put(testAccount("a"), testCredentials("a"));
  const row = (conversationKey: string, expiresAtMs: number, accountId = "acc_a") => ({
    conversationKey,
    expiresAtMs,
    accountId,
  });
  for (const binding of [row("old", 5), row("soon", 20), row("late", 30), row("orphan", 40, "acc_gone")])
    affinity.put(binding);
  affinity.put(row("soon", 25));
  expect(affinity.load({ nowMs: 10, limit: 10 })).toEqual([row("late", 30), row("soon", 25)]);
  expect(affinity.load({ nowMs: 10, limit: 1 })).toEqual([row("late", 30)]);
  expect(affinity.prune(10, 10)).toBe(1);
  expect(affinity.load({ nowMs: 0, limit: 10 })).toEqual([row("late", 30), row("soon", 25)]);
});

test("model catalogues are kept per account and client version, and go with the account", () => {
  const { accounts, models } = home.store;
  accounts.put(testAccount("a"), testCredentials("a"));
  const row = {
    accountId: "acc_a",
    clientVersion: "0.169.0",
    entries: '[{"slug":"x"}]',
    etag: '"1"',
    fetchedAtMs: 1,
  };
  models.put(row);
  models.put({ ...row, clientVersion: "0.140.0" });
  models.put({ ...row, etag: '"2"' });
  expect(models.loadAll().map(({ clientVersion, etag }) => [clientVersion, etag])).toEqual([
    ["0.140.0", '"1"'],
    ["0.169.0", '"2"'],
  ]);
  accounts.delete("acc_a");
  expect(models.loadAll()).toEqual([]);
});

test("price overrides replace one another by model", () => {
  const { priceOverrides } = home.store;
  priceOverrides.put({ model: "m", price: { input: 1 }, updatedAtMs: 1 });
  priceOverrides.put({ model: "m", price: { input: 2 }, updatedAtMs: 2 });
  expect(priceOverrides.loadAll()).toEqual([{ model: "m", price: { input: 2 }, updatedAtMs: 2 }]);
  expect([priceOverrides.remove("m"), priceOverrides.remove("m")]).toEqual([true, false]);
});

test("the audit log pages from the newest, by action, and is pruned by age", () => {
  const { audit } = home.store;
  for (const [index, action] of ["account.import", "key.create", "account.import"].entries())
    audit.add({ atMs: index, actor: "cli", actorIp: null, action, target: `t${index}`, details: { index } });
  expect(audit.list({ limit: 2 }).map(({ id }) => id)).toEqual([3, 2]);
  expect(audit.list({ limit: 2, beforeId: 2 })).toEqual([
    {
      id: 1,
      atMs: 0,
      actor: "cli",
      actorIp: null,
      action: "account.import",
      target: "t0",
      details: { index: 0 },
    },
  ]);
  expect(audit.list({ limit: 9, action: "account.import" }).map(({ id }) => id)).toEqual([3, 1]);
  expect([audit.prune(2, 1), audit.prune(2, 9), audit.list({ limit: 9 }).length]).toEqual([1, 1, 1]);
});

describe("dashboard sign-in", () => {
  const session = (id: string, expiresAtMs: number) => ({
    id,
    tokenHash: `hash-${id}`,
    role: "admin" as const,
    totpVerified: true,
    createdAtMs: 1,
    lastSeenAtMs: 1,
    expiresAtMs,
    clientIp: null,
    userAgent: null,
  });

  test("keeps the second factor's secret encrypted and what was not changed", () => {
    const { dashboardAuth } = home.store;
    expect(dashboardAuth.credentials()).toEqual({
      passwordHash: null,
      guestPasswordHash: null,
      totpSecret: null,
      totpLastStep: null,
      recoveryCodeHashes: [],
    });
    dashboardAuth.saveCredentials({ passwordHash: "argon", recoveryCodeHashes: ["r"] });
    dashboardAuth.saveCredentials({ totpSecret: new Secret("MARKER"), totpLastStep: 5 });
    for (const file of readdirSync(home.dataDir))
      expect(readFileSync(join(home.dataDir, file)).includes("MARKER")).toBe(false);
    const credentials = home.reopen().dashboardAuth.credentials();
    expect(credentials).toMatchObject({ passwordHash: "argon", totpLastStep: 5, recoveryCodeHashes: ["r"] });
    expect(credentials.totpSecret?.reveal()).toBe("MARKER");
  });

  test("knows sessions by hash until they expire or are revoked", () => {
    const { dashboardAuth } = home.store;
    for (const id of ["a", "b", "c"]) dashboardAuth.addSession(session(id, id === "a" ? 10 : 100));
    expect([dashboardAuth.findSession("hash-a", 9)?.id, dashboardAuth.findSession("hash-a", 10)]).toEqual([
      "a",
      null,
    ]);
    dashboardAuth.touchSession("c", { lastSeenAtMs: 50, expiresAtMs: 200 });
    expect(dashboardAuth.listSessions(50).map(({ id }) => id)).toEqual(["c", "b"]);
    dashboardAuth.removeAllSessions("b");
    expect(dashboardAuth.listSessions(50).map(({ id }) => id)).toEqual(["b"]);
    expect([dashboardAuth.removeSession("b"), dashboardAuth.removeSession("b")]).toEqual([true, false]);
    dashboardAuth.addSession(session("d", 10));
    dashboardAuth.pruneSessions(10);
    expect(dashboardAuth.listSessions(0)).toEqual([]);
  });
});
