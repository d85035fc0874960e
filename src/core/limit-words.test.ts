import { expect, test } from "bun:test";
import { balanceSpentMessage, durationInWords, limitBusyMessage, limitSpentMessage } from "./limit-words.ts";

const resetAtMs = Date.parse("2026-11-27T10:00:00Z");

test("a spent limit is named with its figures, its reset, and whose it is", () => {
  const counter = {
    limitType: "total_tokens",
    limitWindow: "weekly",
    maxValue: 1_000_000,
    modelFilter: "gpt-5.5",
    currentValue: 1_000_214,
    resetAtMs,
  } as const;
  expect(limitSpentMessage(counter, resetAtMs - 3 * 86_400_000)).toBe(
    "This API key has used up its weekly limit of 1,000,000 tokens for gpt-5.5 (1,000,214 tokens used). " +
      "It resets at 2026-11-27T10:00:00Z, in 3 days. " +
      "This limit was set in codex-lb for this key; it is not one of OpenAI's.",
  );
});

test("money is shown as dollars, with micro-dollars when they matter", () => {
  const spec = { limitType: "cost_usd", limitWindow: "5h", maxValue: 5_000_000, modelFilter: null } as const;
  expect(limitBusyMessage(spec)).toContain("5-hour limit of $5.00 is held by");
  expect(balanceSpentMessage(-10_500)).toContain("is used up (-$0.0105)");
});

test.each([
  [0, "1 second"],
  [-5_000, "1 second"],
  [1_001, "2 seconds"],
  [119_000, "119 seconds"],
  [120_000, "2 minutes"],
  [120_001, "3 minutes"],
  [26 * 3_600_000, "26 hours"],
  [48 * 3_600_000, "2 days"],
  [6.2 * 86_400_000, "7 days"],
])("%p ms is %p", (ms, words) => {
  expect(durationInWords(ms)).toBe(words);
});
