import { expect, test } from "bun:test";
import { estimateTokenUsage, NO_USAGE, parseTokenUsage } from "./usage-tokens.ts";

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

type Estimate = [input: number, cached: number, output: number];
test.each<[string, Parameters<typeof estimateTokenUsage>[0], Estimate]>([
  ["a body and a stream", { bodyBytes: 4_001, streamedBytes: 2_000, continued: false }, [1_001, 0, 20]],
  ["a conversation that goes on", { bodyBytes: 4_000, streamedBytes: 0, continued: true }, [1_000, 1_000, 0]],
  ["pictures both ways", { bodyBytes: 5e7, streamedBytes: 5e8, continued: false }, [272_000, 0, 128_000]],
])("an estimate from %s", (_, seen, [inputTokens, cachedInputTokens, outputTokens]) => {
  const totalTokens = inputTokens + outputTokens;
  const expected = { ...NO_USAGE, inputTokens, cachedInputTokens, outputTokens, totalTokens };
  expect(estimateTokenUsage(seen)).toEqual(expected);
});
