/** The accounts in memory: the truth for routing. Everything that changes an account for a request goes through here. */
import type { Account, Credentials } from "../core/account.ts";
import { type AccountEvent, applyEvent, type Transition } from "../core/account-state.ts";
import type { AffinityMap, NotNow } from "../core/affinity.ts";
import { capacityWeight } from "../core/plans.ts";
import { type Candidate, select, type Verdict, whyNot } from "../core/selection.ts";
import type { DashboardSettings } from "../core/settings.ts";
import {
  type CreditsReading,
  longestWindow,
  mergeWindows,
  SCOPE_ALL,
  type UsageReading,
  type Window,
} from "../core/windows.ts";
import type { Clock, Random } from "../ports.ts";

/** How upstream wants an account's requests routed (its `wham/accounts/check`). */
export interface AccountRouting {
  /** An https origin that replaces the configured one; null: none asked for. */
  origin: string | null;
  /** Value of `x-openai-account-routing-override`; null: none asked for. */
  routingOverride: "us" | "us_cr" | null;
}

/** One account with all that routing knows of it. Changed in place, through the pool only. */
export interface PooledAccount extends Account, Candidate {
  planType: string;
  state: Account["state"];
  stateUntilMs: number | null;
  routingPolicy: Account["routingPolicy"];
  reserveAtPercent: number | null;
  credentials: Credentials;
  unavailableModels: Map<string, number>;
  credits: CreditsReading | null;
  resetCreditsAvailable: number | null;
  /** When its usage was last read in full; null: never. */
  usageReadAtMs: number | null;
  routing: AccountRouting | null;
  /** `name=value; …` of the cookies that upstream's edge set for this account; null: none. */
  cookie: string | null;
  /** Upstream requests since the start, for the metrics. */
  picks: number;
  /** Since when upstream has refused its tokens without saying why; null while it accepts them. */
  refusedSinceMs: number | null;
  /** When it came into its present state; 0 at the start. */
  stateSinceMs: number;
}

export interface StoredAccount {
  account: Account;
  credentials: Credentials;
  windows: readonly Window[];
  credits: CreditsReading | null;
  models: ReadonlySet<string> | null;
}

export type PoolChange =
  | { kind: "added" | "changed" | "removed"; account: PooledAccount }
  | { kind: "state"; account: PooledAccount; transition: Transition }
  | { kind: "windows"; account: PooledAccount; reading: UsageReading };

export interface AcquireRequest {
  model: string | null;
  allowedAccountIds: ReadonlySet<string> | null;
  excludedIds: ReadonlySet<string>;
  /** The account that holds the conversation; null: none. */
  keepAccountId: string | null;
}

export interface Lease {
  readonly account: PooledAccount;
  /** Gives the place back; harmless when repeated. */
  release(): void;
}

export interface Pool {
  put(stored: StoredAccount): PooledAccount;
  remove(id: string): boolean;
  get(id: string): PooledAccount | null;
  list(): readonly PooledAccount[];
  /** Fields that people set. */
  patch(
    id: string,
    fields: Partial<Pick<Account, "alias" | "routingPolicy" | "reserveAtPercent">>,
  ): PooledAccount | null;
  /** Picks an account and takes a place on it, or says why none can serve. */
  acquire(request: AcquireRequest): { verdict: Verdict; lease: Lease | null };
  /** Why the account cannot serve the model now; null when it can. */
  whyNot(id: string, model: string | null): NotNow | null;
  apply(id: string, event: AccountEvent): Transition | null;
  /** A reading of the account's quota from whatever source. `askedAtMs`: when it was asked for; default: now. */
  read(id: string, reading: UsageReading, askedAtMs?: number): void;
  setCredentials(id: string, credentials: Credentials): void;
  setModels(id: string, models: ReadonlySet<string> | null): void;
  setRouting(id: string, routing: AccountRouting): void;
  /** Upstream took a token of the account. */
  accepted(id: string): void;
  setCookie(id: string, cookie: string | null): void;
  /** Heals the states whose time has passed. */
  tick(): void;
  readonly affinity: AffinityMap;
  /** Called when a place becomes free or an account able to serve. */
  onRoom(listener: () => void): void;
  onChange(listener: (change: PoolChange) => void): void;
}

/** A fresh token that is refused: the account pauses for so long, and the login counts as lost when it goes on for longer than that. */
const REFUSED_PAUSE_MS = 30_000;
const REFUSED_LIMIT_MS = 10 * 60_000;
/** Models that an account refused are remembered up to this many; upstream's catalogue has a few dozen. */
const MAX_UNAVAILABLE_MODELS = 64;

export interface PoolPorts {
  clock: Clock;
  random: Random;
  affinity: AffinityMap;
  settings(): DashboardSettings;
}

export function createPool({ clock, random, affinity, settings }: PoolPorts): Pool {
  const byId = new Map<string, PooledAccount>();
  let accounts: PooledAccount[] = [];
  let picks = 0;
  let maxInFlight = settings().maxConcurrentRequestsPerAccount;
  const changeListeners: ((change: PoolChange) => void)[] = [];
  const roomListeners: (() => void)[] = [];

  function changed(change: PoolChange): void {
    for (const listener of changeListeners) listener(change);
  }
  function room(): void {
    for (const listener of roomListeners) listener();
  }

  function weigh(account: PooledAccount): void {
    account.capacityWeight = capacityWeight(account.planType, longestWindow(account.windows)?.minutes ?? 0);
  }

  /** To be called with every change that selection looks at: it remembers an account by its stamp. */
  function touch(account: PooledAccount): void {
    account.stamp = {};
  }

  function lease(account: PooledAccount): Lease {
    account.inFlight++;
    account.picks++;
    account.lastPickedSeq = ++picks;
    let held = true;
    return {
      account,
      release() {
        if (!held) return;
        held = false;
        account.inFlight--;
        room();
      },
    };
  }

  function apply(id: string, event: AccountEvent): Transition | null {
    const account = byId.get(id);
    if (!account) return null;
    const now = clock.now();
    touch(account);
    if (event.kind === "refused") {
      account.refusedSinceMs ??= now;
      account.coolingUntilMs = Math.max(account.coolingUntilMs, now + REFUSED_PAUSE_MS);
      if (now - account.refusedSinceMs >= REFUSED_LIMIT_MS)
        return apply(id, { kind: "reauth", reason: event.reason });
    }
    if (event.kind === "cooling") account.coolingUntilMs = Math.max(account.coolingUntilMs, event.untilMs);
    if (event.kind === "model_unavailable") markUnavailable(account, event.model, event.untilMs);
    if (event.kind === "spent" && event.scope !== SCOPE_ALL && event.untilMs !== null) {
      markUnavailable(account, event.model, event.untilMs);
    }
    if (event.kind === "logged_in" || event.kind === "reactivated") {
      account.coolingUntilMs = 0;
      account.refusedSinceMs = null;
      account.unavailableModels.clear();
    }
    const transition = applyEvent(account, event, now);
    if (!transition.changed) return transition;
    account.state = transition.state;
    account.stateSinceMs = now;
    account.stateReason = transition.stateReason;
    account.stateUntilMs = transition.stateUntilMs;
    if (transition.state !== "active") affinity.dropAccount(id);
    changed({ kind: "state", account, transition });
    if (transition.state === "active") room();
    return transition;
  }

  return {
    affinity,
    put(stored) {
      const old = byId.get(stored.account.id);
      const account: PooledAccount = {
        ...stored.account,
        stamp: {},
        credentials: stored.credentials,
        windows: stored.windows,
        hasCredits: hasCredits(stored.credits),
        credits: stored.credits,
        coolingUntilMs: 0,
        inFlight: old?.inFlight ?? 0,
        maxInFlight,
        lastPickedSeq: old?.lastPickedSeq ?? 0,
        models: stored.models,
        unavailableModels: new Map(),
        capacityWeight: 1,
        resetCreditsAvailable: old?.resetCreditsAvailable ?? null,
        usageReadAtMs: old?.usageReadAtMs ?? null,
        routing: old?.routing ?? null,
        cookie: old?.cookie ?? null,
        picks: old?.picks ?? 0,
        refusedSinceMs: null,
        stateSinceMs: 0,
      };
      weigh(account);
      if (old) {
        // The object stays the same, so that leases taken before still give their places back.
        Object.assign(old, account);
        changed({ kind: "changed", account: old });
        room();
        return old;
      }
      byId.set(account.id, account);
      accounts = [...accounts, account];
      changed({ kind: "added", account });
      room();
      return account;
    },
    remove(id) {
      const account = byId.get(id);
      if (!account) return false;
      byId.delete(id);
      accounts = accounts.filter((other) => other !== account);
      affinity.dropAccount(id, "all");
      changed({ kind: "removed", account });
      return true;
    },
    get: (id) => byId.get(id) ?? null,
    list: () => accounts,
    patch(id, fields) {
      const account = byId.get(id);
      if (!account) return null;
      Object.assign(account, fields);
      touch(account);
      changed({ kind: "changed", account });
      return account;
    },
    acquire(request) {
      const {
        routingStrategy,
        preferEarlierResetAccounts,
        singleAccountId,
        maxConcurrentRequestsPerAccount,
      } = settings();
      if (maxConcurrentRequestsPerAccount !== maxInFlight) {
        maxInFlight = maxConcurrentRequestsPerAccount;
        for (const account of accounts) account.maxInFlight = maxInFlight;
      }
      const verdict = select(accounts, {
        nowMs: clock.now(),
        strategy: routingStrategy,
        preferEarlierReset: preferEarlierResetAccounts,
        singleAccountId,
        model: request.model,
        allowedAccountIds: request.allowedAccountIds,
        excludedIds: request.excludedIds,
        keepAccountId: request.keepAccountId,
        random: random.next,
      });
      const pick = verdict.pick ? byId.get(verdict.pick.id) : undefined;
      return { verdict, lease: pick ? lease(pick) : null };
    },
    whyNot(id, model) {
      const account = byId.get(id);
      return account ? whyNot(account, model, clock.now()) : "removed";
    },
    apply,
    read(id, reading, askedAtMs) {
      const account = byId.get(id);
      if (!account) return;
      const now = clock.now();
      if (reading.windows.length > 0 || reading.source === "usage") {
        account.windows = mergeWindows(account.windows, reading.windows, {
          nowMs: now,
          source: reading.source,
        });
      }
      if (reading.planType && reading.planType !== account.planType) {
        account.planType = reading.planType;
        changed({ kind: "changed", account });
      }
      if (reading.credits) {
        account.credits = reading.credits;
        account.hasCredits = hasCredits(reading.credits);
      }
      if (reading.resetCreditsAvailable !== null)
        account.resetCreditsAvailable = reading.resetCreditsAvailable;
      weigh(account);
      touch(account);
      if (reading.source === "usage") account.usageReadAtMs = now;
      changed({ kind: "windows", account, reading });
      // Only a full reading that was asked for after what took the account out says that it has room again.
      if (reading.source === "usage" && (askedAtMs ?? now) > account.stateSinceMs) {
        apply(id, {
          kind: "fresh_reading",
          windows: account.windows,
          hasCredits: account.hasCredits ?? false,
        });
      }
    },
    setCredentials(id, credentials) {
      const account = byId.get(id);
      if (account) account.credentials = credentials;
    },
    setModels(id, models) {
      const account = byId.get(id);
      if (!account) return;
      account.models = models;
      touch(account);
    },
    setRouting(id, routing) {
      const account = byId.get(id);
      if (account) account.routing = routing;
    },
    accepted(id) {
      const account = byId.get(id);
      if (account) account.refusedSinceMs = null;
    },
    setCookie(id, cookie) {
      const account = byId.get(id);
      if (account) account.cookie = cookie;
    },
    tick() {
      const now = clock.now();
      for (const account of accounts) {
        if (account.stateUntilMs !== null && account.stateUntilMs <= now)
          apply(account.id, { kind: "reset_passed" });
        for (const [model, untilMs] of account.unavailableModels) {
          if (untilMs <= now) account.unavailableModels.delete(model);
        }
      }
      room();
    },
    onRoom: (listener) => void roomListeners.push(listener),
    onChange: (listener) => void changeListeners.push(listener),
  };
}

function hasCredits(credits: CreditsReading | null): boolean {
  return credits !== null && (credits.unlimited || (credits.has && Number(credits.balance ?? 0) > 0));
}

function markUnavailable(account: PooledAccount, model: string, untilMs: number): void {
  if (account.unavailableModels.size >= MAX_UNAVAILABLE_MODELS) account.unavailableModels.clear();
  account.unavailableModels.set(model, untilMs);
}
