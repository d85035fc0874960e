/**
 * The budgets of all keys in memory: who may send now, what requests in flight hold, and what is counted.
 *
 * A request is admitted when every limit that covers it (and the key's prepaid balance, if it has one) has room for what is
 * counted, what others in flight hold, and its own estimate; or, while nothing else is held, when there is any room at all.
 * So the last request may overshoot, and only that one, as long as no request turns out larger than its estimate. Estimates
 * are therefore generous: holding too much only makes requests near the end of a budget wait for one another.
 */
import {
  BALANCE_BUSY_MESSAGE,
  balanceSpentMessage,
  limitBusyMessage,
  limitSpentMessage,
} from "./limit-words.ts";
import {
  amountFor,
  type Amounts,
  type Counted,
  type KeyLimit,
  limitCovers,
  limitWindowAt,
  rebuildCounter,
} from "./limits.ts";
import { BYTES_PER_TOKEN } from "./usage-tokens.ts";

/** A limit with its counter. */
export interface LimitCounter extends KeyLimit {
  currentValue: number;
  /** Estimates of requests in flight; part of neither `currentValue` nor anything that is stored. */
  reserved: number;
  resetAtMs: number;
}

/** Held from before the request is sent until it ends. Exactly one of the two, once; later calls do nothing. */
export interface Reservation {
  /** Counts what the request used: what the log records of it, also when it failed after using something. */
  settle(used: Counted): void;
  /** The request used nothing. */
  release(): void;
}

export type Admission =
  | { kind: "admitted"; reservation: Reservation }
  /** Room is left but held by requests in flight: wait for `freed`, then ask again. It resolves when the next one ends. */
  | { kind: "busy"; message: string; freed: Promise<void> }
  | {
      kind: "refused";
      code: "rate_limit_exceeded" | "balance_exhausted";
      message: string;
      /** null for the balance, and the other way round. */
      limit: LimitCounter | null;
      /** When asking again makes sense, ms since the epoch; null: when the operator has added credit. */
      resetAtMs: number | null;
    };

/** What a key's first request is held to be: larger than nearly all. Its body tells little, as it may continue a stored response. */
const FIRST_ESTIMATE: Tokens = { inputTokens: 128_000, outputTokens: 16_000 };
/** How fast the first estimate gives way to what was seen: to a half with every seven requests. */
const FIRST_ESTIMATE_FADE = 0.9;
/** How fast a key's largest request is forgotten: to two thirds within twenty smaller ones ... */
const PEAK_FADE = 0.98;
/** ... which this makes up for, so that a large request among twenty small ones still fits its estimate. */
const PEAK_HEADROOM = 1.5;

interface Tokens {
  inputTokens: number;
  outputTokens: number;
}

interface LimitState {
  limit: KeyLimit;
  startMs: number;
  resetAtMs: number;
  value: number;
  reserved: number;
}

interface KeyState {
  limits: LimitState[];
  balanceMicros: number | null;
  /** Cost estimates of all requests in flight. */
  reservedMicros: number;
  /** Both fade; the estimate is the larger one. */
  firstEstimate: Tokens;
  peak: Tokens;
  /** Present while somebody waits. */
  freed: PromiseWithResolvers<void> | null;
}

export type LimitBook = ReturnType<typeof createLimitBook>;

export function createLimitBook() {
  const keys = new Map<string, KeyState>();

  function keyState(keyId: string): KeyState {
    let key = keys.get(keyId);
    if (key === undefined) {
      key = newKey();
      keys.set(keyId, key);
    }
    return key;
  }

  return {
    /**
     * Replaces a key's limits. Counters of limits that stay (same id and anchor) go on; those of others are rebuilt from
     * `counted`: empty for a limit that begins now, at boot what `rebuildSpans` says.
     */
    setLimits(
      keyId: string,
      limits: readonly KeyLimit[],
      at: { nowMs: number; counted: readonly Counted[] },
    ): void {
      const key = keyState(keyId);
      key.limits = limits.map((limit) => {
        const old = key.limits.find((state) => state.limit.id === limit.id);
        if (old?.limit.anchorMs === limit.anchorMs) return Object.assign(old, { limit });
        return {
          limit,
          ...limitWindowAt(limit, at.nowMs),
          value: rebuildCounter(limit, at.counted, at.nowMs),
          reserved: 0,
        };
      });
      wake(key);
    },

    /** At boot and when balances are switched on or off: the sum of the key's ledger in micro-dollars; null: not charged. */
    setBalance(keyId: string, micros: number | null): void {
      const key = keyState(keyId);
      key.balanceMicros = micros;
      wake(key);
    },

    /** A credit (positive) or correction, as it was put in the ledger. Nothing happens to a key without a balance. */
    addCredit(keyId: string, micros: number): void {
      const key = keyState(keyId);
      if (key.balanceMicros !== null) key.balanceMicros += micros;
      wake(key);
    },

    /** Forgets a deleted key. Its requests in flight may still settle; those that wait must be turned away by who admits keys. */
    removeKey(keyId: string): void {
      const key = keys.get(keyId);
      keys.delete(keyId);
      if (key) wake(key);
    },

    /** What a request of this size will probably use at most, from its body and the key's recent requests. */
    estimateTokens(keyId: string, bodyBytes: number): Tokens {
      const { firstEstimate, peak } = keys.get(keyId) ?? newKey();
      const expected = mapTokens((part) => Math.max(1, firstEstimate[part], peak[part] * PEAK_HEADROOM));
      return {
        inputTokens: Math.ceil(Math.max(expected.inputTokens, bodyBytes / BYTES_PER_TOKEN)),
        outputTokens: Math.ceil(expected.outputTokens),
      };
    },

    /** Asks for room. `model` is the one that will be sent upstream; `estimate` is that of `estimateTokens`, priced by the caller. */
    reserve(keyId: string, request: { model: string | null; estimate: Amounts; nowMs: number }): Admission {
      const key = keyState(keyId);
      for (const state of key.limits) roll(state, request.nowMs);
      const covering = key.limits.filter(({ limit }) => limitCovers(limit, request.model));
      return (
        refusalOf(key, covering, request.nowMs) ??
        busyOf(key, covering, request.estimate) ?? {
          kind: "admitted",
          reservation: hold(key, covering, request.estimate),
        }
      );
    },

    counters(keyId: string, nowMs: number): LimitCounter[] {
      return (keys.get(keyId)?.limits ?? []).map((state) => {
        roll(state, nowMs);
        return counterOf(state);
      });
    },

    /** Micro-dollars; below zero by less than what the last request cost. null: the key has no balance. */
    balanceMicros(keyId: string): number | null {
      return keys.get(keyId)?.balanceMicros ?? null;
    },
  };
}

function newKey(): KeyState {
  const nothing = { inputTokens: 0, outputTokens: 0 };
  return {
    limits: [],
    balanceMicros: null,
    reservedMicros: 0,
    firstEstimate: FIRST_ESTIMATE,
    peak: nothing,
    freed: null,
  };
}

/** The spent limit that resets last, because all must hold; or the spent balance. */
function refusalOf(key: KeyState, covering: LimitState[], nowMs: number): Admission | null {
  if (key.balanceMicros !== null && key.balanceMicros <= 0) {
    const message = balanceSpentMessage(key.balanceMicros);
    return { kind: "refused", code: "balance_exhausted", message, limit: null, resetAtMs: null };
  }
  const spent = covering.filter(({ limit, value }) => value >= limit.maxValue);
  const last = spent.toSorted((a, b) => b.resetAtMs - a.resetAtMs)[0];
  if (last === undefined) return null;
  const limit = counterOf(last);
  const message = limitSpentMessage(limit, nowMs);
  return { kind: "refused", code: "rate_limit_exceeded", message, limit, resetAtMs: last.resetAtMs };
}

function busyOf(key: KeyState, covering: LimitState[], estimate: Amounts): Admission | null {
  const full = covering.find(({ limit, value, reserved }) => {
    return !fits({ room: limit.maxValue - value, reserved, wanted: amountFor(limit.limitType, estimate) });
  });
  const { balanceMicros: room, reservedMicros: reserved } = key;
  if (full === undefined && (room === null || fits({ room, reserved, wanted: estimate.costMicros })))
    return null;
  key.freed ??= Promise.withResolvers<void>();
  const message = full === undefined ? BALANCE_BUSY_MESSAGE : limitBusyMessage(full.limit);
  return { kind: "busy", message, freed: key.freed.promise };
}

/** The rule at the top of the file; `room` is positive. Nothing reserved: somebody must be the last. */
function fits({ room, reserved, wanted }: { room: number; reserved: number; wanted: number }): boolean {
  return reserved === 0 || reserved + wanted <= room;
}

function hold(key: KeyState, covering: LimitState[], estimate: Amounts): Reservation {
  const held = covering.map((state) => {
    const amount = amountFor(state.limit.limitType, estimate);
    state.reserved += amount;
    return { state, startMs: state.startMs, amount };
  });
  key.reservedMicros += estimate.costMicros;
  let open = true;

  function end(used: Counted | null): void {
    if (!open) return;
    open = false;
    // A window that has begun since holds nothing of this request.
    for (const { state, startMs, amount } of held) if (state.startMs === startMs) state.reserved -= amount;
    key.reservedMicros -= estimate.costMicros;
    if (used !== null) count(key, used);
    wake(key);
  }
  return { settle: (used) => end(used), release: () => end(null) };
}

/** Counts in all limits that the key has by now, as rebuilding from the log would. */
function count(key: KeyState, used: Counted): void {
  for (const state of key.limits) {
    roll(state, used.atMs);
    if (used.atMs < state.startMs || !limitCovers(state.limit, used.model)) continue;
    state.value += amountFor(state.limit.limitType, used);
  }
  if (key.balanceMicros !== null) key.balanceMicros -= used.costMicros;
  if (used.inputTokens + used.outputTokens === 0) return;
  key.firstEstimate = mapTokens((part) => key.firstEstimate[part] * FIRST_ESTIMATE_FADE);
  key.peak = mapTokens((part) => Math.max(used[part], key.peak[part] * PEAK_FADE));
}

function mapTokens(value: (part: keyof Tokens) => number): Tokens {
  return { inputTokens: value("inputTokens"), outputTokens: value("outputTokens") };
}

function roll(state: LimitState, nowMs: number): void {
  if (nowMs < state.resetAtMs) return;
  Object.assign(state, limitWindowAt(state.limit, nowMs), { value: 0, reserved: 0 });
}

function wake(key: KeyState): void {
  key.freed?.resolve();
  key.freed = null;
}

function counterOf({ limit, value, reserved, resetAtMs }: LimitState): LimitCounter {
  return { ...limit, currentValue: value, reserved, resetAtMs };
}
