import { expect, test } from "bun:test";
import { NO_USAGE, parseTokenUsage } from "./usage-tokens.ts";

test("a full usage object is read part by part", () => {
  const usage = {
    input_tokens: 100,
    input_tokens_details: { cached_tokens: 40, cache_write_tokens: 10 },
    output_tokens: 7,
    output_tokens_details: { reasoning_tokens: 3 },
    total_tokens: 107,
  };
  expect(parseTokenUsage(usage)).toEqual({
    inputTokens: 100,
    cachedInputTokens: 40,
    cacheWriteTokens: 10,
    outputTokens: 7,
    reasoningTokens: 3,
    totalTokens: 107,
  });
});

test.each([
  ["no details", { input_tokens: 5, output_tokens: 2 }, { inputTokens: 5, outputTokens: 2, totalTokens: 7 }],
  [
    "null details",
    { input_tokens: 5, input_tokens_details: null, output_tokens: 2 },
    { inputTokens: 5, outputTokens: 2, totalTokens: 7 },
  ],
  ["only input", { input_tokens: 5 }, { inputTokens: 5, totalTokens: 5 }],
  [
    "a disagreeing total",
    { input_tokens: 5, output_tokens: 2, total_tokens: 9 },
    { inputTokens: 5, outputTokens: 2, totalTokens: 7 },
  ],
  ["odd values", { input_tokens: -5, output_tokens: {} }, {}],
  ["text", { input_tokens: 3, output_tokens: "2" }, { inputTokens: 3, outputTokens: 2, totalTokens: 5 }],
  [
    "an absurd count",
    { input_tokens: 1e300, output_tokens: 0 },
    { inputTokens: 100_000_000, totalTokens: 100_000_000 },
  ],
  [
    "parts above their whole",
    {
      input_tokens: 5,
      input_tokens_details: { cached_tokens: 50, cache_write_tokens: 50 },
      output_tokens: 2,
      output_tokens_details: { reasoning_tokens: 9 },
    },
    {
      inputTokens: 5,
      cachedInputTokens: 5,
      cacheWriteTokens: 5,
      outputTokens: 2,
      reasoningTokens: 2,
      totalTokens: 7,
    },
  ],
])("%s", (_name, usage, expected) => {
  expect(parseTokenUsage(usage)).toEqual({ ...NO_USAGE, ...expected });
});

test.each([[null], [undefined], ["x"], [{}], [[]], [{ total_tokens: 5 }]])("%j is no usage", (usage) => {
  expect(parseTokenUsage(usage)).toBeNull();
});
