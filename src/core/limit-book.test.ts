import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import { type Admission, createLimitBook, type LimitBook, type Reservation } from "./limit-book.ts";
import { type Amounts, type Counted, type KeyLimit, rebuildCounter } from "./limits.ts";

const NOW = Date.parse("2026-11-20T10:37:00Z");
const HOUR = 3_600_000;
const KEY = "key_1";
const ESTIMATE: Amounts = { inputTokens: 80, outputTokens: 20, costMicros: 100 };

function limit(given: Partial<KeyLimit> = {}): KeyLimit {
  return {
    id: "l1",
    limitType: "total_tokens",
    limitWindow: "5h",
    maxValue: 1000,
    modelFilter: null,
    anchorMs: NOW,
    ...given,
  };
}

function bookWith(...limits: KeyLimit[]): LimitBook {
  const book = createLimitBook();
  book.setLimits(KEY, limits, { nowMs: NOW, counted: [] });
  return book;
}

function used(tokens: number, given: Partial<Counted> = {}): Counted {
  return { atMs: NOW, model: "gpt-5.5", inputTokens: tokens, outputTokens: 0, costMicros: tokens, ...given };
}

function ask(book: LimitBook, given: { model?: string; estimate?: Amounts; nowMs?: number } = {}): Admission {
  return book.reserve(KEY, { model: "gpt-5.5", estimate: ESTIMATE, nowMs: NOW, ...given });
}

function admitted(admission: Admission): Reservation {
  if (admission.kind !== "admitted") throw new Error(`expected to be admitted, was ${admission.kind}`);
  return admission.reservation;
}

function value(book: LimitBook, index = 0): number {
  return book.counters(KEY, NOW)[index]!.currentValue;
}

describe("one limit", () => {
  test("holds an estimate, counts the true figure, and gives the rest back", () => {
    const book = bookWith(limit());
    const reservation = admitted(ask(book));
    expect(book.counters(KEY, NOW)[0]).toMatchObject({ currentValue: 0, reserved: 100 });
    reservation.settle(used(37));
    expect(book.counters(KEY, NOW)[0]).toMatchObject({
      currentValue: 37,
      reserved: 0,
      resetAtMs: NOW + 5 * HOUR,
    });
  });
  test("a released request counts nothing, and ending twice changes nothing", () => {
    const book = bookWith(limit());
    const reservation = admitted(ask(book));
    reservation.release();
    reservation.settle(used(37));
    reservation.release();
    expect(book.counters(KEY, NOW)[0]).toMatchObject({ currentValue: 0, reserved: 0 });
  });
  test("admits no more than there is room for, then asks to wait, then refuses with the reset", async () => {
    const book = bookWith(limit({ maxValue: 250 }));
    const first = admitted(ask(book));
    const second = admitted(ask(book));
    const third = ask(book);
    if (third.kind !== "busy") throw new Error(`expected busy, was ${third.kind}`);
    expect(third.message).toContain("5-hour limit of 250 tokens is held by its requests in flight");
    first.settle(used(100));
    await third.freed;
    expect(ask(book).kind).toBe("busy");
    second.settle(used(100));
    admitted(ask(book)).settle(used(100)); // the last one: 200 counted, nothing held, some room left
    const refused = ask(book, { nowMs: NOW + HOUR });
    expect(refused).toMatchObject({
      kind: "refused",
      code: "rate_limit_exceeded",
      resetAtMs: NOW + 5 * HOUR,
      limit: { id: "l1", currentValue: 300 },
    });
    expect(refused.kind === "refused" && refused.message).toContain(
      "It resets at 2026-11-20T15:37:00Z, in 4 hours.",
    );
  });
  test("starts afresh when its window has passed", () => {
    const book = bookWith(limit({ maxValue: 100 }));
    admitted(ask(book)).settle(used(100));
    expect(ask(book).kind).toBe("refused");
    expect(ask(book, { nowMs: NOW + 5 * HOUR }).kind).toBe("admitted");
  });
  test("a request asked in the window before counts there, not in the new one", () => {
    const book = bookWith(limit());
    const old = admitted(ask(book));
    const young = admitted(ask(book, { nowMs: NOW + 5 * HOUR }));
    old.settle(used(500));
    const [counter] = book.counters(KEY, NOW + 5 * HOUR);
    expect(counter).toMatchObject({ currentValue: 0, reserved: 100 });
    young.settle(used(7, { atMs: NOW + 5 * HOUR }));
    expect(book.counters(KEY, NOW + 5 * HOUR)[0]).toMatchObject({ currentValue: 7, reserved: 0 });
  });
});

describe("several limits", () => {
  const cost = limit({ id: "l2", limitType: "cost_usd", maxValue: 150, limitWindow: "daily" });
  test("all must hold, and the refusal names the one that resets last", () => {
    const book = bookWith(limit({ maxValue: 100 }), cost);
    admitted(ask(book)).settle(used(200));
    expect(ask(book)).toMatchObject({ kind: "refused", limit: { id: "l2" }, resetAtMs: NOW + 24 * HOUR });
  });
  test("a limit on one model leaves the others alone", () => {
    const book = bookWith(limit({ modelFilter: "gpt-5.5", maxValue: 100 }));
    admitted(ask(book, { model: "gpt-5.4" })).settle(used(5_000, { model: "gpt-5.4" }));
    expect(value(book)).toBe(0);
    admitted(ask(book)).settle(used(100));
    expect(ask(book).kind).toBe("refused");
    expect(ask(book, { model: "gpt-5.5-2026-04-01" }).kind).toBe("refused");
    expect(ask(book, { model: "gpt-5.4" }).kind).toBe("admitted");
  });
  test("what is counted follows the model that was served", () => {
    const book = bookWith(limit({ modelFilter: "gpt-5.5" }));
    admitted(ask(book, { model: "gpt-5.4" })).settle(used(9));
    expect(value(book)).toBe(9);
  });
  test("keys do not share budgets, and a key without limits is always admitted", () => {
    const book = bookWith(limit({ maxValue: 1 }));
    admitted(ask(book)).settle(used(5));
    expect(book.reserve("key_2", { model: null, estimate: ESTIMATE, nowMs: NOW }).kind).toBe("admitted");
  });
});

describe("editing under load", () => {
  test("a new maximum keeps counter and reservations, and lets those who wait in", async () => {
    const book = bookWith(limit({ maxValue: 150 }));
    const first = admitted(ask(book));
    const busy = ask(book);
    book.setLimits(KEY, [limit({ maxValue: 300 })], { nowMs: NOW, counted: [] });
    if (busy.kind !== "busy") throw new Error(`expected busy, was ${busy.kind}`);
    await busy.freed;
    expect(ask(book).kind).toBe("admitted");
    first.settle(used(42));
    expect(book.counters(KEY, NOW)[0]).toMatchObject({ currentValue: 42, reserved: 100, maxValue: 300 });
  });
  test("a reset empties the counter; requests asked before it stay out, as they do when the log is counted again", () => {
    const book = bookWith(limit());
    admitted(ask(book)).settle(used(42));
    const old = admitted(ask(book));
    const reset = limit({ anchorMs: NOW + HOUR });
    book.setLimits(KEY, [reset], { nowMs: NOW + HOUR, counted: [] });
    old.settle(used(99));
    expect(book.counters(KEY, NOW + HOUR)[0]).toMatchObject({ currentValue: 0, reserved: 0 });
    expect(rebuildCounter(reset, [used(42), used(99)], NOW + HOUR)).toBe(0);
  });
  test("a limit added while a request runs counts it when it was asked after", () => {
    const book = bookWith();
    const running = admitted(ask(book, { nowMs: NOW + 1 }));
    book.setLimits(KEY, [limit({ anchorMs: NOW })], { nowMs: NOW, counted: [] });
    running.settle(used(8, { atMs: NOW + 1 }));
    expect(book.counters(KEY, NOW + 1)[0]).toMatchObject({ currentValue: 8, reserved: 0 });
  });
  test("a deleted key's request may end", async () => {
    const book = bookWith(limit({ maxValue: 100 }));
    const reservation = admitted(ask(book));
    const busy = ask(book);
    book.removeKey(KEY);
    if (busy.kind === "busy") await busy.freed;
    reservation.settle(used(5));
    expect(book.counters(KEY, NOW)).toEqual([]);
  });
});

describe("prepaid balance", () => {
  test("is charged, waits for requests in flight, and refuses without a reset", () => {
    const book = createLimitBook();
    book.setBalance(KEY, 150);
    const first = admitted(ask(book));
    expect(ask(book)).toMatchObject({ kind: "busy", message: expect.stringContaining("prepaid balance") });
    first.settle(used(60));
    expect(book.balanceMicros(KEY)).toBe(90);
    admitted(ask(book)).settle(used(100));
    expect(book.balanceMicros(KEY)).toBe(-10);
    expect(ask(book)).toMatchObject({
      kind: "refused",
      code: "balance_exhausted",
      limit: null,
      resetAtMs: null,
    });
    book.addCredit(KEY, 1_000);
    expect(book.balanceMicros(KEY)).toBe(990);
    expect(ask(book).kind).toBe("admitted");
  });
  test("switched off, on again or on for the first time while requests run, it neither charges twice nor blocks", () => {
    const book = createLimitBook();
    const early = admitted(ask(book));
    book.setBalance(KEY, 150);
    book.setBalance(KEY, null);
    book.addCredit(KEY, 10);
    expect(book.balanceMicros(KEY)).toBeNull();
    book.setBalance(KEY, 150);
    expect(ask(book).kind).toBe("busy");
    early.settle(used(50));
    expect(book.balanceMicros(KEY)).toBe(100);
    expect(ask(book).kind).toBe("admitted");
  });
});

describe("estimates", () => {
  test("begin large, follow the largest recent request, and never fall below the body", () => {
    const book = createLimitBook();
    expect(book.estimateTokens(KEY, 400)).toEqual({ inputTokens: 128_000, outputTokens: 16_000 });
    expect(book.estimateTokens(KEY, 4_000_000).inputTokens).toBe(1_000_000);
    for (let i = 0; i < 100; i += 1) admitted(ask(book)).settle(used(1_000));
    expect(book.estimateTokens(KEY, 400)).toEqual({ inputTokens: 1_500, outputTokens: 1 });
    admitted(ask(book)).settle(used(5_000, { outputTokens: 700 }));
    admitted(ask(book)).settle(used(0));
    expect(book.estimateTokens(KEY, 400)).toEqual({ inputTokens: 7_500, outputTokens: 1_050 });
  });
});

/** Sends `total` requests at once as a client of the book would; whoever is busy waits. Ends them in the order that `pick` chooses. */
async function burst(
  book: LimitBook,
  run: {
    total: number;
    bodyBytes: number;
    truth: (index: number) => number;
    pick: (count: number) => number;
  },
): Promise<{ served: number; refused: number; mostAtOnce: number }> {
  const inFlight: { reservation: Reservation; truth: number }[] = [];
  const result = { served: 0, refused: 0, mostAtOnce: 0 };
  async function send(index: number): Promise<void> {
    for (;;) {
      const tokens = book.estimateTokens(KEY, run.bodyBytes);
      const admission = ask(book, { estimate: { ...tokens, costMicros: tokens.inputTokens } });
      if (admission.kind === "busy") {
        await admission.freed;
        continue;
      }
      if (admission.kind === "refused") result.refused += 1;
      else inFlight.push({ reservation: admission.reservation, truth: run.truth(index) });
      return;
    }
  }
  const all = Promise.all(Array.from({ length: run.total }, (_, index) => send(index)));
  while (result.served + result.refused < run.total) {
    result.mostAtOnce = Math.max(result.mostAtOnce, inFlight.length);
    const [next] = inFlight.splice(run.pick(inFlight.length), 1);
    if (next) {
      result.served += 1;
      next.reservation.settle(used(next.truth));
    }
    // Let whoever waited ask again.
    for (let i = 0; i < 4; i += 1) await Promise.resolve();
  }
  await all;
  return result;
}

describe("200 parallel requests against room for 50", () => {
  test("of one size: exactly 50 are served and the limit is hit exactly, from a cold start", async () => {
    const book = bookWith(limit({ maxValue: 50 * 107 }));
    const result = await burst(book, { total: 200, bodyBytes: 60, truth: () => 107, pick: () => 0 });
    expect(result).toMatchObject({ served: 50, refused: 150 });
    expect(value(book)).toBe(50 * 107);
  });
  test("once their size is known they run side by side", async () => {
    const book = bookWith(limit({ maxValue: 1_000_000 }));
    for (let i = 0; i < 100; i += 1) admitted(ask(book)).settle(used(1_000, { outputTokens: 1 }));
    const before = value(book);
    book.setLimits(KEY, [limit({ maxValue: before + 50_000 })], { nowMs: NOW, counted: [] });
    const result = await burst(book, { total: 200, bodyBytes: 60, truth: () => 1_000, pick: (n) => n - 1 });
    expect(result).toMatchObject({ served: 50, refused: 150 });
    expect(result.mostAtOnce).toBeGreaterThan(30);
    expect(value(book)).toBe(before + 50_000);
  });
  test("of any sizes, ended in any order: overshoot is at most one request", async () => {
    const sizes = fc.array(fc.integer({ min: 1, max: 40_000 }), { minLength: 20, maxLength: 20 });
    await fc.assert(
      fc.asyncProperty(sizes, fc.array(fc.nat(), { minLength: 7, maxLength: 7 }), async (truths, picks) => {
        const max = Math.ceil(truths.reduce((a, b) => a + b) * 2.5);
        const book = bookWith(limit({ maxValue: max }));
        let turn = 0;
        await burst(book, {
          total: 200,
          bodyBytes: 60,
          truth: (index) => truths[index % 20]!,
          pick: (count) => picks[turn++ % 7]! % Math.max(1, count),
        });
        expect(value(book)).toBeGreaterThanOrEqual(max);
        expect(value(book)).toBeLessThan(max + Math.max(...truths));
      }),
      { numRuns: 50, seed: 6 },
    );
  });
});

test("whatever happens, no request larger than its estimate: overshoot is at most one, and nothing stays held", () => {
  const step = fc.record({
    act: fc.constantFrom("ask", "ask", "settle", "release"),
    estimate: fc.integer({ min: 1, max: 300 }),
    share: fc.double({ min: 0, max: 1, noNaN: true }),
    which: fc.nat(),
  });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), fc.integer({ min: 1, max: 3_000 }), (steps, maxValue) => {
      const book = bookWith(limit({ maxValue }), limit({ id: "l2", limitType: "cost_usd", maxValue: 2_000 }));
      book.setBalance(KEY, 2_500);
      const inFlight: { reservation: Reservation; truth: number }[] = [];
      const log: Counted[] = [];
      const end = (which: number, settle: boolean) => {
        const [one] = inFlight.splice(which % Math.max(1, inFlight.length), 1);
        if (one === undefined) return;
        if (!settle) return one.reservation.release();
        log.push(used(one.truth));
        one.reservation.settle(used(one.truth));
      };
      for (const { act, estimate, share, which } of steps) {
        if (act !== "ask") end(which, act === "settle");
        else {
          const amounts = { inputTokens: estimate, outputTokens: 0, costMicros: estimate };
          const admission = ask(book, { estimate: amounts });
          if (admission.kind === "admitted") {
            inFlight.push({ reservation: admission.reservation, truth: Math.ceil(estimate * share) });
          }
        }
      }
      while (inFlight.length > 0) end(0, true);
      for (const counter of book.counters(KEY, NOW)) {
        expect(counter.currentValue).toBeLessThan(counter.maxValue + 300);
        expect(counter.reserved).toBe(0);
        expect(counter.currentValue).toBe(rebuildCounter(counter, log, NOW));
      }
      expect(book.balanceMicros(KEY)).toBeGreaterThan(-300);
    }),
  );
});
