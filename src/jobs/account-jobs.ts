/** What the pool asks OpenAI about its accounts from time to time: usage, models, routing, and new tokens for idle ones. */
import type { UsageReading } from "../core/windows.ts";
import type { AccountRouting, Pool, PooledAccount } from "../pool/pool.ts";
import type { TokenKeeper } from "../pool/tokens.ts";
import type { Clock, Log, Random } from "../ports.ts";
import type { Job } from "./scheduler.ts";

/** What a small call to upstream came to. */
export type Asked<T> =
  { kind: "ok"; value: T } | { kind: "unauthorized"; code: string | null } | { kind: "failed"; code: string };

export interface AccountJobsPorts {
  pool: Pool;
  tokens: TokenKeeper;
  clock: Clock;
  random: Random;
  log: Log;
  usageIntervalMs: number;
  askUsage(account: PooledAccount): Promise<Asked<UsageReading>>;
  /** Brings the account's model lists up to date. */
  readModels(accountId: string): Promise<unknown>;
  askRouting(account: PooledAccount): Promise<Asked<AccountRouting>>;
}

export interface AccountJobs {
  jobs: Job[];
  /** Everything about one account, now: after an import or when somebody asks. */
  refresh(id: string): Promise<void>;
  /** The account's usage now. */
  probe(id: string): Promise<Asked<UsageReading>>;
  /** Any small call in an account's name: with a fresh token, and once more with a renewed one after a 401. */
  ask<T>(account: PooledAccount, ask: () => Promise<Asked<T>>): Promise<Asked<T>>;
  /** Answers that still come are dropped: there is nothing left to write them to. */
  stop(): void;
}

/** What upstream's code on a 401 says of the login; any other says nothing certain. */
const REFUSAL_BY_CODE: Record<string, "deactivated" | "reauth"> = {
  account_deactivated: "deactivated",
  token_invalidated: "reauth",
  token_revoked: "reauth",
};

const STOPPED = { kind: "failed", code: "server_shutdown" } as const;

/** The accounts take turns over the interval, but one turn is never shorter or longer than this. */
const MIN_TURN_MS = 50;
const MAX_TURN_MS = 5_000;
/** Model lists and routing change with releases and contracts, not by the minute. */
const CATALOGUE_INTERVAL_MS = 30 * 60_000;
/** The guardian looks once a minute and renews what ends within the hour, one at a time. */
const GUARDIAN_INTERVAL_MS = 60_000;
const GUARDIAN_AHEAD_MS = 60 * 60_000;
/** Logins are renewed at random moments of this span, so that a pool imported at once does not renew at once. */
const GUARDIAN_JITTER_MS = 45 * 60_000;
/** Heals states whose time has passed, so that pages and waiting requests learn of it. */
const TICK_MS = 1_000;

export function createAccountJobs(ports: AccountJobsPorts): AccountJobs {
  const { pool, tokens, clock, random, log } = ports;
  const usageAskedAt = new Map<string, number>();
  const catalogueAskedAt = new Map<string, number>();
  const guardianJitter = new Map<string, number>();
  let stopped = false;

  /** Accounts that can be asked anything: a login that is lost would only be refused again. */
  function askable(): PooledAccount[] {
    return pool.list().filter(({ state }) => state !== "reauth_required" && state !== "deactivated");
  }

  /** Asks with a fresh token, once more after a 401 with a renewed one, and draws the consequence when that fails too. */
  async function withToken<T>(account: PooledAccount, ask: () => Promise<Asked<T>>): Promise<Asked<T>> {
    const token = await (tokens.ensure(account.id) ?? null);
    if (token && token.kind !== "fresh") return lost(account, token);
    if (stopped) return STOPPED;
    const used = account.credentials;
    const first = await ask();
    if (stopped) return STOPPED;
    if (first.kind !== "unauthorized") {
      if (first.kind === "ok") pool.accepted(account.id);
      return first;
    }
    const renewed = await tokens.refresh(account.id, "unauthorized_recovery", used);
    if (renewed.kind !== "fresh") return lost(account, renewed);
    const second = await ask();
    if (stopped) return STOPPED;
    if (second.kind === "unauthorized") {
      const code = second.code ?? "unauthorized";
      const reason = `Upstream refuses its login even with a fresh token (${code}); log in again.`;
      pool.apply(account.id, { kind: REFUSAL_BY_CODE[code] ?? "refused", reason });
    } else if (second.kind === "ok") pool.accepted(account.id);
    return second;
  }
  function lost<T>(
    account: PooledAccount,
    token: { kind: "login_lost"; code: string; reason: string } | { kind: "failed"; code: string },
  ): Asked<T> {
    if (token.kind === "login_lost") pool.apply(account.id, { kind: "reauth", reason: token.reason });
    return { kind: "failed", code: token.code };
  }

  async function probe(id: string): Promise<Asked<UsageReading>> {
    const account = pool.get(id);
    if (!account) return { kind: "failed", code: "account_not_found" };
    usageAskedAt.set(id, clock.monotonic());
    const askedAtMs = clock.now();
    const asked = await withToken(account, () => ports.askUsage(account));
    if (asked.kind === "ok") pool.read(id, asked.value, askedAtMs);
    else log.debug("usage not read", { account: id, code: asked.code });
    return asked;
  }

  async function catalogue(account: PooledAccount): Promise<void> {
    catalogueAskedAt.set(account.id, clock.monotonic());
    const routing = await withToken(account, () => ports.askRouting(account));
    if (routing.kind === "ok") pool.setRouting(account.id, routing.value);
    if (pool.get(account.id)) await ports.readModels(account.id);
  }

  /** The askable account that waited longest for its turn, when one is due. */
  function nextDue(askedAt: Map<string, number>, intervalMs: number): PooledAccount | null {
    const due = clock.monotonic() - intervalMs;
    let next: PooledAccount | null = null;
    let oldest = due;
    for (const account of askable()) {
      const at = askedAt.get(account.id) ?? Number.NEGATIVE_INFINITY;
      if (at <= oldest) {
        oldest = at;
        next = account;
      }
    }
    return next;
  }
  const turnMs = (intervalMs: number) =>
    Math.min(MAX_TURN_MS, Math.max(MIN_TURN_MS, intervalMs / Math.max(1, pool.list().length) / 2));

  /** A token that nobody uses still has to be renewed before it ends, or its login goes stale. */
  async function guard(): Promise<void> {
    const now = clock.now();
    for (const account of askable()) {
      const { credentials } = account;
      if (credentials.kind !== "chatgpt" || credentials.accessExpiresAtMs === null) continue;
      const jitter = guardianJitter.get(account.id) ?? random.next() * GUARDIAN_JITTER_MS;
      guardianJitter.set(account.id, jitter);
      if (credentials.accessExpiresAtMs - now > GUARDIAN_AHEAD_MS - jitter) continue;
      const state = await tokens.refresh(account.id, "scheduled");
      guardianJitter.delete(account.id);
      if (state.kind === "login_lost") pool.apply(account.id, { kind: "reauth", reason: state.reason });
      return;
    }
  }

  pool.onChange((change) => {
    if (change.kind !== "removed") return;
    for (const map of [usageAskedAt, catalogueAskedAt, guardianJitter]) map.delete(change.account.id);
  });

  return {
    probe,
    ask: withToken,
    stop() {
      stopped = true;
    },
    async refresh(id) {
      const account = pool.get(id);
      if (!account) return;
      await probe(id);
      await catalogue(account);
    },
    jobs: [
      { name: "heal", everyMs: () => TICK_MS, run: () => pool.tick() },
      {
        name: "read usage",
        everyMs: () => turnMs(ports.usageIntervalMs),
        async run() {
          const account = nextDue(usageAskedAt, ports.usageIntervalMs);
          if (account) await probe(account.id);
        },
      },
      {
        name: "read models and routing",
        everyMs: () => turnMs(CATALOGUE_INTERVAL_MS),
        async run() {
          const account = nextDue(catalogueAskedAt, CATALOGUE_INTERVAL_MS);
          if (account) await catalogue(account);
        },
      },
      { name: "renew idle logins", everyMs: () => GUARDIAN_INTERVAL_MS, run: guard },
    ],
  };
}
