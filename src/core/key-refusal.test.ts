import { expect, test } from "bun:test";
import { refusalForBudget, refusalForKey } from "./key-refusal.ts";
import { createLimitBook } from "./limit-book.ts";

const NOW = Date.parse("2026-11-20T10:37:00Z");
const estimate = { inputTokens: 10, outputTokens: 10, costMicros: 10 };
const used = { atMs: NOW, model: "gpt-5.5", inputTokens: 100, outputTokens: 20, costMicros: 500 };

function refused(book: ReturnType<typeof createLimitBook>) {
  const admission = book.reserve("k", { model: "gpt-5.5", estimate, nowMs: NOW });
  if (admission.kind === "admitted") throw new Error("expected a refusal");
  return refusalForBudget(admission, NOW);
}

function spend(book: ReturnType<typeof createLimitBook>) {
  const admission = book.reserve("k", { model: "gpt-5.5", estimate, nowMs: NOW });
  if (admission.kind === "admitted") admission.reservation.settle(used);
}

const limit = {
  id: "l1",
  limitType: "total_tokens",
  limitWindow: "5h",
  maxValue: 100,
  modelFilter: null,
  anchorMs: NOW - 3_600_000,
} as const;

test("a spent limit says that it is the key's, which one, and when it resets, in words and in fields", () => {
  const book = createLimitBook();
  book.setLimits("k", [limit], { nowMs: NOW, counted: [] });
  spend(book);
  expect(refused(book)).toEqual({
    code: "rate_limit_exceeded",
    type: "usage_limit_reached",
    status: 429,
    permanent: false,
    message:
      "codex-lb: This API key has used up its 5-hour limit of 100 tokens (120 tokens used). " +
      "It resets at 2026-11-20T14:37:00Z, in 4 hours. " +
      "This limit was set in codex-lb for this key; it is not one of OpenAI's.",
    retryAfterSeconds: 4 * 3600,
    resetsAt: (NOW + 4 * 3_600_000) / 1000,
    promo: "Your codex-lb API key has used up its 5-hour limit of 100 tokens (resets in 4 hours)",
  });
});

test("room that is held for now is worth trying again soon", () => {
  const book = createLimitBook();
  book.setLimits("k", [{ ...limit, maxValue: 30 }], { nowMs: NOW, counted: [] });
  book.reserve("k", { model: "gpt-5.5", estimate, nowMs: NOW });
  expect(refused(book)).toMatchObject({
    status: 429,
    retryAfterSeconds: 5,
    resetsAt: null,
    permanent: false,
  });
});

test("a spent balance does not pass by itself", () => {
  const book = createLimitBook();
  book.setBalance("k", 100);
  spend(book);
  expect(refused(book)).toMatchObject({
    code: "balance_exhausted",
    status: 429,
    permanent: true,
    resetsAt: null,
  });
});

test.each([
  ["inactive", "invalid_api_key", 401, false],
  ["expired", "invalid_api_key", 401, false],
  ["model_not_allowed", "model_not_allowed", 403, true],
] as const)("%s is %s", (kind, code, status, permanent) => {
  expect(refusalForKey({ kind, message: "why" })).toMatchObject({ code, status, permanent, message: "why" });
});
