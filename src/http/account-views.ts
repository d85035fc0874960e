/** Accounts as the admin API shows them, without their secrets. */
import type { Account, Credentials } from "../core/account.ts";
import {
  mainWindows,
  type MainWindows,
  quotaLeft,
  windowInSlot,
  type WindowSlot,
} from "../core/pool-quota.ts";
import { capacityWeight } from "../core/plans.ts";
import { usdFromMicros } from "../core/pricing.ts";
import { SCOPE_ALL, usedPercentAt, type Window, windowKey } from "../core/windows.ts";
import type { AccountUsageBook } from "../pool/account-usage.ts";
import type { Pool, PooledAccount } from "../pool/pool.ts";
import type { Clock } from "../ports.ts";
import { isoTime, isoTimeOrNull } from "./admin.ts";

export interface AccountViews {
  one(account: PooledAccount): AccountSummary;
  all(): AccountSummary[];
  /** The accounts whose quota counts for the pool: in rotation, spent ones included. */
  inRotation(): readonly PooledAccount[];
  main(): MainWindows;
}

export type AccountSummary = ReturnType<typeof accountSummary>;

export function createAccountViews(ports: {
  pool: Pool;
  usage: AccountUsageBook;
  clock: Clock;
}): AccountViews {
  const { pool, usage, clock } = ports;

  function inRotation(): readonly PooledAccount[] {
    return pool.list().filter(isInRotation);
  }
  function main(): MainWindows {
    const members = inRotation();
    return mainWindows(members.length > 0 ? members : pool.list(), clock.now());
  }
  function view(account: PooledAccount, lengths: MainWindows): AccountSummary {
    return accountSummary(account, {
      nowMs: clock.now(),
      main: lengths,
      usage: usage.of(account.id),
      sessionsHeld: pool.affinity.countOf(account.id),
    });
  }
  return {
    inRotation,
    main,
    one: (account) => view(account, main()),
    all() {
      const lengths = main();
      return pool.list().map((account) => view(account, lengths));
    },
  };
}

function isInRotation({ state }: PooledAccount): boolean {
  return state === "active" || state === "rate_limited" || state === "quota_exceeded";
}

interface Surroundings {
  nowMs: number;
  main: MainWindows;
  usage: ReturnType<AccountUsageBook["of"]>;
  sessionsHeld: number;
}

function accountSummary(account: PooledAccount, around: Surroundings) {
  const { nowMs, usage } = around;
  const primary = slotView(account, "primary", around);
  const secondary = slotView(account, "secondary", around);
  return {
    accountId: account.id,
    chatgptAccountId: account.chatgptAccountId,
    email: account.email,
    alias: account.alias,
    displayName: account.alias ?? account.email ?? account.id,
    workspaceId: account.workspaceId,
    workspaceLabel: account.workspaceLabel,
    seatType: account.seatType,
    planType: account.planType,
    routingPolicy: account.routingPolicy,
    reserveAtPercent: account.reserveAtPercent,
    ...statusView(account),
    usage: {
      primaryRemainingPercent: primary.remainingPercent,
      secondaryRemainingPercent: secondary.remainingPercent,
    },
    resetAtPrimary: primary.resetAt,
    resetAtSecondary: secondary.resetAt,
    windowMinutesPrimary: primary.minutes,
    windowMinutesSecondary: secondary.minutes,
    capacityCreditsPrimary: primary.capacityCredits,
    capacityCreditsSecondary: secondary.capacityCredits,
    remainingCreditsPrimary: primary.remainingCredits,
    remainingCreditsSecondary: secondary.remainingCredits,
    windows: windowViews(account, nowMs),
    additionalQuotas: windowViews(account, nowMs).filter(({ scope }) => scope !== SCOPE_ALL),
    creditsHas: account.credits?.has ?? null,
    creditsUnlimited: account.credits?.unlimited ?? null,
    creditsBalance: account.credits?.balance ?? null,
    resetCreditsAvailable: account.resetCreditsAvailable,
    lastRefreshAt: isoTimeOrNull(lastRefreshMs(account.credentials)),
    usageReadAt: isoTimeOrNull(account.usageReadAtMs),
    lastUsedAt: isoTimeOrNull(usage.lastUsedAtMs),
    createdAt: isoTime(account.createdAtMs),
    inFlight: account.inFlight,
    sessionsHeld: around.sessionsHeld,
    models: account.models === null ? null : [...account.models],
    requestUsage: {
      requestCount: usage.requestCount,
      totalTokens: usage.totalTokens,
      cachedInputTokens: usage.cachedInputTokens,
      totalCostUsd: usdFromMicros(usage.costMicros),
    },
    auth: authView(account.credentials, nowMs),
  };
}

/** What changes when an account's state does. */
export function statusView({
  state,
  stateReason,
  stateUntilMs,
}: Pick<Account, "state" | "stateReason" | "stateUntilMs">) {
  return { status: state, statusReason: stateReason, statusUntil: isoTimeOrNull(stateUntilMs) };
}

export function windowViews({ planType, windows }: PooledAccount, nowMs: number) {
  return windows.map((window) => {
    const usedPercent = usedPercentAt(window, nowMs);
    return {
      key: windowKey(window),
      minutes: window.minutes,
      usedPercent,
      remainingPercent: Math.max(0, 100 - usedPercent),
      resetAt: isoTime(window.resetAtMs),
      scope: window.scope,
      capacityCredits: capacityWeight(planType, window.minutes),
    };
  });
}

function slotView({ planType, windows }: PooledAccount, slot: WindowSlot, { main, nowMs }: Surroundings) {
  const window: Window | undefined = windowInSlot(windows, slot, main);
  const left = window && quotaLeft(planType, window, nowMs);
  return {
    minutes: left?.windowMinutes ?? null,
    remainingPercent: left?.remainingPercent ?? null,
    capacityCredits: left?.capacityCredits ?? null,
    remainingCredits: left?.remainingCredits ?? null,
    resetAt: isoTimeOrNull(left?.resetAtMs),
  };
}

function lastRefreshMs(credentials: Credentials): number | null {
  return credentials.kind === "chatgpt" ? credentials.lastRefreshAtMs : null;
}

type Stored = "stored" | "missing";

function authView(credentials: Credentials, nowMs: number) {
  const stored = (secret: unknown): Stored => (secret === null ? "missing" : "stored");
  if (credentials.kind === "personal_access_token")
    return {
      kind: credentials.kind,
      access: { expiresAt: null, state: "valid" },
      refresh: { state: stored(null) },
      idToken: { state: stored(null) },
    };
  const { accessExpiresAtMs } = credentials;
  const state = accessExpiresAtMs === null ? "unknown" : accessExpiresAtMs <= nowMs ? "expired" : "valid";
  return {
    kind: credentials.kind,
    access: { expiresAt: isoTimeOrNull(accessExpiresAtMs), state },
    refresh: { state: stored(credentials.refreshToken) },
    idToken: { state: stored(credentials.idToken) },
  };
}
