import { describe, expect, test } from "bun:test";
import headerFixture from "./fixtures/http-response-headers-read-by-client.json" with { type: "json" };
import usageFixture from "./fixtures/wham-usage-accepted.json" with { type: "json" };
import { capacityWeight, planCapacity } from "./plans.ts";
import {
  earliestResetMs,
  isSpent,
  longestWindow,
  MAX_WINDOWS,
  mergeWindows,
  shortestWindow,
  spentUntilMs,
  usedPercentAt,
  type Window,
} from "./windows.ts";
import {
  isQuotaHeader,
  type PoolMember,
  poolUsage,
  usageBody,
  usageEvent,
  usageHeaders,
} from "./windows-pool.ts";
import { readRateLimitHeaders, readRateLimitsEvent, readUsageBody } from "./windows-read.ts";

const NOW = 1_795_141_000_000;
const HOUR = 3_600_000;
const WEEK = 168 * HOUR;

function windowOf(usedPercent: number, minutes = 300, resetInMs = HOUR, scope = "all"): Window {
  return { minutes, usedPercent, resetAtMs: NOW + resetInMs, scope };
}

describe("a usage body", () => {
  test("as the client accepts it becomes a list of windows keyed by scope and minutes", () => {
    expect(readUsageBody(usageFixture, NOW)).toEqual({
      source: "usage",
      planType: "pro",
      windows: [
        { scope: "all", minutes: 300, usedPercent: 33, resetAtMs: 1_795_150_000_000 },
        { scope: "all", minutes: 10_080, usedPercent: 12, resetAtMs: 1_795_541_000_000 },
        { scope: "codex_bengalfox", minutes: 300, usedPercent: 5, resetAtMs: 1_795_141_153_000 },
      ],
      credits: { has: true, unlimited: false, balance: "12.5" },
      spendControlReached: false,
      limitReached: false,
      allowed: true,
      reachedType: null,
      resetCreditsAvailable: 2,
    });
  });

  const shapes: [string, unknown, Window[]][] = [
    ["nothing but a plan", { plan_type: "free" }, []],
    ["null windows", { rate_limit: { primary_window: null, secondary_window: null } }, []],
    [
      "a weekly window in the primary place",
      {
        rate_limit: {
          primary_window: { used_percent: 4, limit_window_seconds: 604_800, reset_at: NOW / 1000 + 60 },
        },
      },
      [windowOf(4, 10_080, 60_000)],
    ],
    [
      "a thirty-day window with a float and only reset_after_seconds",
      {
        rate_limit: {
          primary_window: { used_percent: 41.5, limit_window_seconds: 2_592_000, reset_after_seconds: 90 },
        },
      },
      [windowOf(41.5, 43_200, 90_000)],
    ],
    [
      "a third place, text numbers, and no reset at all",
      { rate_limit: { tertiary_window: { used_percent: "7", limit_window_seconds: "3600" } } },
      [windowOf(7, 60, HOUR)],
    ],
    [
      "windows that cannot be told apart",
      {
        rate_limit: {
          primary_window: { used_percent: 7 },
          secondary_window: { limit_window_seconds: 300 },
          other: [1],
        },
      },
      [],
    ],
    [
      "code review and an unnamed extra limit",
      {
        code_review_rate_limit: {
          primary_window: { used_percent: 1, limit_window_seconds: 3600, reset_after_seconds: 3600 },
        },
        additional_rate_limits: [{ rate_limit: {} }, null, 7],
      },
      [windowOf(1, 60, HOUR, "code_review")],
    ],
  ];
  for (const [name, body, expected] of shapes) {
    test(`with ${name} is read`, () => expect(readUsageBody(body, NOW)?.windows).toEqual(expected));
  }
  test("of another type is refused, never thrown at", () => {
    for (const body of [null, undefined, 7, "x", []]) expect(readUsageBody(body, NOW)).toBeNull();
  });
  test("with a thousand windows is bounded", () => {
    const extra = Array.from({ length: 1000 }, (_, index) => ({
      metered_feature: `f${index}`,
      rate_limit: { primary_window: { used_percent: 1, limit_window_seconds: 60 } },
    }));
    expect(readUsageBody({ additional_rate_limits: extra }, NOW)?.windows).toHaveLength(MAX_WINDOWS);
  });
});

describe("reply headers", () => {
  test("of the plan and of an extra family are read, credits too", () => {
    const reading = readRateLimitHeaders(new Headers(headerFixture), NOW);
    expect(reading?.windows).toEqual([
      { scope: "all", minutes: 300, usedPercent: 41.5, resetAtMs: 1_795_150_000_000 },
      { scope: "all", minutes: 10_080, usedPercent: 7, resetAtMs: 1_795_650_000_000 },
      { scope: "codex_bengalfox", minutes: 60, usedPercent: 5, resetAtMs: 1_795_150_001_000 },
    ]);
    expect(reading?.credits).toEqual({ has: true, unlimited: false, balance: "12.50" });
  });
  test("that tell nothing about quota are no reading", () => {
    const headers: [string, string][] = [
      ["x-codex-turn-state", "t"],
      ["x-codex-primary-used-percent", "x"],
      ["date", "d"],
    ];
    expect(readRateLimitHeaders(headers, NOW)).toBeNull();
  });
  test("are told apart: quota is replaced, the rest is passed on", () => {
    const quota = Object.keys(headerFixture).filter(isQuotaHeader);
    expect(quota).toHaveLength(13);
    expect(isQuotaHeader("x-codex-turn-state")).toBe(false);
    expect(isQuotaHeader("x-codex-primary-over-secondary-limit-percent")).toBe(true);
    expect(isQuotaHeader("x-codex-active-limit")).toBe(true);
  });
});

test("a rate limit event is read, for the plan and for a metered limit; other events are none", () => {
  const event = {
    type: "codex.rate_limits",
    plan_type: "Pro",
    rate_limits: {
      allowed: true,
      limit_reached: false,
      primary: { used_percent: 33, window_minutes: 300, reset_at: NOW / 1000 + 60 },
      secondary: null,
    },
    credits: { has_credits: true, unlimited: false, balance: "12.5" },
  };
  const reading = readRateLimitsEvent(event, NOW);
  expect(reading).toMatchObject({ planType: "pro", windows: [windowOf(33, 300, 60_000)], allowed: true });
  const metered = readRateLimitsEvent({ ...event, metered_limit_name: "codex_bengalfox" }, NOW);
  expect(metered).toMatchObject({ windows: [windowOf(33, 300, 60_000, "codex_bengalfox")], allowed: null });
  expect(readRateLimitsEvent({ ...event, limit_name: "codex" }, NOW)?.windows[0]?.scope).toBe("all");
  for (const other of [{ type: "response.created" }, null, 7])
    expect(readRateLimitsEvent(other, NOW)).toBeNull();
});

describe("merging", () => {
  const five = windowOf(50);
  const weekly = windowOf(20, 10_080, WEEK);
  const cases: [string, Window[], "usage" | "headers" | "event", Window[]][] = [
    ["a full reading replaces the list", [windowOf(3, 43_200)], "usage", [windowOf(3, 43_200)]],
    ["a full reading may lower a percentage", [windowOf(1)], "usage", [windowOf(1)]],
    ["headers touch only what they name", [windowOf(60)], "headers", [windowOf(60), weekly]],
    [
      "an event adds a window",
      [windowOf(1, 300, HOUR, "codex_x")],
      "event",
      [five, weekly, windowOf(1, 300, HOUR, "codex_x")],
    ],
    [
      "a late reply does not lower the same period",
      [windowOf(40, 300, HOUR + 2000)],
      "headers",
      [windowOf(50, 300, HOUR + 2000), weekly],
    ],
    [
      "a new period starts low",
      [windowOf(2, 300, 5 * HOUR)],
      "headers",
      [windowOf(2, 300, 5 * HOUR), weekly],
    ],
    ["a reading of a period that is over is dropped", [windowOf(100, 300, -1)], "event", [five, weekly]],
  ];
  for (const [name, fresh, source, expected] of cases) {
    test(name, () => expect(mergeWindows([weekly, five], fresh, { nowMs: NOW, source })).toEqual(expected));
  }
});

test("windows are asked by length, reset and exhaustion, of one scope", () => {
  const windows = [
    windowOf(100, 10_080, WEEK),
    windowOf(100),
    windowOf(10, 43_200, -1),
    windowOf(100, 60, 9, "codex_x"),
  ];
  expect(shortestWindow(windows)?.minutes).toBe(300);
  expect(longestWindow(windows)?.minutes).toBe(43_200);
  expect(longestWindow([])).toBeUndefined();
  expect(earliestResetMs(windows, NOW)).toBe(NOW + HOUR);
  expect(spentUntilMs(windows, NOW)).toBe(NOW + WEEK);
  expect(spentUntilMs(windows, NOW, "codex_x")).toBe(NOW + 9);
  expect(spentUntilMs([windowOf(99.9)], NOW)).toBeNull();
  expect(isSpent(windowOf(100, 300, 0), NOW)).toBe(false);
  expect(usedPercentAt(windowOf(70, 300, -1), NOW)).toBe(0);
});

test("plans weigh by the table, unknown ones like plus", () => {
  expect(planCapacity("pro", 300)).toBe(1500);
  expect(planCapacity("PROMAX", 10_080)).toBe(50_400);
  expect(planCapacity("never-seen", 300)).toBe(225);
  expect(planCapacity("constructor", 300)).toBe(225);
  expect(planCapacity("free", 43_200)).toBe(1134);
  expect(planCapacity("plus", 43_200)).toBe(7560);
  expect(planCapacity("free", 300)).toBe(0);
  expect(capacityWeight("free", 300)).toBe(1);
});

function member(planType: string, ...windows: Window[]): PoolMember {
  return { planType, windows, credits: null };
}
function shown(...members: PoolMember[]) {
  const pool = poolUsage(members, NOW);
  return {
    allowed: pool.allowed,
    freesInMs: pool.freesAtMs === null ? null : pool.freesAtMs - NOW,
    windows: pool.windows.map((window) => [
      window.scope,
      window.minutes,
      Math.round(window.usedPercent),
      window.resetAtMs - NOW,
    ]),
  };
}

describe("the pool's quota", () => {
  test("of one account is the account's", () => {
    expect(shown(member("plus", windowOf(40), windowOf(12, 10_080, WEEK)))).toEqual({
      allowed: true,
      freesInMs: null,
      windows: [
        ["all", 300, 40, HOUR],
        ["all", 10_080, 12, WEEK],
      ],
    });
  });
  test("weighs by capacity and shows the next reset at which something frees", () => {
    // (1500 x 10 + 225 x 90 + 225 x 0) / 1950 = 18.1
    expect(
      shown(
        member("pro", windowOf(10, 300, 2 * HOUR)),
        member("plus", windowOf(90)),
        member("plus", windowOf(0, 300, 60)),
      ).windows,
    ).toEqual([["all", 300, 18, HOUR]]);
  });
  test("never shows 100 while some account can serve, even one without that window", () => {
    const spent = member("pro", windowOf(100, 300));
    expect(shown(spent, member("plus", windowOf(99.9)))).toMatchObject({
      allowed: true,
      windows: [["all", 300, 99, HOUR]],
    });
    expect(shown(spent, member("free", windowOf(1, 43_200)))).toMatchObject({
      allowed: true,
      windows: [
        ["all", 300, 99, HOUR],
        ["all", 43_200, 1, HOUR],
      ],
    });
    expect(shown(spent, member("plus"))).toMatchObject({ allowed: true });
  });
  test("is spent when each account lacks some window, until the first is whole again", () => {
    const five = member("plus", windowOf(100, 300, 2 * HOUR), windowOf(10, 10_080, WEEK));
    const week = member("plus", windowOf(100, 300, HOUR), windowOf(100, 10_080, WEEK));
    expect(shown(five, week)).toMatchObject({ allowed: false, freesInMs: 2 * HOUR });
  });
  test("counts a window that has reset as unused", () => {
    expect(shown(member("plus", windowOf(100, 300, -1)))).toEqual({
      allowed: true,
      freesInMs: null,
      windows: [["all", 300, 0, 300 * 60_000]],
    });
  });
  test("of no account allows nothing", () => {
    expect(shown()).toEqual({ allowed: false, freesInMs: null, windows: [] });
  });
});

describe("the pool's quota as upstream writes it", () => {
  const identity = { userId: "user-1", accountId: "acct-1", email: "pool@example.com" };
  const reading = readUsageBody(usageFixture, NOW)!;
  const pool = poolUsage([{ planType: "pro", windows: reading.windows, credits: reading.credits }], NOW);

  test("has every field of the accepted body with its type, and reads back as the same windows", () => {
    const body = usageBody(pool, identity, NOW);
    expect(Object.keys(body).toSorted()).toEqual(Object.keys(usageFixture).toSorted());
    expect(body).toMatchObject({
      plan_type: "pro",
      rate_limit: {
        ...usageFixture.rate_limit,
        primary_window: { ...usageFixture.rate_limit.primary_window },
        secondary_window: { ...usageFixture.rate_limit.secondary_window, reset_after_seconds: 400_000 },
      },
      credits: { has_credits: true, unlimited: false, balance: "12.5" },
    });
    expect(readUsageBody(body, NOW)?.windows).toEqual(reading.windows);
  });
  test("has integer percents only", () => {
    const odd = poolUsage([member("plus", windowOf(33.4)), member("plus", windowOf(99.9))], NOW);
    const written = JSON.stringify([usageBody(odd, identity, NOW), usageEvent(odd)]);
    expect([...written.matchAll(/"used_percent":([\d.]+)/g)].map((match) => match[1])).toEqual(["67", "67"]);
  });
  test("as headers and as an event reads back as the same windows", () => {
    expect(readRateLimitHeaders(usageHeaders(pool), NOW)?.windows).toEqual(reading.windows);
    expect(usageHeaders(pool).every(([name]) => isQuotaHeader(name))).toBe(true);
    expect(readRateLimitsEvent(usageEvent(pool), NOW)?.windows).toEqual(reading.windows.slice(0, 2));
  });
  test("fills two places with the commonest lengths of a mixed pool", () => {
    const plus = member("plus", windowOf(1), windowOf(2, 10_080));
    const mixed = poolUsage([plus, plus, member("free", windowOf(3, 43_200))], NOW);
    expect(usageBody(mixed, identity, NOW)).toMatchObject({
      rate_limit: {
        primary_window: { limit_window_seconds: 18_000 },
        secondary_window: { limit_window_seconds: 604_800 },
      },
    });
  });
  test("says that the limit is reached only when nobody can serve", () => {
    const spent = poolUsage([member("plus", windowOf(100))], NOW);
    expect(usageBody(spent, identity, NOW)).toMatchObject({
      rate_limit: { allowed: false, limit_reached: true, primary_window: { used_percent: 100 } },
      rate_limit_reached_type: { type: "rate_limit_reached" },
    });
  });
});
