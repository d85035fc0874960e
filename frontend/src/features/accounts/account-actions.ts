/** What can be done to an account; each change shows at once and can be taken back. */
import { nameOf } from "../../lib/account-view.ts";
import { api } from "../../lib/api.ts";
import type { AccountSummary, Overview, RoutingPolicy } from "../../lib/api-types.ts";
import { change } from "../../lib/changes.ts";
import { accountsQuery, queryClient } from "../../lib/queries.ts";
import { accounts as words } from "../../lib/strings.ts";

type Patch = Partial<AccountSummary>;

/** Both lists that show accounts. */
function patched(accountId: string, patch: Patch): (accounts: AccountSummary[]) => AccountSummary[] {
  return (accounts) =>
    accounts.map((account) => (account.accountId === accountId ? { ...account, ...patch } : account));
}

async function changeAccount(
  account: AccountSummary,
  options: { patch: Patch; send(): Promise<unknown>; done: string; undo?: () => Promise<unknown> },
): Promise<boolean> {
  const update = patched(account.accountId, options.patch);
  queryClient.setQueriesData<Overview>(
    { queryKey: ["overview"] },
    (overview) => overview && { ...overview, accounts: update(overview.accounts) },
  );
  const done = await change<AccountSummary[]>({
    queryKey: accountsQuery.queryKey,
    update,
    send: options.send,
    done: options.done,
    ...(options.undo ? { undo: options.undo } : {}),
  });
  void queryClient.invalidateQueries({ queryKey: ["overview"] });
  return done;
}

const path = (account: AccountSummary) => `/api/accounts/${account.accountId}`;

export function setPaused(account: AccountSummary, paused: boolean): Promise<boolean> {
  const pause = () => api.post(`${path(account)}/pause`);
  const resume = () => api.post(`${path(account)}/reactivate`);
  return changeAccount(account, {
    patch: { status: paused ? "paused" : "active", statusReason: null },
    send: paused ? pause : resume,
    done: paused ? words.done.paused(nameOf(account)) : words.done.resumed(nameOf(account)),
    undo: paused ? resume : pause,
  });
}

export function setAlias(account: AccountSummary, alias: string | null): Promise<boolean> {
  const put = (value: string | null) => () => api.put(`${path(account)}/alias`, { alias: value });
  return changeAccount(account, {
    patch: { alias },
    send: put(alias),
    done: words.done.alias,
    undo: put(account.alias),
  });
}

export function setPolicy(account: AccountSummary, routingPolicy: RoutingPolicy): Promise<boolean> {
  const put = (value: RoutingPolicy) => () =>
    api.put(`${path(account)}/routing-policy`, { routingPolicy: value });
  return changeAccount(account, {
    patch: { routingPolicy },
    send: put(routingPolicy),
    done: words.done.policy,
    undo: put(account.routingPolicy),
  });
}

/** Stop choosing the account once a window is used to so many percent; null: use it up. */
export function setReserve(account: AccountSummary, reserveAtPercent: number | null): Promise<boolean> {
  const before = account.reserveAtPercent ?? null;
  const put = (value: number | null) => () =>
    api.put(`${path(account)}/routing-policy`, { reserveAtPercent: value });
  return changeAccount(account, {
    patch: { reserveAtPercent },
    send: put(reserveAtPercent),
    done: words.done.reserve,
    undo: put(before),
  });
}

/** `revoke`: its login ends at OpenAI as well; when that fails, the account stays. */
export async function deleteAccount(account: AccountSummary, revoke: boolean): Promise<boolean> {
  const done = await change<AccountSummary[]>({
    queryKey: accountsQuery.queryKey,
    update: (accounts) => accounts.filter((one) => one.accountId !== account.accountId),
    send: () => api.delete(path(account) + (revoke ? "?revoke=true" : "")),
    done: words.done.deleted(nameOf(account)),
  });
  void queryClient.invalidateQueries({ queryKey: ["overview"] });
  return done;
}

/** After accounts were added by other means than a change here. */
export function refreshAccounts(): void {
  void queryClient.invalidateQueries({ queryKey: accountsQuery.queryKey, exact: true });
  void queryClient.invalidateQueries({ queryKey: ["overview"] });
}
