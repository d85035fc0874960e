/** The token counts of a response, read from upstream's `usage` object. */
import { asNumber, asRecord } from "./json-read.ts";

/** Whole, non-negative numbers. */
export interface TokenUsage {
  /** Includes cached and cache-write tokens. */
  inputTokens: number;
  cachedInputTokens: number;
  cacheWriteTokens: number;
  /** Includes reasoning tokens. */
  outputTokens: number;
  reasoningTokens: number;
  /** Always input + output, so that sums of the columns agree; upstream's own total is not used. */
  totalTokens: number;
}

export const NO_USAGE: Readonly<TokenUsage> = {
  inputTokens: 0,
  cachedInputTokens: 0,
  cacheWriteTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  totalTokens: 0,
};

/** Bytes of JSON per token: prose and code have more, so this errs on the large side. */
export const BYTES_PER_TOKEN = 4;
/** A body that would be more is mostly images and sealed reasoning, whose bytes are no tokens; no default context is larger. */
const MAX_ESTIMATED_INPUT_TOKENS = 272_000;
/** An event with a few characters of output is 200 to 300 bytes long, and long pieces share one. */
const STREAMED_BYTES_PER_TOKEN = 100;
/** No model writes more in one response. */
const MAX_ESTIMATED_OUTPUT_TOKENS = 128_000;

/**
 * What a reply has probably used that ended without upstream's word on it, from the sizes of the request's body and of what was
 * streamed. `continued`: the conversation was on this account before, so that its input came from the prompt cache.
 */
export function estimateTokenUsage(seen: {
  bodyBytes: number;
  streamedBytes: number;
  continued: boolean;
}): TokenUsage {
  const inputTokens = estimated(seen.bodyBytes / BYTES_PER_TOKEN, MAX_ESTIMATED_INPUT_TOKENS);
  const outputTokens = estimated(seen.streamedBytes / STREAMED_BYTES_PER_TOKEN, MAX_ESTIMATED_OUTPUT_TOKENS);
  return {
    ...NO_USAGE,
    inputTokens,
    cachedInputTokens: seen.continued ? inputTokens : 0,
    outputTokens,
    totalTokens: inputTokens + outputTokens,
  };
}

function estimated(tokens: number, most: number): number {
  return Math.min(Math.ceil(tokens), most);
}

/** No context window is near this; a larger count is damage and must not empty a budget. */
const MAX_TOKENS = 100_000_000;

/**
 * Reads the Responses shape `{input_tokens, input_tokens_details: {cached_tokens, cache_write_tokens}, output_tokens,
 * output_tokens_details: {reasoning_tokens}, total_tokens}`, which the images endpoint shares. Missing or odd parts count as 0,
 * and no part exceeds its whole. null when there is neither an input nor an output count.
 */
export function parseTokenUsage(value: unknown): TokenUsage | null {
  const usage = asRecord(value);
  if (usage === null) return null;
  if (asNumber(usage.input_tokens) === null && asNumber(usage.output_tokens) === null) return null;
  const inputTokens = count(usage.input_tokens);
  const outputTokens = count(usage.output_tokens);
  const input = asRecord(usage.input_tokens_details);
  const output = asRecord(usage.output_tokens_details);
  return {
    inputTokens,
    cachedInputTokens: Math.min(count(input?.cached_tokens), inputTokens),
    cacheWriteTokens: Math.min(count(input?.cache_write_tokens), inputTokens),
    outputTokens,
    reasoningTokens: Math.min(count(output?.reasoning_tokens), outputTokens),
    totalTokens: inputTokens + outputTokens,
  };
}

function count(value: unknown): number {
  return Math.min(Math.max(0, Math.round(asNumber(value) ?? 0)), MAX_TOKENS);
}
