import { describe, expect, test } from "bun:test";
import {
  editLimits,
  type KeyLimit,
  limitCovers,
  limitWindowAt,
  rebuildCounter,
  rebuildSpans,
  resetLimits,
  type Counted,
  type LimitWindow,
} from "./limits.ts";

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;
const ANCHOR = Date.parse("2026-11-20T10:37:00Z");

function limit(given: Partial<KeyLimit> = {}): KeyLimit {
  return {
    id: "l1",
    limitType: "total_tokens",
    limitWindow: "5h",
    maxValue: 1000,
    modelFilter: null,
    anchorMs: ANCHOR,
    ...given,
  };
}

function used(atMs: number, tokens: number, model: string | null = "gpt-5.5"): Counted {
  return { atMs, model, inputTokens: tokens, outputTokens: 0, costMicros: 0 };
}

test.each<[LimitWindow, number, number, number]>([
  ["5h", 0, 0, 5 * HOUR],
  ["5h", 5 * HOUR - 1, 0, 5 * HOUR],
  ["5h", 5 * HOUR, 5 * HOUR, 10 * HOUR],
  ["5h", 52 * HOUR, 50 * HOUR, 55 * HOUR],
  ["daily", 25 * HOUR, 24 * HOUR, 48 * HOUR],
  ["weekly", 8 * DAY, 7 * DAY, 14 * DAY],
  ["monthly", 29 * DAY, 0, 30 * DAY],
  ["monthly", 31 * DAY, 30 * DAY, 60 * DAY],
  ["5h", -HOUR, 0, 5 * HOUR],
])("a %s window %p ms after its anchor runs from %p to %p", (limitWindow, after, start, end) => {
  expect(limitWindowAt({ anchorMs: ANCHOR, limitWindow }, ANCHOR + after)).toEqual({
    startMs: ANCHOR + start,
    resetAtMs: ANCHOR + end,
  });
});

test.each<[string | null, string | null, boolean]>([
  [null, "gpt-5.5", true],
  [null, null, true],
  ["gpt-5.5", "gpt-5.5", true],
  ["gpt-5.5", "gpt-5.5-2026-04-01", true],
  ["gpt-5.5", "gpt-5.5-pro", false],
  ["gpt-5.5", null, false],
])("a limit on %p covers requests of %p: %p", (modelFilter, model, expected) => {
  expect(limitCovers(limit({ modelFilter }), model)).toBe(expected);
});

describe("rebuilding a counter", () => {
  test("reads rows up to the next full hour and roll-ups from there", () => {
    expect(rebuildSpans(limit(), ANCHOR + 6 * HOUR)).toEqual({
      rowsFromMs: Date.parse("2026-11-20T15:37:00Z"),
      hoursFromMs: Date.parse("2026-11-20T16:00:00Z"),
    });
    const onTheHour = Date.parse("2026-11-20T10:00:00Z");
    expect(rebuildSpans(limit({ anchorMs: onTheHour }), onTheHour)).toEqual({
      rowsFromMs: onTheHour,
      hoursFromMs: onTheHour,
    });
  });
  test("counts only its own window and model", () => {
    const counted = [
      used(ANCHOR - 1, 1),
      used(ANCHOR, 10),
      used(ANCHOR + 5 * HOUR - 1, 100, "gpt-5.5-2026-04-01"),
      used(ANCHOR + HOUR, 1_000, "gpt-5.4"),
      used(ANCHOR + HOUR, 10_000, null),
      used(ANCHOR + 5 * HOUR, 100_000),
    ];
    expect(rebuildCounter(limit({ modelFilter: "gpt-5.5" }), counted, ANCHOR + HOUR)).toBe(110);
    expect(rebuildCounter(limit(), counted, ANCHOR + HOUR)).toBe(11_110);
    expect(rebuildCounter(limit(), counted, ANCHOR + 5 * HOUR)).toBe(100_000);
  });
  test.each([
    ["total_tokens", 30],
    ["input_tokens", 20],
    ["output_tokens", 10],
    ["cost_usd", 7],
  ] as const)("%s counts %p", (limitType, expected) => {
    const entry = { atMs: ANCHOR, model: "m", inputTokens: 20, outputTokens: 10, costMicros: 7 };
    expect(rebuildCounter(limit({ limitType }), [entry], ANCHOR)).toBe(expected);
  });
});

describe("editing limits", () => {
  const current = [limit(), limit({ id: "l2", modelFilter: "gpt-5.5" })];
  const edit = { nowMs: ANCHOR + HOUR, newId: () => "new" };
  test("a new maximum keeps the counter; another window, type or model begins now", () => {
    const { id: _id, anchorMs: _anchor, ...spec } = limit();
    expect(editLimits(current, [{ ...spec, maxValue: 5 }], edit)).toEqual([limit({ maxValue: 5 })]);
    expect(editLimits(current, [{ ...spec, limitWindow: "daily" }], edit)).toEqual([
      limit({ limitWindow: "daily", id: "new", anchorMs: ANCHOR + HOUR }),
    ]);
    expect(editLimits(current, [{ ...spec, modelFilter: "gpt-5.5" }], edit)[0]!.id).toBe("l2");
  });
  test("a reset begins every window now", () => {
    const reset = resetLimits(current, ANCHOR + HOUR);
    expect(reset.map(({ anchorMs }) => anchorMs)).toEqual([ANCHOR + HOUR, ANCHOR + HOUR]);
    expect(reset.map(({ id }) => id)).toEqual(["l1", "l2"]);
  });
});
