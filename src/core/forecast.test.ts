import { expect, test } from "bun:test";
import { forecastWindow, type UsagePoint } from "./forecast.ts";

const HOUR = 3_600_000;
const NOW = Date.parse("2026-11-20T10:00:00Z");
/** A 5-hour window that began `startedHours` ago. */
const window = (usedPercent: number, startedHours: number) => ({
  minutes: 300,
  usedPercent,
  resetAtMs: NOW + (5 - startedHours) * HOUR,
});
/** [minutes before now, used percent] */
const points = (...given: [number, number][]): UsagePoint[] =>
  given.map(([minutes, usedPercent]) => ({ atMs: NOW - minutes * 60_000, usedPercent }));

test("a steady pace that lasts until the reset is safe", () => {
  expect(forecastWindow(window(40, 3), points([60, 30], [30, 35]), NOW)).toEqual({
    burnRate: 10,
    riskLevel: "safe",
    projectedExhaustionAtMs: null,
  });
});

test.each([
  [75, "warning", 2.5], // 25 left at 10/h: 2.5 of 3 hours
  [80, "danger", 2], // 2 of 3
  [90, "critical", 1], // 1 of 3
] as const)("%p%% used with three hours to go at 10%% an hour is %s", (usedPercent, riskLevel, hours) => {
  expect(forecastWindow(window(usedPercent, 2), points([60, usedPercent - 10]), NOW)).toEqual({
    burnRate: 10,
    riskLevel,
    projectedExhaustionAtMs: NOW + hours * HOUR,
  });
});

test("a spent window is critical now", () => {
  expect(forecastWindow(window(100, 2), points([60, 100]), NOW)).toEqual({
    burnRate: 0,
    riskLevel: "critical",
    projectedExhaustionAtMs: NOW,
  });
});

test("no use lately is safe, however much was used before", () => {
  expect(forecastWindow(window(95, 2), points([59, 95], [30, 95]), NOW)).toMatchObject({
    burnRate: 0,
    riskLevel: "safe",
  });
});

test("without history the average since the window began counts", () => {
  expect(forecastWindow(window(60, 2), [], NOW)).toMatchObject({ burnRate: 30, riskLevel: "critical" });
});

test("readings from before a reset, early or not, are left out", () => {
  const early = points([58, 80], [40, 90], [30, 0], [15, 5]);
  expect(forecastWindow(window(10, 2), early, NOW).burnRate).toBe(20);
  // The last window's readings lie before this one's start.
  expect(forecastWindow(window(10, 0.5), points([40, 90], [30, 0]), NOW).burnRate).toBe(20);
  // The fall is the present state itself.
  expect(forecastWindow(window(0, 2), points([40, 90]), NOW).burnRate).toBe(0);
});

test("a jump within minutes is not taken for a pace", () => {
  expect(forecastWindow(window(12, 2), points([2, 10]), NOW).burnRate).toBe(6);
});

test("the order of the history does not matter", () => {
  const history = points([60, 30], [45, 32], [30, 35]);
  expect(forecastWindow(window(40, 3), history.toReversed(), NOW)).toEqual(
    forecastWindow(window(40, 3), history, NOW),
  );
});

test("a window whose reset has passed has nothing to forecast", () => {
  const passed = { minutes: 300, usedPercent: 90, resetAtMs: NOW };
  expect(forecastWindow(passed, points([60, 10]), NOW)).toMatchObject({ burnRate: 0, riskLevel: "safe" });
});
