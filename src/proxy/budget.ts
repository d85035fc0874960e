/** What one request of a key holds of its budgets: an estimate before it is sent, the true figures when it has ended. */
import type { LimitBook, Reservation } from "../core/limit-book.ts";
import { refusalForBudget } from "../core/key-refusal.ts";
import { countedRequest } from "../core/limits.ts";
import { type PriceTable, priceOf } from "../core/pricing.ts";
import type { RequestRecord } from "../core/record.ts";
import type { Refusal } from "../core/refusal.ts";
import type { PooledKey } from "../pool/keys.ts";
import type { Clock } from "../ports.ts";
import type { ClientPresence } from "./engine.ts";

/** What a request is expected to use, as far as it says. */
export interface BudgetAsk {
  /** As it will be sent upstream. */
  model: string;
  serviceTier: string | null;
  bodyBytes: number;
  client: ClientPresence;
}

/** One request's part in the budgets of its key. Every reservation ends in `settle`, whatever became of the request. */
export interface Budget {
  /** Holds an estimate, or says why not. Waits, bounded, for other requests of the key to settle, unless the client leaves. */
  reserve(ask: BudgetAsk): Promise<Refusal | null>;
  /** Counts what the record says was used; nothing at all when nothing was reserved. */
  settle(record: RequestRecord): void;
}

export interface BudgetPorts {
  book: LimitBook;
  clock: Clock;
  prices(): PriceTable;
  /** How long a request waits for room that others hold. */
  waitMs(): number;
}

/** Requests that wait hold their bodies in memory; beyond this many of one key a refusal is kinder than a longer queue. */
const MAX_WAITING_PER_KEY = 1_000;

/** Makes the budget of one request of `key`. */
export function createBudgets({ book, clock, prices, waitMs }: BudgetPorts): (key: PooledKey) => Budget {
  const waiting = new Map<string, number>();

  function ask(key: PooledKey, { model, serviceTier, bodyBytes }: BudgetAsk) {
    const tokens = book.estimateTokens(key.id, bodyBytes);
    const costMicros = countsCost(key)
      ? priceOf({ ...tokens, model, serviceTier, cachedInputTokens: 0 }, prices()).totalMicros
      : 0;
    return book.reserve(key.id, { model, estimate: { ...tokens, costMicros }, nowMs: clock.now() });
  }

  /** Until `freed`, the deadline, or the client's leaving. */
  async function wait(
    keyId: string,
    freed: Promise<void>,
    limitMs: number,
    client: ClientPresence,
  ): Promise<void> {
    waiting.set(keyId, (waiting.get(keyId) ?? 0) + 1);
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = clock.schedule(limitMs, resolve);
    const unregister = client.onLeave(resolve);
    await Promise.race([freed, promise]);
    timer.cancel();
    unregister();
    const left = waiting.get(keyId)! - 1;
    if (left > 0) waiting.set(keyId, left);
    else waiting.delete(keyId);
  }

  return (key) => {
    let reservation: Reservation | null = null;
    return {
      async reserve(wanted) {
        const deadline = clock.monotonic() + waitMs();
        for (;;) {
          const admission = ask(key, wanted);
          if (admission.kind === "admitted") {
            ({ reservation } = admission);
            return null;
          }
          const leftMs = deadline - clock.monotonic();
          const hopeless =
            admission.kind === "refused" ||
            leftMs <= 0 ||
            wanted.client.left() ||
            (waiting.get(key.id) ?? 0) >= MAX_WAITING_PER_KEY;
          if (hopeless) return refusalForBudget(admission, clock.now());
          await wait(key.id, admission.freed, leftMs, wanted.client);
          const refused = key.refuse(null);
          if (refused) return refused;
        }
      },
      settle(record) {
        reservation?.settle(countedRequest(record));
      },
    };
  };
}

/** Pricing an estimate costs a few microseconds, which most keys need not spend. */
function countsCost({ settings, limits }: PooledKey): boolean {
  return settings.balanceEnabled || limits.some(({ limitType }) => limitType === "cost_usd");
}
