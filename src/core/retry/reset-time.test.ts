/** When a limited account comes back, by each source that can say. */
import { describe, expect, test } from "bun:test";
import type { Window } from "../windows.ts";
import { HOUR_MS, nowMs, nowS, read, roomy, spentWindows, type SeenPart } from "./testing.ts";

describe("when a spent account comes back", () => {
  const limit = (error: object) => ({
    status: 429,
    body: { error: { type: "usage_limit_reached", ...error } },
  });
  const at = (ms: number) => nowMs + ms;
  const cases: [string, SeenPart, Window[], { untilMs: number | null; windowMinutes: number | null }][] = [
    [
      "resets_at in seconds, of the weekly window",
      limit({ resets_at: nowS + 50 * 3600 }),
      roomy,
      { untilMs: at(50 * HOUR_MS), windowMinutes: 10_080 },
    ],
    [
      "resets_in_seconds",
      limit({ resets_in_seconds: 90 }),
      roomy,
      { untilMs: at(90_000), windowMinutes: null },
    ],
    [
      "resets_at that has passed gives way to the next source",
      limit({ resets_at: nowS - 1, resets_in_seconds: 30 }),
      roomy,
      { untilMs: at(30_000), windowMinutes: null },
    ],
    [
      "the header of the window that is spent",
      {
        ...limit({}),
        headers: {
          "x-codex-primary-used-percent": "41.5",
          "x-codex-primary-window-minutes": "300",
          "x-codex-primary-reset-at": String(nowS + 600),
          "x-codex-secondary-used-percent": "100",
          "x-codex-secondary-window-minutes": "10080",
          "x-codex-secondary-reset-at": String(nowS + 7200),
        },
      },
      roomy,
      { untilMs: at(2 * HOUR_MS), windowMinutes: 10_080 },
    ],
    [
      "a reset header alone",
      { ...limit({}), headers: { "x-codex-primary-reset-at": String(nowS + 600) } },
      [],
      { untilMs: at(600_000), windowMinutes: null },
    ],
    [
      "retry-after",
      { ...limit({}), headers: { "retry-after": "120" } },
      roomy,
      { untilMs: at(120_000), windowMinutes: null },
    ],
    [
      "retry-after as a date",
      { ...limit({}), headers: { "retry-after": new Date(at(60_000)).toUTCString() } },
      roomy,
      { untilMs: at(60_000), windowMinutes: null },
    ],
    [
      "text in hours and minutes",
      limit({ message: "You've hit your limit. Try again in 3 hours 5 minutes." }),
      roomy,
      { untilMs: at(3 * HOUR_MS + 300_000), windowMinutes: null },
    ],
    [
      "text in short units",
      limit({ message: "Please try again in 1h2m3s." }),
      roomy,
      { untilMs: at(HOUR_MS + 123_000), windowMinutes: 300 },
    ],
    [
      "text in fractions",
      limit({ message: "Please try again in 1.5s." }),
      roomy,
      { untilMs: at(1_500), windowMinutes: null },
    ],
    [
      "text in days and hours",
      limit({ message: "try again in 2 days, 4 hours" }),
      roomy,
      { untilMs: at(52 * HOUR_MS), windowMinutes: null },
    ],
    ["the window as last read", limit({}), spentWindows, { untilMs: at(HOUR_MS), windowMinutes: 300 }],
    [
      "nothing that says",
      limit({ message: "Limit reached in our plan" }),
      roomy,
      { untilMs: null, windowMinutes: null },
    ],
    [
      "a reset beyond every window is not believed",
      limit({ resets_at: nowS + 400 * 86_400 }),
      roomy,
      { untilMs: null, windowMinutes: null },
    ],
    [
      "the headers of a WebSocket frame",
      {
        status: 101,
        event: {
          type: "error",
          status: 429,
          error: { type: "usage_limit_reached" },
          headers: { "Retry-After": 45 },
        },
      },
      roomy,
      { untilMs: at(45_000), windowMinutes: null },
    ],
  ];
  test.each(cases)("%s", (_name, part, windows, expected) => {
    const failure = read(part, { windows });
    expect(failure?.effect).toEqual({ kind: "spent", scope: "all", model: "gpt-5.5", ...expected });
    expect(failure?.untilMs ?? null).toBe(expected.untilMs);
  });

  test("a limit of one metered feature keeps its scope and reads that family's headers", () => {
    const failure = read({
      ...limit({}),
      headers: {
        "x-codex-active-limit": "codex_bengalfox",
        "x-codex-bengalfox-limit-name": "extra-limit",
        "x-codex-bengalfox-primary-used-percent": "100",
        "x-codex-bengalfox-primary-window-minutes": "60",
        "x-codex-bengalfox-primary-reset-at": String(nowS + 60),
      },
    });
    expect(failure?.effect).toEqual({
      kind: "spent",
      scope: "codex_bengalfox",
      untilMs: nowMs + 60_000,
      windowMinutes: 60,
      model: "gpt-5.5",
    });
  });
});

describe("a burst limit", () => {
  const burst = { status: 429, body: { error: { code: "rate_limit_exceeded" } } };
  test.each([
    ["paces for seconds", burst, 0, 2_000],
    ["with jitter", burst, 1, 5_000],
    ["waits as its text says", { status: 429, body: { error: { message: "try again in 1.5s" } } }, 0, 1_500],
    ["honours retry-after", { ...burst, headers: { "retry-after": "7" } }, 0, 7_000],
    ["never parks an account for hours", { ...burst, headers: { "retry-after": "7200" } }, 1, 63_000],
  ] as const)("%s", (_name, part, jitter, afterMs) => {
    expect(read(part, { jitter })?.effect).toEqual({
      kind: "cooling",
      untilMs: nowMs + afterMs,
      cause: "burst_limit",
    });
  });
  test("is a spent window when a reading confirms it", () => {
    const failure = read(burst, { windows: spentWindows });
    expect(failure?.cause).toBe("account_spent");
    expect(failure?.effect).toMatchObject({ kind: "spent", untilMs: nowMs + HOUR_MS, windowMinutes: 300 });
  });
  test("is a spent window when its own headers say so", () => {
    const headers = {
      "x-codex-primary-used-percent": "100",
      "x-codex-primary-reset-at": String(nowS + 900),
    };
    expect(read({ ...burst, headers })?.effect).toMatchObject({ kind: "spent", untilMs: nowMs + 900_000 });
  });
  test("is no spent window when that window was reset since", () => {
    const windows = [{ ...spentWindows[0]!, resetAtMs: nowMs - 1 }];
    expect(read(burst, { windows })?.cause).toBe("burst_limit");
  });
});
