/** The quota that clients see: the pool's, or that of the accounts which their key may use, in every place where upstream tells one account's. */
import {
  isQuotaHeader,
  type PooledUsage,
  poolUsage,
  type PoolIdentity,
  usageBody,
  usageEvent,
  usageHeaders,
} from "../core/windows-pool.ts";
import type { AccountState } from "../core/account.ts";
import type { Pool } from "../pool/pool.ts";
import type { Clock } from "../ports.ts";

/** null: every account. */
export type AllowedAccounts = ReadonlySet<string> | null;

export interface PooledQuota {
  /** Body of `GET wham/usage`. */
  body(allowed: AllowedAccounts, identity: PoolIdentity): Record<string, unknown>;
  /** A `codex.rate_limits` event as JSON text. */
  event(allowed: AllowedAccounts): string;
  /** `headers` of a reply with the pool's quota in place of the account's. */
  inHeaders(headers: readonly [string, string][], allowed: AllowedAccounts): [string, string][];
}

/** Figures are this old at most: combining a thousand accounts for every reply would cost more than the reply. */
const FRESH_MS = 1_000;

/** Accounts that serve, or will again by themselves. */
const IN_ROTATION: ReadonlySet<AccountState> = new Set<AccountState>([
  "active",
  "rate_limited",
  "quota_exceeded",
]);

interface Figures {
  atMs: number;
  usage: PooledUsage;
  headers: [string, string][];
  event: string;
}

export function createPooledQuota({ pool, clock }: { pool: Pool; clock: Clock }): PooledQuota {
  let all: Figures | null = null;
  /** A key's set of accounts is one object for as long as it does not change. */
  let some = new WeakMap<ReadonlySet<string>, Figures>();
  pool.onChange((change) => {
    // Windows move with every reply; who can serve must be told at once.
    if (change.kind === "windows") return;
    all = null;
    some = new WeakMap();
  });

  function compute(allowed: AllowedAccounts, nowMs: number): Figures {
    const members = pool
      .list()
      .filter(({ id, state }) => IN_ROTATION.has(state) && (allowed === null || allowed.has(id)));
    const usage = poolUsage(members, nowMs);
    return { atMs: nowMs, usage, headers: usageHeaders(usage), event: JSON.stringify(usageEvent(usage)) };
  }

  function figures(allowed: AllowedAccounts): Figures {
    const nowMs = clock.now();
    const known = allowed === null ? all : some.get(allowed);
    if (known && nowMs - known.atMs < FRESH_MS && nowMs >= known.atMs) return known;
    const fresh = compute(allowed, nowMs);
    if (allowed === null) all = fresh;
    else some.set(allowed, fresh);
    return fresh;
  }

  return {
    body: (allowed, identity) => usageBody(figures(allowed).usage, identity, clock.now()),
    event: (allowed) => figures(allowed).event,
    inHeaders: (headers, allowed) => [
      ...headers.filter(([name]) => !isQuotaHeader(name)),
      ...figures(allowed).headers,
    ],
  };
}
