import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { parseNewKey } from "../core/api-key-input.ts";
import { parsePriceTable } from "../core/pricing.ts";
import prices from "../data/prices.json" with { type: "json" };
import { createKeyPool, type KeyPool } from "../pool/keys.ts";
import { createKeyHistory } from "../store/key-history.ts";
import { createSeededRandom } from "../testing/seeded-random.ts";
import { createTemporaryStore, type TemporaryStore, testRecord } from "../testing/temporary-store.ts";
import { createBudgets } from "./budget.ts";
import type { ClientPresence } from "./engine.ts";
import { whileKeyLives } from "./key-grant.ts";

const WAIT_MS = 10_000;

let home: TemporaryStore;
let keys: KeyPool;
let budgetOf: ReturnType<typeof createBudgets>;

beforeEach(() => {
  home = createTemporaryStore();
  const { store, clock } = home;
  keys = createKeyPool({
    clock,
    random: createSeededRandom(1),
    storage: store.apiKeys,
    ledger: store.ledger,
    history: createKeyHistory(store.rollups),
    markUsed() {},
    flush() {},
  });
  const table = parsePriceTable(prices);
  budgetOf = createBudgets({ book: keys.book, clock, prices: () => table, waitMs: () => WAIT_MS });
});
afterEach(() => {
  keys.stop();
  home.remove();
});

const make = (fields: object) => keys.create(parseNewKey({ name: "test", ...fields })).key;
const tokens = (maxValue: number) => ({
  limits: [{ limitType: "total_tokens", limitWindow: "daily", maxValue }],
});

function clientThatCanLeave(): ClientPresence & { leave(): void } {
  const listeners = new Set<() => void>();
  let left = false;
  return {
    left: () => left,
    onLeave(callback) {
      listeners.add(callback);
      return () => void listeners.delete(callback);
    },
    leave() {
      left = true;
      for (const listener of listeners) listener();
    },
  };
}
const STAYS = clientThatCanLeave();
const ask = (client: ClientPresence = STAYS) => ({
  model: "gpt-5.5",
  serviceTier: null,
  bodyBytes: 400,
  client,
});
const record = () => testRecord({ requestedAtMs: home.clock.now() });

/** Lets what waits for a settled promise go on. */
const turn = () => new Promise<void>((resolve) => void setImmediate(resolve));

describe("room that others hold", () => {
  test("is waited for, and taken when they settle", async () => {
    const key = make(tokens(1000));
    const first = budgetOf(key);
    const second = budgetOf(key);
    expect(await first.reserve(ask())).toBeNull();
    const waiting = second.reserve(ask());
    await turn();
    expect(Bun.peek.status(waiting)).toBe("pending");
    first.settle(record());
    expect(await waiting).toBeNull();
    expect(keys.counters(key.id)).toMatchObject([{ currentValue: 120 }]);
  });

  test("is waited for no longer than allowed; the refusal says that it passes by itself", async () => {
    const key = make(tokens(1000));
    await budgetOf(key).reserve(ask());
    const waiting = budgetOf(key).reserve(ask());
    await turn();
    home.clock.advance(WAIT_MS);
    expect(await waiting).toMatchObject({ code: "rate_limit_exceeded", status: 429, retryAfterSeconds: 5 });
    expect(home.clock.pendingTimers()).toBe(0);
  });

  test("is not waited for by a client that has left", async () => {
    const key = make(tokens(1000));
    await budgetOf(key).reserve(ask());
    const client = clientThatCanLeave();
    const waiting = budgetOf(key).reserve(ask(client));
    await turn();
    client.leave();
    await waiting;
    expect(home.clock.pendingTimers()).toBe(0);
  });

  test.each(["regenerate", "remove"] as const)(
    "is not given to a secret that died meanwhile: %s",
    async (how) => {
      const key = make(tokens(1000));
      await budgetOf(key).reserve(ask());
      const presence = whileKeyLives(STAYS, key);
      const waiting = budgetOf(key).reserve(ask(presence));
      await turn();
      keys[how](key.id);
      expect(await waiting).not.toBeNull();
      expect([presence.left(), presence.revoked?.()]).toEqual([true, key.refuse(null)]);
      expect(key.refuse(null)).toMatchObject({ code: "invalid_api_key" });
    },
  );
});

test("a budget that is used up refuses at once, naming the limit and when it resets", async () => {
  const key = make(tokens(100));
  const budget = budgetOf(key);
  await budget.reserve(ask());
  budget.settle(record());
  const refusal = await budgetOf(key).reserve(ask());
  expect(refusal).toMatchObject({ code: "rate_limit_exceeded", status: 429, resetsAt: expect.any(Number) });
  expect(refusal?.message).toContain("daily limit of 100 tokens");
  expect(refusal?.message).toContain("2026-01-02T00:00:00Z");
});

test("a request that used nothing gives back what it held", async () => {
  const key = make({ limits: [{ limitType: "cost_usd", limitWindow: "5h", maxValue: 1_000_000 }] });
  const budget = budgetOf(key);
  await budget.reserve(ask());
  expect(keys.counters(key.id)[0]!.reserved).toBeGreaterThan(0);
  budget.settle(testRecord({ inputTokens: 0, outputTokens: 0, totalCostMicros: 0 }));
  expect(keys.counters(key.id)).toMatchObject([{ reserved: 0, currentValue: 0 }]);
});

test("a request that was never let in counts nothing", () => {
  const key = make(tokens(100));
  budgetOf(key).settle(record());
  expect(keys.counters(key.id)).toMatchObject([{ currentValue: 0 }]);
});
