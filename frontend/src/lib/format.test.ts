import { describe, expect, test } from "bun:test";
import { ago, compact, duration, percent, requestUsd, span, usd, windowName, windowShort } from "./format.ts";

function table<T extends unknown[]>(
  name: string,
  show: (...input: T) => string,
  cases: [...T, string][],
): void {
  describe(name, () => {
    for (const one of cases) {
      const text = one.at(-1) as string;
      const input = one.slice(0, -1) as unknown as T;
      test(`${input.join(", ")} → ${text}`, () => expect(show(...input)).toBe(text));
    }
  });
}

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;

table("compact numbers", compact, [
  [0, "0"],
  [840, "840"],
  [22_481, "22.5k"],
  [1_920_000_000, "1.92B"],
  [119_400, "119k"],
]);
table("dollars", usd, [
  [0, "$0.00"],
  [486.72, "$486.72"],
  [0.0029, "$0.0029"],
  [0.000_01, "<$0.0001"],
  [12_345.6, "$12,346"],
  [-1.2, "−$1.20"],
]);
table("the cost of a request", requestUsd, [
  [0, "$0"],
  [0.15, "$0.1500"],
  [0.000_01, "<$0.0001"],
  [2.345, "$2.35"],
]);
table("percent", percent, [
  [0, "0%"],
  [0.04, "<0.1%"],
  [0.8, "0.8%"],
  [62.4, "62%"],
  [100, "100%"],
]);
table("durations", duration, [
  [0.4, "<1 ms"],
  [840, "840 ms"],
  [3_200, "3.20 s"],
  [35_800, "35.8 s"],
  [64_000, "1 min 4 s"],
]);
table("spans", span, [
  [41_000, "41 s"],
  [8 * MINUTE, "8 min"],
  [2 * HOUR + 14 * MINUTE, "2 h 14 min"],
  [76 * HOUR, "3 d 4 h"],
  [48 * HOUR, "2 d"],
  [-5, "0 s"],
]);
table("the past", ago, [
  [1_000, "just now"],
  [42_000, "42 s ago"],
  [3 * MINUTE, "3 min ago"],
  [50 * HOUR, "2 d ago"],
]);
table("names of windows", windowName, [
  [300, "5-hour"],
  [10_080, "Weekly"],
  [43_200, "Monthly"],
  [4_320, "3-day"],
  [90, "90-minute"],
]);
table("short names of windows", windowShort, [
  [300, "5 h"],
  [10_080, "7 d"],
]);
