/** Simulated accounts: who they are, windows that fill with use and reset on the clock, and what upstream says of them. */
import type {
  LoginState,
  SimAccountPatch,
  SimAccountSpec,
  SimAccountView,
  SimCredits,
  SimWindowSpec,
} from "./types.ts";
import type { HeaderList } from "./http-message.ts";

const DEFAULT_WINDOWS: SimWindowSpec[] = [{ minutes: 300 }, { minutes: 10_080 }];
const DEFAULT_PERCENT_PER_1K_TOKENS = 0.01;
const DEFAULT_MAX_CONTEXT_TOKENS = 272_000;
const DEFAULT_TOKEN_LIFETIME_MS = 10 * 24 * 60 * 60 * 1000;
const MINUTE_MS = 60_000;

interface LiveWindow {
  minutes: number;
  usedPercent: number;
  percentPer1kTokens: number;
  resetAtMs: number;
}

interface LiveLimit {
  limitName: string;
  meteredFeature: string;
  models: string[];
  windows: LiveWindow[];
}

/** A running account; plain state that the routes read and the rules change. */
export interface SimAccount {
  index: number;
  chatgptAccountId: string;
  chatgptUserId: string;
  email: string;
  planType: string;
  login: LoginState;
  windows: LiveWindow[];
  limits: LiveLimit[];
  credits: SimCredits;
  /** null: the whole catalogue. */
  models: string[] | null;
  maxContextTokens: number;
  maxConcurrent: number;
  accessTokenLifetimeMs: number;
  startExpired: boolean;
  workspaceBackendOrigin: string;
  accountRoutingOverride: string;
  resetCredits: number;
  /** Access tokens of an earlier epoch are answered with token_expired. */
  accessEpoch: number;
  turns: number;
  openTurns: number;
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
}

export function createAccount(spec: SimAccountSpec, index: number, nowMs: number): SimAccount {
  const serial = String(index + 1).padStart(12, "0");
  return {
    index,
    chatgptAccountId: spec.chatgptAccountId ?? `acct-00000000-0000-4000-8000-${serial}`,
    chatgptUserId: spec.chatgptUserId ?? `user-${serial}`,
    email: spec.email ?? `pool-${index + 1}@example.com`,
    planType: spec.planType ?? "plus",
    login: spec.login ?? "ok",
    windows: (spec.windows ?? DEFAULT_WINDOWS).map((window) => openWindow(window, nowMs)),
    limits: (spec.featureLimits ?? []).map((limit) => ({
      ...limit,
      windows: limit.windows.map((window) => openWindow(window, nowMs)),
    })),
    credits: spec.credits ?? { hasCredits: false, unlimited: false, balance: null },
    models: spec.models ?? null,
    maxContextTokens: spec.maxContextTokens ?? DEFAULT_MAX_CONTEXT_TOKENS,
    maxConcurrent: spec.maxConcurrent ?? Number.POSITIVE_INFINITY,
    accessTokenLifetimeMs: spec.accessTokenLifetimeMs ?? DEFAULT_TOKEN_LIFETIME_MS,
    startExpired: spec.startExpired ?? false,
    workspaceBackendOrigin: spec.workspaceBackendOrigin ?? "NO_CONSTRAINT",
    accountRoutingOverride: spec.accountRoutingOverride ?? "NO_CONSTRAINT",
    resetCredits: spec.resetCredits ?? 0,
    accessEpoch: 0,
    turns: 0,
    openTurns: 0,
    inputTokens: 0,
    cachedTokens: 0,
    outputTokens: 0,
  };
}

function openWindow(spec: SimWindowSpec, nowMs: number): LiveWindow {
  return {
    minutes: spec.minutes,
    usedPercent: spec.usedPercent ?? 0,
    percentPer1kTokens: spec.percentPer1kTokens ?? DEFAULT_PERCENT_PER_1K_TOKENS,
    resetAtMs: nowMs + (spec.resetInMs ?? spec.minutes * MINUTE_MS),
  };
}

export function patchAccount(account: SimAccount, patch: SimAccountPatch, nowMs: number): void {
  if (patch.planType !== undefined) account.planType = patch.planType;
  if (patch.login !== undefined) account.login = patch.login;
  if (patch.windows !== undefined) account.windows = patch.windows.map((window) => openWindow(window, nowMs));
  if (patch.credits !== undefined) account.credits = patch.credits;
  if (patch.models !== undefined) account.models = patch.models;
  if (patch.maxConcurrent !== undefined) account.maxConcurrent = patch.maxConcurrent;
  if (patch.resetCredits !== undefined) account.resetCredits = patch.resetCredits;
  if (patch.workspaceBackendOrigin !== undefined)
    account.workspaceBackendOrigin = patch.workspaceBackendOrigin;
  if (patch.accountRoutingOverride !== undefined)
    account.accountRoutingOverride = patch.accountRoutingOverride;
  if (patch.expireAccessTokens === true) account.accessEpoch++;
}

export function viewAccount(account: SimAccount, nowMs: number): SimAccountView {
  rollWindows(account, nowMs);
  const { index, chatgptAccountId, chatgptUserId, email, planType, login } = account;
  const { turns, openTurns, inputTokens, cachedTokens, outputTokens } = account;
  return {
    index,
    chatgptAccountId,
    chatgptUserId,
    email,
    planType,
    login,
    windows: account.windows.map(({ minutes, usedPercent, resetAtMs }) => ({
      minutes,
      usedPercent,
      resetAtMs,
    })),
    turns,
    openTurns,
    inputTokens,
    cachedTokens,
    outputTokens,
  };
}

/** Starts every window afresh whose reset has passed. */
export function rollWindows(account: SimAccount, nowMs: number): void {
  for (const window of allWindows(account)) {
    if (window.resetAtMs > nowMs) continue;
    window.usedPercent = 0;
    const lengthMs = window.minutes * MINUTE_MS;
    window.resetAtMs += Math.ceil((nowMs - window.resetAtMs + 1) / lengthMs) * lengthMs;
  }
}

function* allWindows(account: SimAccount): Generator<LiveWindow> {
  yield* account.windows;
  for (const limit of account.limits) yield* limit.windows;
}

/** The windows that this model's use fills. */
function windowsOf(account: SimAccount, model: string): LiveWindow[] {
  return account.limits.find((limit) => limit.models.includes(model))?.windows ?? account.windows;
}

export function fillWindows(account: SimAccount, model: string, tokens: number): void {
  for (const window of windowsOf(account, model)) {
    window.usedPercent = Math.min(100, window.usedPercent + (window.percentPer1kTokens * tokens) / 1000);
  }
}

/** The spent window that resets last, or null while there is room (or credits to go on). */
export function spentWindow(account: SimAccount, model: string, nowMs: number): LiveWindow | null {
  rollWindows(account, nowMs);
  if (account.credits.unlimited || account.credits.hasCredits) return null;
  let spent: LiveWindow | null = null;
  for (const window of windowsOf(account, model)) {
    if (window.usedPercent >= 100 && (spent === null || window.resetAtMs > spent.resetAtMs)) spent = window;
  }
  return spent;
}

/** Spends one reset credit: every plan window is empty again. Null: none left. */
export function consumeResetCredit(account: SimAccount): number | null {
  if (account.resetCredits === 0) return null;
  account.resetCredits--;
  for (const window of account.windows) window.usedPercent = 0;
  return account.windows.length;
}

const unixSeconds = (ms: number) => Math.floor(ms / 1000);

/** The x-codex-* quota headers of a reply (UPSTREAM: response headers read by the client). */
export function quotaHeaders(account: SimAccount, nowMs: number): HeaderList {
  rollWindows(account, nowMs);
  const headers: HeaderList = [];
  pushFamily(headers, "x-codex", account.windows);
  for (const limit of account.limits) {
    const family = `x-codex-${limit.meteredFeature.replace(/^codex_/, "")}`;
    pushFamily(headers, family, limit.windows);
    headers.push([`${family}-limit-name`, limit.limitName]);
  }
  headers.push(["x-codex-credits-has-credits", account.credits.hasCredits ? "True" : "False"]);
  headers.push(["x-codex-credits-unlimited", account.credits.unlimited ? "True" : "False"]);
  if (account.credits.balance !== null) headers.push(["x-codex-credits-balance", account.credits.balance]);
  return headers;
}

function pushFamily(headers: HeaderList, family: string, windows: LiveWindow[]): void {
  for (const [name, window] of [
    ["primary", windows[0]],
    ["secondary", windows[1]],
  ] as const) {
    if (window === undefined) continue;
    headers.push([`${family}-${name}-used-percent`, String(Math.round(window.usedPercent * 100) / 100)]);
    headers.push([`${family}-${name}-window-minutes`, String(window.minutes)]);
    headers.push([`${family}-${name}-reset-at`, String(unixSeconds(window.resetAtMs))]);
  }
}

/** The `codex.rate_limits` event of the WebSocket. */
export function rateLimitsEvent(account: SimAccount, nowMs: number): Record<string, unknown> {
  rollWindows(account, nowMs);
  const shape = (window: LiveWindow | undefined) =>
    window === undefined
      ? null
      : {
          used_percent: Math.round(window.usedPercent),
          window_minutes: window.minutes,
          reset_at: unixSeconds(window.resetAtMs),
        };
  const reached = account.windows.some((window) => window.usedPercent >= 100);
  return {
    type: "codex.rate_limits",
    plan_type: account.planType,
    rate_limits: {
      allowed: !reached,
      limit_reached: reached,
      primary: shape(account.windows[0]),
      secondary: shape(account.windows[1]),
    },
    credits: creditsBody(account),
    promo: null,
  };
}

function creditsBody(account: SimAccount) {
  const { hasCredits, unlimited, balance } = account.credits;
  return { has_credits: hasCredits, unlimited, balance };
}

/** `GET …/wham/usage`; used_percent is an integer there (UPSTREAM: usage). */
export function usageBody(account: SimAccount, nowMs: number): Record<string, unknown> {
  rollWindows(account, nowMs);
  const limitBody = (windows: LiveWindow[]) => {
    const reached = windows.some((window) => window.usedPercent >= 100);
    const shape = (window: LiveWindow | undefined) =>
      window === undefined
        ? null
        : {
            used_percent: Math.round(window.usedPercent),
            limit_window_seconds: window.minutes * 60,
            reset_after_seconds: Math.max(0, unixSeconds(window.resetAtMs - nowMs)),
            reset_at: unixSeconds(window.resetAtMs),
          };
    return {
      allowed: !reached || account.credits.hasCredits || account.credits.unlimited,
      limit_reached: reached,
      primary_window: shape(windows[0]),
      secondary_window: shape(windows[1]),
    };
  };
  const planLimit = limitBody(account.windows);
  return {
    user_id: account.chatgptUserId,
    account_id: account.chatgptAccountId,
    email: account.email,
    plan_type: account.planType,
    rate_limit: account.windows.length === 0 ? null : planLimit,
    code_review_rate_limit: null,
    additional_rate_limits: account.limits.map((limit) => ({
      limit_name: limit.limitName,
      metered_feature: limit.meteredFeature,
      rate_limit: limitBody(limit.windows),
    })),
    credits: { ...creditsBody(account), approx_local_messages: [0, 0], approx_cloud_messages: [0, 0] },
    spend_control: { reached: false, individual_limit: null },
    rate_limit_reached_type: planLimit.limit_reached ? { type: "rate_limit_reached" } : null,
    promo: null,
    rate_limit_reset_credits: { available_count: account.resetCredits },
  };
}
