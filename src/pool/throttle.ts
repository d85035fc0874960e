/** A brake on guessing: who is wrong too often waits longer and longer, each address for itself, and strangers all together. */
import { networkOf } from "../core/cidr.ts";
import { CodedError } from "../core/errors.ts";
import type { Clock } from "../ports.ts";

/** Who guesses: an address that no header can choose (http/locality.ts). */
export interface Guesser {
  ip: string;
  /** On this machine; never held up for longer than a few seconds, and not by what strangers do. */
  isLocal: boolean;
}

export interface Throttle {
  /** Throws CodedError `rate_limited` (429) while this address has to wait. */
  check(guesser: Guesser): void;
  /** Counts a failure. For an answer that takes time: count first, and take it back, so that parallel guesses do not slip through. */
  failed(guesser: Guesser): void;
  /** Takes the last failure back, and no more: what a guest may know must not help to guess what they may not. */
  forgiven(guesser: Guesser): void;
  /** Whether this address has succeeded before. On this machine: always. */
  knows(guesser: Guesser): boolean;
  /** Forgets the failures; from then on strangers' failures do not hold this address up. */
  succeeded(guesser: Guesser): void;
}

/** Typing errors. */
const FREE_FAILURES = 5;
const MAX_WAIT_MS = 15 * 60_000;
/** Other programs on this machine may guess as well; the owner gets in between. */
const MAX_LOCAL_WAIT_MS = 5_000;
/** An address that stopped guessing for this long starts afresh. */
const FORGET_AFTER_MS = 60 * 60_000;
/** Failures of all strangers in one period; a botnet has many addresses. */
const MAX_STRANGERS_FAILURES = 200;
const PERIOD_MS = 15 * 60_000;
/** At about 100 bytes each this is a megabyte; the oldest go first. */
const MAX_ADDRESSES = 10_000;

interface Record {
  failures: number;
  lastAtMs: number;
  waitUntilMs: number;
}

/** From the `freeFailures`th failure (default 5) on, each one doubles the wait, from one second. */
export function createThrottle(clock: Clock, { freeFailures = FREE_FAILURES } = {}): Throttle {
  const records = new Map<string, Record>();
  const trusted = new Set<string>();
  let period = { startMs: 0, failures: 0 };

  function strangersMustWaitUntil(key: string, now: number): number {
    if (key === LOCAL || trusted.has(key) || period.failures < MAX_STRANGERS_FAILURES) return 0;
    return now - period.startMs < PERIOD_MS ? period.startMs + PERIOD_MS : 0;
  }

  return {
    check(guesser) {
      const now = clock.now();
      const key = keyOf(guesser);
      const own = records.get(key)?.waitUntilMs ?? 0;
      const untilMs = Math.max(own, strangersMustWaitUntil(key, now));
      if (untilMs <= now) return;
      throw new CodedError("rate_limited", "Too many wrong attempts. Wait, then try again.", {
        status: 429,
        retryAfterSeconds: Math.ceil((untilMs - now) / 1000),
      });
    },
    failed(guesser) {
      const now = clock.now();
      const key = keyOf(guesser);
      const old = records.get(key);
      const failures = old && now - old.lastAtMs < FORGET_AFTER_MS ? old.failures + 1 : 1;
      const wait = failures < freeFailures ? 0 : 1000 * 2 ** Math.min(failures - freeFailures, 20);
      const longest = guesser.isLocal ? MAX_LOCAL_WAIT_MS : MAX_WAIT_MS;
      records.delete(key);
      records.set(key, { failures, lastAtMs: now, waitUntilMs: now + Math.min(wait, longest) });
      if (records.size > MAX_ADDRESSES) records.delete(records.keys().next().value!);
      if (key === LOCAL || trusted.has(key)) return;
      if (now - period.startMs >= PERIOD_MS) period = { startMs: now, failures: 0 };
      period.failures++;
    },
    knows(guesser) {
      const key = keyOf(guesser);
      return key === LOCAL || trusted.has(key);
    },
    forgiven(guesser) {
      const record = records.get(keyOf(guesser));
      if (record === undefined) return;
      record.failures--;
      record.waitUntilMs = 0;
    },
    succeeded(guesser) {
      const key = keyOf(guesser);
      records.delete(key);
      if (key === LOCAL) return;
      trusted.delete(key);
      trusted.add(key);
      if (trusted.size > MAX_ADDRESSES) trusted.delete(trusted.keys().next().value!);
    },
  };
}

const LOCAL = "local";

/** One customer of a provider holds a whole /64 of IPv6, and could take another address for every guess. */
function keyOf({ ip, isLocal }: Guesser): string {
  return isLocal ? LOCAL : networkOf(ip, { ipv4: 32, ipv6: 64 });
}
