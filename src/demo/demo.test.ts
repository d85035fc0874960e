/** Claims about the demo: full at once, made up, moving, and gone afterwards. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { parsePriceTable } from "../core/pricing.ts";
import prices from "../data/prices.json" with { type: "json" };
import { createLog, systemClock, systemRandom } from "../ports.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { DEMO_ACCOUNTS, DEMO_KEYS } from "./cast.ts";
import { createDemo, type Demo } from "./demo.ts";
import { pastReadings, pastRequests } from "./history.ts";

const NOW_MS = Date.UTC(2026, 10, 18, 15, 20);
const settle = <T>(cast: T, index: number) => ({ id: `id-${index}`, cast });
const accounts = DEMO_ACCOUNTS.map(settle);

describe("the past", () => {
  const past = () =>
    pastRequests({
      nowMs: NOW_MS,
      random: createSeededRandom(1),
      prices: parsePriceTable(prices),
      accounts,
      keys: DEMO_KEYS.map(settle),
    });
  const records = past();

  test("is the same for the same seed", () => expect(past()).toEqual(records));

  test("fills two weeks and no moment of the future", () => {
    const times = records.map(({ requestedAtMs }) => requestedAtMs);
    expect(new Set(times.map((ms) => Math.floor(ms / 86_400_000))).size).toBeGreaterThanOrEqual(14);
    expect(Math.max(...times)).toBeLessThan(NOW_MS);
    expect(times).toEqual(times.toSorted((a, b) => a - b));
  });

  test("has every status, failovers, and prices that add up", () => {
    expect(new Set(records.map(({ status }) => status)).size).toBe(5);
    expect(records.some(({ attempts }) => attempts.length > 1)).toBe(true);
    for (const record of records) {
      const parts = record.inputCostMicros + record.cachedInputCostMicros + record.outputCostMicros;
      expect(parts + record.toolCallsCostMicros).toBe(record.totalCostMicros);
      expect(record.cachedInputTokens).toBeLessThanOrEqual(record.inputTokens);
      expect(record.attempts.at(-1)?.accountId ?? null).toBe(record.accountId);
    }
  });

  test("keeps to each key's models and each account's", () => {
    for (const { apiKeyId, accountId, model } of records) {
      const key = DEMO_KEYS[Number(apiKeyId!.slice(3))]!;
      expect(key.allowedModels ?? [model]).toContain(model);
      const account = accountId === null ? null : DEMO_ACCOUNTS[Number(accountId.slice(3))]!;
      expect(account?.spec.models ?? [model]).toContain(model);
    }
  });

  test.each(accounts.map((account) => [account.cast.spec.email!, account] as const))(
    "the windows of %s fill, reset, and end where they are now",
    (_email, account) => {
      const readings = pastReadings(account, NOW_MS, createSeededRandom(2));
      for (const [index, { usedPercent = 0, minutes }] of (account.cast.spec.windows ?? []).entries()) {
        const curve = readings.map(({ windows }) => windows[index]!);
        expect(curve.every((point) => point.usedPercent >= 0 && point.usedPercent <= 100)).toBe(true);
        expect(Math.abs(curve.at(-1)!.usedPercent - usedPercent)).toBeLessThan(12);
        const periods = (14 * 1440) / minutes;
        const resets = new Set(curve.map(({ resetAtMs }) => resetAtMs)).size;
        expect(Math.abs(resets - periods)).toBeLessThanOrEqual(1);
      }
    },
  );
});

describe("running", () => {
  let demo: Demo;
  let url: string;
  const get = async <T = Record<string, unknown>>(path: string) =>
    (await (await fetch(url + path)).json()) as T;

  beforeAll(async () => {
    const log = createLog({ level: "error", format: "text", write: () => {} });
    demo = createDemo({ port: 0, ports: { clock: systemClock, random: systemRandom, log, fetch } });
    ({ url } = await demo.start());
  });
  afterAll(async () => {
    await demo.stop();
    expect(existsSync(demo.dataDir)).toBe(false);
  });

  test("says that it is a demo, and lets this machine in without a password", async () => {
    expect(await get("/api/dashboard-auth/session")).toMatchObject({ demo: true, role: "admin" });
  });

  test("has eight accounts in different states, keys with budgets, and a log", async () => {
    const { accounts: shown } = await get<{ accounts: { status: string; planType: string }[] }>(
      "/api/accounts",
    );
    expect(shown).toHaveLength(8);
    expect(new Set(shown.map(({ status }) => status))).toEqual(
      new Set(["active", "paused", "reauth_required", "quota_exceeded"]),
    );
    expect(new Set(shown.map(({ planType }) => planType)).size).toBe(4);
    const keys = await get<{ limits: unknown[]; balance: unknown }[]>("/api/api-keys/");
    expect(keys.some(({ limits }) => limits.length > 1)).toBe(true);
    expect(keys.some(({ balance }) => balance !== null)).toBe(true);
    expect((await get<{ total: number }>("/api/request-logs")).total).toBeGreaterThan(3_000);
  });

  test("requests come in and are served by several accounts", async () => {
    const since = new Date(Date.now() - 30_000).toISOString();
    const served = new Set<string>();
    const until = Date.now() + 15_000;
    while (served.size < 2 && Date.now() < until) {
      const { requests } = await get<{ requests: { accountId: string; status: string }[] }>(
        `/api/request-logs?status=ok&since=${since}`,
      );
      for (const { accountId } of requests) served.add(accountId);
      await Bun.sleep(100);
    }
    expect(served.size).toBeGreaterThanOrEqual(2);
  }, 20_000);
});
