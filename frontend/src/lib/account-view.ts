/** What the pages derive from an account: its windows in order, what is left, how urgent it is. */
import type { AccountStatus, AccountSummary, QuotaWindow } from "./api-types.ts";
import { ms } from "./format.ts";

/** Below these shares a window is called low, then nearly spent. */
const LOW_PERCENT = 25;
const NEARLY_SPENT_PERCENT = 5;
/** The scope of the plan's own windows. */
const PLAN_SCOPE = "all";

export type Tone = "good" | "warn" | "bad" | "idle";

export function usedNow(window: QuotaWindow, nowMs: number): number {
  const resetAt = ms(window.resetAt);
  return resetAt !== null && resetAt <= nowMs ? 0 : window.usedPercent;
}

export const leftNow = (window: QuotaWindow, nowMs: number): number =>
  Math.max(0, 100 - usedNow(window, nowMs));

export function leftTone(left: number): Tone {
  return left <= NEARLY_SPENT_PERCENT ? "bad" : left <= LOW_PERCENT ? "warn" : "good";
}

/** The plan's windows, shortest first. */
export function planWindows(account: AccountSummary): QuotaWindow[] {
  return account.windows
    .filter((window) => window.scope === PLAN_SCOPE)
    .toSorted((a, b) => a.minutes - b.minutes);
}

/** Windows of single features. */
export function featureWindows(account: AccountSummary): QuotaWindow[] {
  return account.windows
    .filter((window) => window.scope !== PLAN_SCOPE)
    .toSorted((a, b) => a.minutes - b.minutes);
}

/** The smallest share that any of its plan windows has left; 100 when it has told none. */
export function tightestLeft(account: AccountSummary, nowMs: number): number {
  return Math.min(100, ...planWindows(account).map((window) => leftNow(window, nowMs)));
}

export function statusTone(status: AccountStatus): Tone {
  switch (status) {
    case "active":
      return "good";
    case "rate_limited":
      return "warn";
    case "quota_exceeded":
      return "warn";
    case "paused":
      return "idle";
    case "reauth_required":
    case "deactivated":
      return "bad";
  }
  return status satisfies never;
}

/** States that do not mend themselves. A pause is somebody's will and needs nobody. */
export const needsPerson = (account: AccountSummary): boolean =>
  account.status === "reauth_required" || account.status === "deactivated";

/** When the account comes back by itself; null when it does not, or is there. */
export function backAt(account: AccountSummary): string | null {
  if (account.status !== "quota_exceeded" && account.status !== "rate_limited") return null;
  if (account.statusUntil) return account.statusUntil;
  const spent = planWindows(account).filter((window) => window.usedPercent >= 100 && window.resetAt !== null);
  return (
    spent
      .map((window) => window.resetAt as string)
      .toSorted()
      .at(-1) ?? null
  );
}

const STATUS_ORDER: Record<AccountStatus, number> = {
  reauth_required: 0,
  deactivated: 1,
  quota_exceeded: 3,
  rate_limited: 2,
  active: 4,
  paused: 5,
};

/** Who needs attention first; equals by what they have left. */
export function byUrgency(nowMs: number): (a: AccountSummary, b: AccountSummary) => number {
  return (a, b) =>
    STATUS_ORDER[a.status] - STATUS_ORDER[b.status] || tightestLeft(a, nowMs) - tightestLeft(b, nowMs);
}

export interface PoolWindow {
  minutes: number;
  /** One per account that has this window, the largest first. */
  columns: {
    account: AccountSummary;
    window: QuotaWindow;
    capacity: number;
    left: number;
    usable: boolean;
  }[];
  /** Of the capacity of accounts that can be used at all. */
  leftPercent: number;
  nextResetAt: string | null;
}

/** The plan windows of all accounts, grouped by length, shortest first. A weight of 1 where no capacity is known. */
export function poolWindows(accounts: readonly AccountSummary[], nowMs: number): PoolWindow[] {
  const byMinutes = new Map<number, PoolWindow["columns"]>();
  for (const account of accounts) {
    for (const window of planWindows(account)) {
      const columns = byMinutes.get(window.minutes) ?? [];
      const usable = account.status !== "paused" && !needsPerson(account);
      columns.push({
        account,
        window,
        capacity: window.capacityCredits || 1,
        left: leftNow(window, nowMs),
        usable,
      });
      byMinutes.set(window.minutes, columns);
    }
  }
  return [...byMinutes]
    .toSorted(([a], [b]) => a - b)
    .map(([minutes, columns]) => poolWindow(minutes, columns, nowMs));
}

function poolWindow(minutes: number, columns: PoolWindow["columns"], nowMs: number): PoolWindow {
  const usable = columns.filter((column) => column.usable);
  const capacity = usable.reduce((sum, column) => sum + column.capacity, 0);
  const left = usable.reduce((sum, column) => sum + (column.capacity * column.left) / 100, 0);
  const resets = usable
    .filter((column) => column.left < 100 && (ms(column.window.resetAt) ?? 0) > nowMs)
    .map((column) => column.window.resetAt as string)
    .toSorted();
  return {
    minutes,
    columns: columns.toSorted((a, b) => b.capacity - a.capacity || b.left - a.left),
    leftPercent: capacity === 0 ? 0 : (left / capacity) * 100,
    nextResetAt: resets[0] ?? null,
  };
}

/** What people call it. */
export const nameOf = (
  account: Pick<AccountSummary, "alias" | "displayName" | "email" | "accountId">,
): string => account.alias || account.displayName || account.email || account.accountId;
