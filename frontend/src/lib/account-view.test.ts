import { describe, expect, test } from "bun:test";
import { backAt, byUrgency, poolWindows, tightestLeft } from "./account-view.ts";
import type { AccountStatus, AccountSummary, QuotaWindow } from "./api-types.ts";

const NOW = Date.parse("2026-11-20T12:00:00Z");
const LATER = "2026-11-20T15:00:00.000Z";
const EARLIER = "2026-11-20T11:00:00.000Z";

const window = (minutes: number, usedPercent: number, fields: Partial<QuotaWindow> = {}): QuotaWindow => ({
  key: `all:${minutes}`,
  minutes,
  usedPercent,
  resetAt: LATER,
  scope: "all",
  ...fields,
});

const account = (id: string, windows: QuotaWindow[], status: AccountStatus = "active"): AccountSummary => ({
  accountId: id,
  email: `${id}@example.com`,
  alias: null,
  displayName: id,
  planType: "plus",
  routingPolicy: "normal",
  status,
  statusReason: null,
  windows,
  lastRefreshAt: null,
});

test("a window whose reset has passed counts as unused", () => {
  expect(tightestLeft(account("a", [window(300, 90, { resetAt: EARLIER })]), NOW)).toBe(100);
});

test("windows of single features say nothing about the plan", () => {
  expect(tightestLeft(account("a", [window(300, 10), window(300, 99, { scope: "codex_other" })]), NOW)).toBe(
    90,
  );
});

describe("the pool's windows", () => {
  const pool = [
    account("big", [window(300, 50, { capacityCredits: 1_500 })]),
    account("small", [window(300, 100, { capacityCredits: 225 }), window(10_080, 20)]),
    account("gone", [window(300, 0, { capacityCredits: 225 })], "reauth_required"),
  ];

  test("are grouped by length, the shortest first", () => {
    expect(poolWindows(pool, NOW).map(({ minutes }) => minutes)).toEqual([300, 10_080]);
  });
  test("weigh each account by its size and leave out those that cannot be used", () => {
    expect(poolWindows(pool, NOW)[0]?.leftPercent).toBeCloseTo((750 / 1_725) * 100);
  });
  test("show the largest account first, and those out of use as such", () => {
    expect(
      poolWindows(pool, NOW)[0]?.columns.map(({ account: { accountId }, usable }) => [accountId, usable]),
    ).toEqual([
      ["big", true],
      ["gone", false],
      ["small", true],
    ]);
  });
});

test("whoever needs a person comes first, then whoever has least left, the paused last", () => {
  const list = [
    account("full", [window(300, 0)]),
    account("paused", [window(300, 99)], "paused"),
    account("low", [window(300, 90)]),
    account("lost", [window(300, 0)], "reauth_required"),
    account("spent", [window(300, 100)], "quota_exceeded"),
  ];
  expect(list.toSorted(byUrgency(NOW)).map(({ accountId }) => accountId)).toEqual([
    "lost",
    "spent",
    "low",
    "full",
    "paused",
  ]);
});

test("a spent account is back when the last of its spent windows resets", () => {
  const spent = account(
    "a",
    [window(300, 100), window(10_080, 100, { resetAt: "2026-11-23T00:00:00.000Z" })],
    "quota_exceeded",
  );
  expect(backAt(spent)).toBe("2026-11-23T00:00:00.000Z");
  expect(backAt(account("a", [window(300, 100)]))).toBeNull();
});
