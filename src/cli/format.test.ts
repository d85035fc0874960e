/** Claims about text for a terminal. */
import { expect, test } from "bun:test";
import { bar, countText, durationText, fit, plain, table, usdText, windowName } from "./format.ts";
import { limitOf } from "./keys.ts";

test.each([
  [-5, "now"],
  [59_999, "0m 59s"],
  [3_600_000, "1h 00m"],
  [90_000_000, "1d 1h"],
])("%i ms is %p", (ms, text) => expect(durationText(ms)).toBe(text));

test.each([
  [300, "5h"],
  [10_080, "7d"],
  [45, "45m"],
])("a window of %i minutes is %p", (minutes, name) => expect(windowName(minutes)).toBe(name));

test("counts and amounts stay short", () => {
  expect([9_999, 18_400, 2_310_000, 4e9].map(countText)).toEqual(["9999", "18.4k", "2.31M", "4.00G"]);
  expect([0, 0.0123, 0.5, 1234].map(usdText)).toEqual(["$0.00", "$0.0123", "$0.50", "$1234.00"]);
});

test("bars and cut texts have their width, also with wide characters", () => {
  expect([bar(0, 4), bar(50, 4), bar(140, 4)]).toEqual(["░░░░", "██░░", "████"]);
  for (const text of ["", "short", "much too long a text", "很长的名字很长的名字"])
    expect(Bun.stringWidth(fit(text, 9))).toBe(9);
});

test("what others wrote cannot move the cursor", () =>
  expect(plain("a\u001b[2Jb\nc\u202e")).toBe("a [2Jb c "));

test("a table has aligned columns and no trailing blanks", () => {
  expect(
    table([
      ["A", "B"],
      ["long", "x"],
    ]),
  ).toBe("A     B\nlong  x");
});

test("limits of cost are given in dollars", () => {
  expect(limitOf("cost_usd/weekly/2.5")).toEqual({
    limitType: "cost_usd",
    limitWindow: "weekly",
    maxValue: 2_500_000,
  });
  expect(limitOf("total_tokens/5h/1000")).toEqual({
    limitType: "total_tokens",
    limitWindow: "5h",
    maxValue: 1000,
  });
  for (const wrong of ["cost_usd", "cost_usd/weekly/x", "a/b/1/2"]) expect(() => limitOf(wrong)).toThrow();
});
