/** What the screen of `codex-lb top` knows: accounts, requests as they come and go, spend; changed by events and keys. Pure. */
import type { AccountSummary } from "../../http/account-views.ts";
import type { requestEntry } from "../../http/request-logs.ts";

export type FinishedRequest = ReturnType<typeof requestEntry>;

export interface RunningRequest {
  requestId: string;
  requestedAtMs: number;
  model: string | null;
  accountId: string | null;
  apiKeyName: string | null;
}

export interface Today {
  requests: number;
  tokens: number;
  costUsd: number;
}

export const SORTS = ["used", "name", "state", "requests"] as const;
export type Sort = (typeof SORTS)[number];

export interface TopState {
  url: string;
  accounts: AccountSummary[];
  /** By request id, oldest first. */
  running: Map<string, RunningRequest>;
  /** The newest first. */
  finished: FinishedRequest[];
  today: Today | null;
  sort: Sort;
  filter: string;
  /** The filter is being typed. */
  typing: boolean;
  /** null: none. */
  selectedId: string | null;
  /** Said at the bottom until the next key. */
  message: string | null;
}

/** More than a screen shows; enough to count the last minute of a pool that a person can watch. */
const MAX_FINISHED = 500;
/** The feed tells no more starts than this, and forgets, too. */
const MAX_RUNNING = 500;
/** A request whose end was never told: the feed dropped it. */
const FORGET_AFTER_MS = 15 * 60_000;
const MINUTE_MS = 60_000;

export function initialState(url: string): TopState {
  return {
    url,
    accounts: [],
    running: new Map(),
    finished: [],
    today: null,
    sort: "used",
    filter: "",
    typing: false,
    selectedId: null,
    message: null,
  };
}

/** An event of GET /api/live; `data` is its parsed JSON. */
export function onLiveEvent(state: TopState, event: string, data: Record<string, unknown>): void {
  switch (event) {
    case "request_started": {
      const started = data as unknown as RunningRequest & { requestedAt: string };
      if (state.running.size >= MAX_RUNNING) state.running.delete(state.running.keys().next().value!);
      state.running.set(started.requestId, { ...started, requestedAtMs: Date.parse(started.requestedAt) });
      return;
    }
    case "request_finished": {
      const finished = data as unknown as FinishedRequest;
      state.running.delete(finished.requestId);
      state.finished.unshift(finished);
      state.finished.length = Math.min(state.finished.length, MAX_FINISHED);
      if (state.today !== null) {
        state.today.requests++;
        state.today.tokens += finished.tokens;
        state.today.costUsd += finished.costUsd;
      }
      return;
    }
    case "account_changed":
      state.accounts = state.accounts.map((account) =>
        account.accountId === data.accountId ? { ...account, ...data } : account,
      );
  }
}

export function forgetOld(state: TopState, nowMs: number): void {
  for (const [id, { requestedAtMs }] of state.running) {
    if (nowMs - requestedAtMs > FORGET_AFTER_MS) state.running.delete(id);
  }
}

/** Dollars at list price of what ended within the last minute. */
export function spendPerMinute({ finished }: TopState, nowMs: number): number {
  let usd = 0;
  for (const { requestedAt, latencyMs, costUsd } of finished) {
    if (nowMs - (Date.parse(requestedAt) + latencyMs) <= MINUTE_MS) usd += costUsd;
  }
  return usd;
}

export function shownAccounts({ accounts, filter, sort }: TopState): AccountSummary[] {
  const wanted = filter.toLowerCase();
  const matches = ({ displayName, email, planType, status, accountId }: AccountSummary) =>
    [displayName, email ?? "", planType, status, accountId].some((text) =>
      text.toLowerCase().includes(wanted),
    );
  return accounts
    .filter(matches)
    .toSorted((a, b) => compare(a, b, sort) || a.displayName.localeCompare(b.displayName));
}

function compare(a: AccountSummary, b: AccountSummary, sort: Sort): number {
  switch (sort) {
    case "used":
      return fullest(b) - fullest(a);
    case "name":
      return 0;
    case "state":
      return a.status.localeCompare(b.status);
    case "requests":
      return b.requestUsage.requestCount - a.requestUsage.requestCount;
  }
}

function fullest({ windows }: AccountSummary): number {
  return Math.max(0, ...windows.map(({ usedPercent }) => usedPercent));
}

export function shownRequests(state: TopState): FinishedRequest[] {
  const wanted = state.filter.toLowerCase();
  const names = new Map(state.accounts.map(({ accountId, displayName }) => [accountId, displayName]));
  return state.finished.filter(({ model, accountId, apiKeyName, status }) =>
    [model, names.get(accountId ?? ""), apiKeyName, status].some((text) =>
      text?.toLowerCase().includes(wanted),
    ),
  );
}

/** What a key asks for beyond the screen itself. */
export type Wish = { kind: "quit" } | { kind: "toggle"; account: AccountSummary } | null;

export function onKey(state: TopState, key: string): Wish {
  state.message = null;
  if (key === "\u0003") return { kind: "quit" };
  if (state.typing) {
    typeFilter(state, key);
    return null;
  }
  switch (key) {
    case "q":
      return { kind: "quit" };
    case "s":
      state.sort = SORTS[(SORTS.indexOf(state.sort) + 1) % SORTS.length]!;
      return null;
    case "f":
    case "/":
      state.typing = true;
      return null;
    case "\u001b":
      state.filter = "";
      return null;
    case "\u001b[A":
    case "k":
      move(state, -1);
      return null;
    case "\u001b[B":
    case "j":
      move(state, 1);
      return null;
    case "p": {
      const account = shownAccounts(state).find(({ accountId }) => accountId === state.selectedId);
      if (account) return { kind: "toggle", account };
      state.message = "Choose an account first, with the arrow keys.";
      return null;
    }
    default:
      return null;
  }
}

function typeFilter(state: TopState, key: string): void {
  if (key === "\r" || key === "\n") state.typing = false;
  else if (key === "\u001b") {
    state.typing = false;
    state.filter = "";
  } else if (key === "\u007f" || key === "\b") state.filter = state.filter.slice(0, -1);
  else if (/^[\p{L}\p{N}\p{P}\p{Zs}]+$/u.test(key)) state.filter += key;
}

function move(state: TopState, by: 1 | -1): void {
  const ids = shownAccounts(state).map(({ accountId }) => accountId);
  const at = ids.indexOf(state.selectedId ?? "");
  const next = at < 0 ? (by > 0 ? 0 : ids.length - 1) : Math.min(ids.length - 1, Math.max(0, at + by));
  state.selectedId = ids[next] ?? null;
}
