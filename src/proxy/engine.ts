/** The one attempt engine: picks an account, makes an attempt, reads its outcome, moves on. Every transport plugs into it. */
import type { Credentials } from "../core/account.ts";
import { type AffinityVerdict, affinityVerdict, type ConversationKey } from "../core/affinity.ts";
import type { AttemptRecord } from "../core/record.ts";
import { type Refusal, refusalForFailure, refusalForNoAccount } from "../core/refusal.ts";
import {
  type AttemptHistory,
  type AttemptLimits,
  decide,
  type Failure,
  readFailure,
  type Seen,
} from "../core/retry.ts";
import type { Verdict } from "../core/selection.ts";
import type { DashboardSettings } from "../core/settings.ts";
import type { Lease, Pool, PooledAccount } from "../pool/pool.ts";
import type { TokenKeeper } from "../pool/tokens.ts";
import type { WaitingRoom } from "../pool/waiting.ts";
import type { Clock, Log, Random } from "../ports.ts";
import { type ApiKeyLane, accountIdOf, laneOf } from "./api-key-lane.ts";
import { type ClientPresence, pause, unlessLeft } from "./client-presence.ts";
import { lostOwner, ownedBy, turnStateOwnerOf } from "./ownership.ts";

export type { ClientPresence } from "./client-presence.ts";

/** What the engine must know of a request, whatever its transport. */
export interface RoutedRequest {
  requestId: string;
  receivedAtMs: number;
  /** On the monotonic clock. */
  receivedAt: number;
  model: string | null;
  keys: readonly ConversationKey[];
  keyId: string | null;
  /** null: every account. */
  allowedAccountIds: ReadonlySet<string> | null;
  /** The API-key lane may serve it when no account of the pool can. */
  mayUseApiKeyLane: boolean;
  client: ClientPresence;
}

export interface AttemptContext {
  account: PooledAccount;
  /** The request carries a turn state of another account, which must not travel (UPSTREAM I). */
  dropTurnState: boolean;
  /** What the account cannot read (reasoning, compaction, encrypted items) is to be taken out. */
  strip: boolean;
}

/** Upstream's own answer to a request that is itself at fault, to be passed on. */
export interface UpstreamAnswer {
  status: number;
  headers: [string, string][];
  body: Uint8Array;
}

export type Attempted<T> =
  | { kind: "committed"; value: T; connectMs: number | null }
  | { kind: "failed"; seen: Seen; answer: UpstreamAnswer | null; connectMs: number | null };

/** What happened on the way, for the log row, `Server-Timing` and "why this account?". */
export interface Trace {
  attempts: AttemptRecord[];
  verdict: Verdict | null;
  affinity: AffinityVerdict;
  queueMs: number;
  selectMs: number;
  refreshMs: number;
  connectMs: number | null;
}

/** How a request ended. */
type Ending<T> =
  | { kind: "committed"; value: T; lease: Lease }
  | { kind: "answer"; answer: UpstreamAnswer; account: PooledAccount; failure: Failure | null }
  | { kind: "refused"; refusal: Refusal; account: PooledAccount | null; failure: Failure | null }
  | { kind: "left"; account: PooledAccount | null };

export type Routed<T> = { trace: Trace } & Ending<T>;

/** One request on its way from account to account. */
interface Run<T> {
  request: RoutedRequest;
  attempt(context: AttemptContext): Promise<Attempted<T>>;
  trace: Trace;
  /** The account whose turn state it carries. */
  turnStateOwner: string | null;
  history: AttemptHistory;
  /** The last failure; null: none yet. */
  failure: Failure | null;
}

/** Nobody can serve for longer than a pause: what the API-key lane is for. */
const LANE_SERVES_AFTER: ReadonlySet<string> = new Set(["usage_limit_reached", "no_accounts"]);

/** Enough to pass over several broken accounts; a request that met this many has a problem of its own. */
const LIMITS: AttemptLimits = { maxAttempts: 32, maxElapsedMs: 120_000 };

export interface EnginePorts {
  pool: Pool;
  tokens: TokenKeeper;
  waiting: WaitingRoom;
  clock: Clock;
  random: Random;
  log: Log;
  settings(): DashboardSettings;
  /** null: no API key is configured. */
  apiKeyLane: ApiKeyLane | null;
}

export interface Engine {
  /** Runs `attempt` on one account after another until one commits. The committed lease is the caller's to release. */
  route<T>(
    request: RoutedRequest,
    attempt: (context: AttemptContext) => Promise<Attempted<T>>,
  ): Promise<Routed<T>>;
}

export function createEngine(ports: EnginePorts): Engine {
  const { pool, tokens, waiting, clock, random, log, settings } = ports;

  async function acquire(
    request: RoutedRequest,
    how: { allowed: ReadonlySet<string> | null; excluded: ReadonlySet<string>; keep: string | null },
    trace: Trace,
  ): Promise<Lease | null> {
    const started = clock.monotonic();
    function tryNow(): Lease | "full" | null {
      const { verdict, lease } = pool.acquire({
        model: request.model,
        allowedAccountIds: how.allowed,
        excludedIds: how.excluded,
        keepAccountId: how.keep,
      });
      trace.verdict = verdict;
      return lease ?? (isFull(verdict) ? "full" : null);
    }
    let taken = tryNow();
    if (taken !== "full") {
      trace.selectMs += clock.monotonic() - started;
      return taken;
    }
    await waiting.wait({
      keyId: request.keyId ?? "",
      waitMs: settings().queueWaitSeconds * 1000,
      onLeave: request.client.onLeave,
      tryNow() {
        taken = tryNow();
        return taken !== "full";
      },
    });
    trace.queueMs += clock.monotonic() - started;
    return taken === "full" ? null : taken;
  }

  /**
   * The account's token made usable, or the failure that says why it is not. `refused`: what upstream answered 401 to. A client that
   * leaves meanwhile ends the wait, not the renewal.
   */
  async function freshToken(
    account: PooledAccount,
    { refused, client, trace }: { refused: Credentials | null; client: ClientPresence; trace: Trace },
  ): Promise<Failure | "left" | null> {
    const pending = refused
      ? tokens.refresh(account.id, "unauthorized_recovery", refused)
      : tokens.ensure(account.id);
    if (pending === null) return null;
    const started = clock.monotonic();
    const result = await unlessLeft(client, pending);
    trace.refreshMs += clock.monotonic() - started;
    if (result === null || client.left()) return "left";
    switch (result.kind) {
      case "fresh":
        return null;
      case "login_lost":
        return {
          cause: "account_invalid",
          code: result.code,
          message: "",
          untilMs: null,
          effect: { kind: "reauth", reason: result.reason },
        };
      case "failed":
        return { cause: "network", code: result.code, message: "", untilMs: null, effect: { kind: "none" } };
    }
  }

  function laneInstead(
    request: RoutedRequest,
    refusal: Refusal,
    excluded: ReadonlySet<string>,
  ): Lease | null {
    const isOpen = request.mayUseApiKeyLane && settings().lanes.apiKey;
    if (!isOpen || !LANE_SERVES_AFTER.has(refusal.code)) return null;
    const lease = ports.apiKeyLane?.lease() ?? null;
    return lease === null || excluded.has(lease.account.id) ? null : lease;
  }

  function record(
    trace: Trace,
    account: PooledAccount,
    outcome: string,
    status: number | null,
    started: number,
  ): void {
    trace.attempts.push({
      accountId: accountIdOf(account),
      outcome,
      status,
      ms: clock.monotonic() - started,
    });
  }

  /** Attempts on one account until one is the request's end; null: the next account is to be tried. */
  async function tryAccount<T>(run: Run<T>, lease: Lease): Promise<Ending<T> | null> {
    const { request, trace, history, turnStateOwner } = run;
    const { client } = request;
    const { account } = lease;
    history.attemptsOnAccount = 0;
    history.refreshedOnAccount = account.credentials.kind !== "chatgpt";
    let refused: Credentials | null = null;
    for (;;) {
      const started = clock.monotonic();
      history.attempts++;
      history.attemptsOnAccount++;
      let answer: UpstreamAnswer | null = null;
      let status: number | null = null;
      let failure = await freshToken(account, { refused, client, trace });
      if (failure === "left") {
        record(trace, account, "client_left", null, started);
        return { kind: "left", account };
      }
      const used = account.credentials;
      if (!failure) {
        const dropTurnState = turnStateOwner !== null && turnStateOwner !== account.id;
        const attempted = await run.attempt({ account, dropTurnState, strip: history.stripped });
        trace.connectMs = attempted.connectMs;
        if (attempted.kind === "committed") {
          record(trace, account, "relay", 200, started);
          if (laneOf(account) === "pool") bind(request, account.id);
          return { kind: "committed", value: attempted.value, lease };
        }
        if (client.left()) {
          record(trace, account, "client_left", null, started);
          return { kind: "left", account };
        }
        ({ answer } = attempted);
        ({ status } = attempted.seen);
        failure = readFailure(attempted.seen, {
          nowMs: clock.now(),
          windows: account.windows,
          model: request.model ?? "",
          jitter: random.next(),
          refreshedOnAccount: history.refreshedOnAccount,
        });
        if (!failure && answer) {
          record(trace, account, "relay", status, started);
          return { kind: "answer", answer, account, failure };
        }
        failure ??= UNREADABLE;
        if (failure.effect.kind === "reauth" && account.credentials !== used) {
          // What upstream refuses is the login before this one.
          failure = { ...failure, cause: "unauthorized", effect: { kind: "none" } };
          history.refreshedOnAccount = false;
        }
      }
      run.failure = failure;
      record(trace, account, failure.cause, status, started);
      pool.apply(account.id, failure.effect);
      const { cause, code } = failure;
      log.info("attempt failed", { request: request.requestId, account: account.id, cause, code, status });
      history.elapsedMs = clock.monotonic() - request.receivedAt;
      const outcome = decide(failure, history, LIMITS);
      switch (outcome.kind) {
        case "refresh_token":
          history.refreshedOnAccount = true;
          refused = used;
          break;
        case "same_account":
          await pause(clock, outcome.afterMs, client);
          if (client.left()) return { kind: "left", account };
          break;
        case "strip_and_retry":
          history.stripped = true;
          break;
        case "next_account":
          return null;
        case "give_up": {
          if (outcome.answer === "upstream" && answer) return { kind: "answer", answer, account, failure };
          const refusal = refusalForFailure(failure, clock.now());
          return { kind: "refused", refusal, account, failure };
        }
      }
    }
  }

  return {
    async route<T>(request: RoutedRequest, attempt: Run<T>["attempt"]): Promise<Routed<T>> {
      const affinity = affinityVerdict({
        keys: request.keys,
        map: pool.affinity,
        nowMs: request.receivedAtMs,
        sticky: settings().stickyThreadsEnabled,
        whyNot: (id) => pool.whyNot(id, request.model),
      });
      const trace: Trace = {
        attempts: [],
        verdict: null,
        affinity,
        queueMs: 0,
        selectMs: 0,
        refreshMs: 0,
        connectMs: null,
      };
      if (affinity.kind === "move" && affinity.lostOwner) {
        return {
          kind: "refused",
          refusal: lostOwner(affinity.lostOwner),
          account: null,
          failure: null,
          trace,
        };
      }
      const owned = ownedBy(request, pool);
      if (owned && request.allowedAccountIds?.has(owned.accountId) === false) {
        return { kind: "refused", refusal: lostOwner(owned.key), account: null, failure: null, trace };
      }
      const how = {
        allowed: owned === null ? request.allowedAccountIds : new Set([owned.accountId]),
        excluded: new Set<string>(),
        keep: affinity.kind === "keep" ? affinity.accountId : null,
      };
      const run: Run<T> = {
        request,
        attempt,
        trace,
        turnStateOwner: turnStateOwnerOf(request, pool),
        history: {
          attempts: 0,
          attemptsOnAccount: 0,
          refreshedOnAccount: false,
          stripped: false,
          shown: false,
          elapsedMs: 0,
        },
        failure: null,
      };
      let account: PooledAccount | null = null;
      for (;;) {
        let lease = await acquire(request, how, trace);
        if (request.client.left()) {
          lease?.release();
          return { kind: "left", account, trace };
        }
        if (!lease) {
          const { failure } = run;
          const refusal = owned === null ? noAccount(request, trace, failure) : lostOwner(owned.key);
          lease = laneInstead(request, refusal, how.excluded);
          if (!lease) return { kind: "refused", refusal, account, failure, trace };
        }
        ({ account } = lease);
        let routed: Ending<T> | null = null;
        try {
          routed = await tryAccount(run, lease);
        } finally {
          if (routed?.kind !== "committed") lease.release();
        }
        if (routed) return { ...routed, trace };
        how.excluded.add(account.id);
        if (how.keep === account.id) how.keep = null;
      }
    },
  };

  function bind(request: RoutedRequest, accountId: string): void {
    const now = clock.now();
    for (const key of request.keys) {
      if (key.kind !== "response" && key.kind !== "file" && key.kind !== "turn_state") {
        pool.affinity.set(key, accountId, now);
      }
    }
  }

  function noAccount(request: RoutedRequest, trace: Trace, failure: Failure | null): Refusal {
    return refusalForNoAccount({
      nowMs: clock.now(),
      model: request.model,
      poolSize: pool.list().length,
      rejections: trace.verdict?.rejections ?? [],
      earliestReadyAtMs: trace.verdict?.earliestReadyAtMs ?? null,
      failure,
    });
  }
}

/** An answer that the table does not take for a failure and that cannot be passed on either. */
const UNREADABLE: Failure = {
  cause: "unknown_upstream",
  code: "unreadable_answer",
  message: "",
  untilMs: null,
  effect: { kind: "none" },
};

/** Nobody is free, but somebody will be: the only reason to wait. */
function isFull(verdict: Verdict): boolean {
  return verdict.pick === null && verdict.rejections.some((rejection) => rejection.reason === "at_capacity");
}
