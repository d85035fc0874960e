import { expect, test } from "bun:test";
import { baseModelName, isSameModel } from "./model-name.ts";

test.each([
  ["gpt-5.5", "gpt-5.5"],
  ["gpt-5.5-2026-04-01", "gpt-5.5"],
  ["GPT-5.5", "gpt-5.5"],
  [" openai/gpt-5.4-mini-2026-03-17 ", "gpt-5.4-mini"],
  ["gpt-5-chat-latest", "gpt-5"],
  ["gpt-5.1-codex-max", "gpt-5.1-codex-max"],
  ["gpt-5.1-codex-mini", "gpt-5.1-codex-mini"],
  ["gpt-5-pro", "gpt-5-pro"],
  ["gpt-5.5-2026-04", "gpt-5.5-2026-04"],
])("%p belongs to %p", (name, base) => {
  expect(baseModelName(name)).toBe(base);
});

test("a snapshot is the same model, a sibling is not", () => {
  expect(isSameModel("gpt-5.5", "gpt-5.5-2026-04-01")).toBe(true);
  expect(isSameModel("gpt-5.5", "gpt-5.5-pro")).toBe(false);
});
