/** Exact pick sequences of every strategy and modifier. */
import { describe, expect, test } from "bun:test";
import { select, type Candidate, type SelectionRequest } from "../selection.ts";
import { candidate, DAY_MS, fiveHours, HOUR_MS, nowMs, request, seeded, sequence, week } from "./testing.ts";

describe("exact sequences", () => {
  const cases: [string, Candidate[], Partial<SelectionRequest>, expected: string, finish?: boolean][] = [
    [
      "usage_weighted takes turns among equals",
      [candidate("A"), candidate("B"), candidate("C")],
      {},
      "ABCABCAB",
    ],
    [
      "usage_weighted lets requests under way count",
      [candidate("A", { windows: [week(2)] }), candidate("B", { windows: [week(0)] })],
      {},
      "BBABABAB",
    ],
    [
      "usage_weighted looks at the longest window first",
      [
        candidate("A", { windows: [fiveHours(0), week(50)] }),
        candidate("B", { windows: [fiveHours(90), week(40)] }),
      ],
      {},
      "BBBB",
      true,
    ],
    [
      "usage_weighted breaks ties by the shorter window",
      [
        candidate("A", { windows: [fiveHours(60), week(40)] }),
        candidate("B", { windows: [week(40.7), fiveHours(20)] }),
      ],
      {},
      "BBBB",
      true,
    ],
    [
      "usage_weighted takes a window past its reset as unused",
      [candidate("A", { windows: [week(10)] }), candidate("B", { windows: [week(99, nowMs)] })],
      {},
      "BBBB",
      true,
    ],
    [
      "usage_weighted mixes shapes",
      [
        candidate("A", { windows: [week(30)] }),
        candidate("B", { windows: [{ ...week(20), minutes: 43_200 }] }),
        candidate("C", { windows: [fiveHours(25)] }),
      ],
      {},
      "BBBB",
      true,
    ],
    [
      "usage_weighted leaves another feature's window out",
      [
        candidate("A", { windows: [week(10), week(99, nowMs + DAY_MS, "codex_x")] }),
        candidate("B", { windows: [week(20)] }),
      ],
      {},
      "AA",
      true,
    ],
    [
      "usage_weighted counts the feature that is asked for",
      [
        candidate("A", { windows: [week(10), week(99, nowMs + DAY_MS, "codex_x")] }),
        candidate("B", { windows: [week(10), week(9, nowMs + DAY_MS, "codex_x")] }),
      ],
      { scope: "codex_x" },
      "BB",
      true,
    ],
    [
      "round_robin takes turns whatever is used",
      [candidate("A", { windows: [week(90)] }), candidate("B"), candidate("C")],
      { strategy: "round_robin" },
      "ABCABC",
    ],
    [
      "reset_first spends what expires first",
      [
        candidate("A", { windows: [week(10, nowMs + 5 * DAY_MS)] }),
        candidate("B", { windows: [week(80, nowMs + DAY_MS), fiveHours(5)] }),
        candidate("C"),
      ],
      { strategy: "reset_first" },
      "BBBB",
    ],
    [
      "reset_first takes the less used of the same reset",
      [candidate("A", { windows: [week(20)] }), candidate("B", { windows: [week(10)] })],
      { strategy: "reset_first" },
      "BBBB",
    ],
    [
      "fill_first uses up one account",
      [candidate("A", { windows: [week(10)] }), candidate("B", { windows: [week(60)] })],
      { strategy: "fill_first" },
      "BBBB",
    ],
    ["fill_first stays where it began", [candidate("A"), candidate("B")], { strategy: "fill_first" }, "AAAA"],
    [
      "fill_first goes on when the account is full",
      [candidate("A", { maxInFlight: 2 }), candidate("B", { maxInFlight: 1 })],
      { strategy: "fill_first" },
      "AAB-",
    ],
    [
      "single_account takes no other",
      [candidate("A"), candidate("B", { maxInFlight: 2 })],
      { strategy: "single_account", singleAccountId: "B" },
      "BB--",
    ],
    ["single_account without a choice takes none", [candidate("A")], { strategy: "single_account" }, "-"],
    [
      "burst: burn_first, then normal, then preserve",
      [
        candidate("A", { routingPolicy: "preserve", maxInFlight: 1 }),
        candidate("B", { maxInFlight: 2 }),
        candidate("C", { routingPolicy: "burn_first", windows: [week(90)], maxInFlight: 2 }),
      ],
      {},
      "CCBBA-",
    ],
    [
      "preferEarlierReset takes the earlier day",
      [
        candidate("A", { windows: [week(5, nowMs + 3 * DAY_MS)] }),
        candidate("B", { windows: [week(60, nowMs + DAY_MS)] }),
        candidate("C", { windows: [week(70, nowMs + DAY_MS + HOUR_MS)] }),
      ],
      { preferEarlierReset: true },
      "BBBB",
      true,
    ],
    [
      "preferEarlierReset leaves the policy first",
      [
        candidate("A", { windows: [week(5, nowMs + DAY_MS)] }),
        candidate("B", { routingPolicy: "burn_first", windows: [week(5, nowMs + 5 * DAY_MS)] }),
      ],
      { preferEarlierReset: true },
      "BB",
      true,
    ],
    [
      "preferEarlierReset in round_robin turns within the day",
      [
        candidate("A", { windows: [week(5, nowMs + DAY_MS)] }),
        candidate("B", { windows: [week(9, nowMs + DAY_MS)] }),
        candidate("C"),
      ],
      { preferEarlierReset: true, strategy: "round_robin" },
      "ABAB",
    ],
    [
      "a conversation stays",
      [candidate("A"), candidate("B", { windows: [week(90)], routingPolicy: "preserve" })],
      { keepAccountId: "B" },
      "BBBB",
    ],
    [
      "a conversation moves from an account that is full",
      [candidate("A"), candidate("B", { maxInFlight: 1 })],
      { keepAccountId: "B" },
      "BAA",
    ],
  ];
  // Under one name, as a missing fifth column would become the test's `done` callback.
  const rows = cases.map(([name, pool, asked, expected, finish]) => ({
    name,
    pool,
    asked,
    expected,
    finish,
  }));
  test.each(rows)("$name", ({ pool, asked, expected, finish }) => {
    expect(sequence(pool, expected.length, asked, finish)).toBe(expected);
  });

  test("capacity_weighted draws each account with the chance of what it has left", () => {
    const pool = [
      candidate("A", { capacityWeight: 1, windows: [week(50)] }),
      candidate("B", { capacityWeight: 3, windows: [week(50), fiveHours(0)] }),
    ];
    const draw = (point: number) =>
      select(pool, request({ strategy: "capacity_weighted", random: () => point })).pick?.id;
    expect([0, 0.24, 0.26, 0.999].map(draw)).toEqual(["A", "A", "B", "B"]);
    pool[1]!.inFlight = 2;
    expect([0, 0.49, 0.51, 0.999].map(draw)).toEqual(["A", "A", "B", "B"]);
  });

  test("capacity_weighted draws among the best policy only", () => {
    const pool = [
      candidate("A"),
      candidate("B", { routingPolicy: "burn_first" }),
      candidate("C", { routingPolicy: "burn_first" }),
    ];
    const random = seeded(3);
    const picks = new Set(
      Array.from(
        { length: 50 },
        () => select(pool, request({ strategy: "capacity_weighted", random })).pick!.id,
      ),
    );
    expect([...picks].toSorted()).toEqual(["B", "C"]);
  });
});

test("20 equal accounts share 400 concurrent requests within 25 %", () => {
  for (const strategy of ["usage_weighted", "round_robin", "capacity_weighted"] as const) {
    const pool = Array.from({ length: 20 }, (_, i) =>
      candidate(`A${i}`, { windows: [week(30), fiveHours(10)] }),
    );
    sequence(pool, 400, { strategy, random: seeded(11) });
    for (const { inFlight } of pool) {
      expect(inFlight).toBeGreaterThanOrEqual(15);
      expect(inFlight).toBeLessThanOrEqual(25);
    }
  }
});
