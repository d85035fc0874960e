import { describe, expect, test } from "bun:test";
import type { LimitInput, LimitType } from "../../lib/api-types.ts";
import { amountInput, limitsSentence, parseAmount } from "./limit-words.ts";

const limit = (fields: Partial<LimitInput>): LimitInput => ({
  limitType: "total_tokens",
  limitWindow: "weekly",
  maxValue: 300_000_000,
  modelFilter: null,
  ...fields,
});

describe("amounts are read as people write them", () => {
  const cases: [text: string, type: LimitType, value: number | null][] = [
    ["20M", "total_tokens", 20_000_000],
    ["1.5k", "total_tokens", 1_500],
    ["300,000", "total_tokens", 300_000],
    ["2b", "output_tokens", 2_000_000_000],
    ["12.50", "cost_usd", 12_500_000],
    ["$ 0.000001", "cost_usd", 1],
    ["", "total_tokens", null],
    ["0", "total_tokens", null],
    ["many", "total_tokens", null],
    ["-5", "cost_usd", null],
    ["1.2.3", "cost_usd", null],
  ];
  for (const [text, type, value] of cases)
    test(`"${text}" of ${type} is ${value}`, () => expect(parseAmount(text, type)).toBe(value));
});

test("an amount that is shown for editing reads back as itself", () => {
  for (const value of [1, 999, 1_500, 20_000_000, 123_456_789, 2_000_000_000])
    expect(parseAmount(amountInput("total_tokens", value), "total_tokens")).toBe(value);
  for (const micros of [1, 12_500_000, 120_000_000, 123_456_789])
    expect(parseAmount(amountInput("cost_usd", micros), "cost_usd")).toBe(micros);
});

describe("limits read as one sentence", () => {
  const cases: [limits: LimitInput[], sentence: string][] = [
    [[], "Ana may use as much as the pool has."],
    [[limit({})], "Ana may use at most 300M tokens a week."],
    [
      [limit({}), limit({ limitType: "cost_usd", limitWindow: "monthly", maxValue: 120_000_000 })],
      "Ana may use at most 300M tokens a week and $120 a month.",
    ],
    [
      [
        limit({}),
        limit({ limitType: "cost_usd", limitWindow: "daily", maxValue: 12_500_000 }),
        limit({ limitType: "output_tokens", limitWindow: "5h", maxValue: 500_000, modelFilter: "gpt-5.5" }),
      ],
      "Ana may use at most 300M tokens a week, $12.50 a day and 500k output tokens of gpt-5.5 every 5 hours.",
    ],
  ];
  for (const [limits, sentence] of cases)
    test(sentence, () => expect(limitsSentence("Ana", limits)).toBe(sentence));
});
