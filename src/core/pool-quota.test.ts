/** Claims about the pool's quota for people. */
import { describe, expect, test } from "bun:test";
import { forecastPool, mainWindows, pooledQuota, windowInSlot } from "./pool-quota.ts";
import type { Window } from "./windows.ts";

const NOW = Date.UTC(2026, 10, 20);
const HOUR = 3_600_000;

function window(minutes: number, usedPercent: number, resetInHours = minutes / 60): Window {
  return { minutes, usedPercent, resetAtMs: NOW + resetInHours * HOUR, scope: "all" };
}
const member = (planType: string, ...windows: Window[]) => ({ planType, windows, credits: null });

describe("the main windows are", () => {
  const cases: [string, Window[][], number | null, number | null][] = [
    ["five hours and a week for such a pool", [[window(300, 1), window(10_080, 1)]], 300, 10_080],
    ["the week alone where there is nothing else", [[window(10_080, 1)]], 10_080, null],
    [
      "those that most accounts have, whatever one account has",
      [[window(43_200, 1)], [window(300, 1), window(10_080, 1)], [window(300, 1), window(10_080, 1)]],
      300,
      10_080,
    ],
    ["none for an empty pool", [], null, null],
  ];
  test.each(cases)("%s", (_, windows, primaryMinutes, secondaryMinutes) => {
    const members = windows.map((list) => member("plus", ...list));
    expect(mainWindows(members, NOW)).toEqual({ primaryMinutes, secondaryMinutes });
  });
});

describe("an account's place", () => {
  const main = { primaryMinutes: 300, secondaryMinutes: 10_080 };
  test("follows the pool's lengths: a weekly window is not primary because it is alone", () => {
    const windows = [window(10_080, 7)];
    expect(windowInSlot(windows, "primary", main)).toBeUndefined();
    expect(windowInSlot(windows, "secondary", main)?.usedPercent).toBe(7);
  });
  test("falls back to its own when it has neither length, once", () => {
    const windows = [window(43_200, 9)];
    expect(windowInSlot(windows, "primary", main)?.usedPercent).toBe(9);
    expect(windowInSlot(windows, "secondary", main)).toBeUndefined();
  });
  test("ignores windows of metered features", () => {
    const windows = [{ ...window(300, 50), scope: "codex_x" }];
    expect(windowInSlot(windows, "primary", main)).toBeUndefined();
  });
});

describe("the pool's quota", () => {
  test("counts a bigger plan for more", () => {
    const left = pooledQuota([member("pro", window(300, 100)), member("plus", window(300, 0))], 300, NOW);
    expect(left!.remainingPercent).toBeLessThan(50);
    expect(left!.remainingCredits).toBeLessThan(left!.capacityCredits);
  });
  test("counts a window whose reset has passed as full", () => {
    expect(pooledQuota([member("plus", window(300, 80, -1))], 300, NOW)!.remainingPercent).toBe(100);
  });
  test("is null where nobody has such a window", () => {
    expect(pooledQuota([member("plus", window(300, 0))], 10_080, NOW)).toBeNull();
  });
});

describe("the pool's forecast", () => {
  const history = (usedPercent: number) => [{ atMs: NOW - HOUR, usedPercent }];
  test("two accounts burning 20 percent an hour with 3 hours to go and 40 percent left are in danger", () => {
    const burning = { ...member("plus", window(300, 60, 3)), history: history(40) };
    const forecast = forecastPool([burning, burning], 300, NOW)!;
    expect(forecast.burnRate).toBeCloseTo(20);
    expect(forecast.burnRatio).toBeCloseTo(1.5);
    expect(forecast.riskLevel).toBe("danger");
    expect(forecast.projectedExhaustionAtMs).toBe(NOW + 2 * HOUR);
  });
  test("an idle second account lasts longer", () => {
    const burning = { ...member("plus", window(300, 60, 3)), history: history(40) };
    const idle = { ...member("plus", window(300, 0, 3)), history: history(0) };
    expect(forecastPool([burning, idle], 300, NOW)).toMatchObject({
      riskLevel: "safe",
      projectedExhaustionAtMs: null,
    });
  });
  test("is null for an empty pool", () => {
    expect(forecastPool([], 300, NOW)).toBeNull();
  });
});
