import { describe, expect, test } from "bun:test";
import { mapModelName, parseModelName, usableRules } from "./model-name.ts";

describe("a model name", () => {
  const known = new Set(["gpt-5.5", "gpt-5.1-codex-max", "gpt-5.4-mini"]);
  const cases: [name: string, model: string, effort: string | undefined, fast: boolean][] = [
    ["gpt-5.5", "gpt-5.5", undefined, false],
    ["gpt-5.5-high", "gpt-5.5", "high", false],
    ["gpt-5.5(high)", "gpt-5.5", "high", false],
    ["gpt-5.5 (XHIGH)", "gpt-5.5", "xhigh", false],
    ["gpt-5.5:low", "gpt-5.5", "low", false],
    ["gpt-5.5-fast", "gpt-5.5", undefined, true],
    ["gpt-5.5-high-fast", "gpt-5.5", "high", true],
    ["gpt-5.5-fast-high", "gpt-5.5", "high", true],
    ["gpt-5.5-max", "gpt-5.5", "max", false],
    ["gpt-5.5-high-low", "gpt-5.5-high", "low", false],
    ["gpt-5.1-codex-max", "gpt-5.1-codex-max", undefined, false],
    ["gpt-5.1-codex-max-high", "gpt-5.1-codex-max", "high", false],
    ["unknown-max", "unknown-max", undefined, false],
    ["unknown-high", "unknown", "high", false],
    ["gpt-5.4-mini", "gpt-5.4-mini", undefined, false],
    ["constructor", "constructor", undefined, false],
    ["-high", "-high", undefined, false],
  ];
  test.each(cases)("%p means %p with effort %p, fast %p", (name, model, effort, fast) => {
    expect(parseModelName(name, known)).toEqual({ model, effort, fast });
  });

  test("the first fitting rule maps it, and none leaves it", () => {
    const rules = [
      { pattern: "claude-*haiku*", model: "gpt-5.4-mini-low" },
      { pattern: "Claude-*", model: "gpt-5.5" },
      { pattern: "best", model: "gpt-6.1-sol" },
      { pattern: "a*a", model: "never for one letter" },
    ];
    expect(mapModelName("claude-3-5-haiku-20241022", rules)).toBe("gpt-5.4-mini-low");
    expect(mapModelName("claude-opus-4", rules)).toBe("gpt-5.5");
    expect(mapModelName("best", rules)).toBe("gpt-6.1-sol");
    expect(mapModelName("bests", rules)).toBe("bests");
    expect(mapModelName("a", rules)).toBe("a");
  });

  test("a rule for a model that the pool lacks is passed over, unless nothing is known of the pool", () => {
    const mini = { pattern: "claude-*haiku*", model: "gpt-5.4-mini-low" };
    const other = { pattern: "claude-*", model: "gpt-5.5" };
    expect(usableRules([mini, other], known)).toEqual([mini, other]);
    expect(usableRules([mini, other], new Set(["gpt-5.5"]))).toEqual([other]);
    expect(usableRules([mini, other], new Set())).toEqual([mini, other]);
  });
});
