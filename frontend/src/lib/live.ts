/**
 * The live feed, `GET /api/live`: what runs now, what just ended, what changed about accounts.
 * One connection for the page; it reconnects by itself, and says so when it is gone.
 */
import { createSignal, onCleanup } from "solid-js";
import { createStore, produce } from "solid-js/store";
import type { AccountSummary, Overview, RequestEntry } from "./api-types.ts";
import { accountsQuery, queryClient, recentRequestsQuery, sessionQuery } from "./queries.ts";

/** A request that has started and not ended. */
export type RunningRequest = Pick<
  RequestEntry,
  "requestId" | "requestedAt" | "model" | "accountId" | "apiKeyName"
> &
  Partial<RequestEntry>;

/** What the page remembers of finished requests; the log has the rest. */
const KEPT_FINISHED = 100;
/** A start whose end was missed while reconnecting must not stay forever. */
const RUNNING_FORGOTTEN_AFTER_MS = 15 * 60_000;
/** Sums are asked for again at most this often while requests pour in. */
const REFRESH_SUMS_MS = 4_000;
/** A short break is mended before anybody need know. */
const TELL_AFTER_MS = 2_500;
const RETRY_MS = 2_000;

/** A finished request is in the log after so long at the latest. */
export const LOG_WRITTEN_MS = 1_000;

export type LiveState = "connecting" | "live" | "lost";

const [liveState, setLiveState] = createSignal<LiveState>("connecting");
const [running, setRunning] = createStore<RunningRequest[]>([]);
const [finished, setFinished] = createStore<RequestEntry[]>([]);
export { finished, liveState, running };

type Listener = (entry: RequestEntry) => void;
const listeners = new Set<Listener>();

/** Calls `listener` for each request that ends while the caller lives. */
export function onRequestFinished(listener: Listener): void {
  listeners.add(listener);
  onCleanup(() => listeners.delete(listener));
}

function started(entry: RunningRequest): void {
  const oldest = Date.now() - RUNNING_FORGOTTEN_AFTER_MS;
  setRunning((list) => [
    entry,
    ...list.filter((one) => one.requestId !== entry.requestId && Date.parse(one.requestedAt) > oldest),
  ]);
}

function ended(entry: RequestEntry): void {
  setRunning((list) => list.filter((one) => one.requestId !== entry.requestId));
  setFinished(
    produce((list) => {
      list.unshift(entry);
      if (list.length > KEPT_FINISHED) list.length = KEPT_FINISHED;
    }),
  );
  for (const listener of listeners) listener(entry);
  refreshSumsSoon();
}

let refreshTimer: ReturnType<typeof setTimeout> | undefined;
function refreshSumsSoon(): void {
  refreshTimer ??= setTimeout(() => {
    refreshTimer = undefined;
    void queryClient.invalidateQueries({ queryKey: ["overview"] });
    void queryClient.invalidateQueries({ queryKey: ["keys"], exact: true });
  }, REFRESH_SUMS_MS);
}

type AccountChange = Partial<AccountSummary> & { accountId: string };

/** Changes of a busy moment are shown together: each costs a walk over every list of accounts. */
const COLLECT_CHANGES_MS = 150;
const changes = new Map<string, AccountChange>();
let changesTimer: ReturnType<typeof setTimeout> | undefined;

function accountChanged(change: AccountChange): void {
  changes.set(change.accountId, { ...changes.get(change.accountId), ...change });
  changesTimer ??= setTimeout(showChanges, COLLECT_CHANGES_MS);
}

/** Merges the changed accounts (any subset of their summaries) into every list that shows them; a list without one is asked for anew. */
function showChanges(): void {
  changesTimer = undefined;
  let isNew = false;
  const merge = (accounts: AccountSummary[]) => {
    const merged = accounts.map((account) => {
      const change = changes.get(account.accountId);
      return change ? { ...account, ...change } : account;
    });
    const known = new Set(accounts.map((account) => account.accountId));
    isNew ||= [...changes.keys()].some((id) => !known.has(id));
    return merged;
  };
  queryClient.setQueryData(accountsQuery.queryKey, (accounts) => accounts && merge(accounts));
  queryClient.setQueriesData<Overview>({ queryKey: ["overview"] }, (overview) =>
    overview ? { ...overview, accounts: merge(overview.accounts) } : overview,
  );
  changes.clear();
  if (!isNew) return;
  // After the merge, which makes a list count as fresh.
  void queryClient.invalidateQueries({ queryKey: accountsQuery.queryKey, exact: true });
  void queryClient.invalidateQueries({ queryKey: ["overview"] });
}

/** Opens the feed; the answer closes it. */
export function startLiveFeed(): () => void {
  let source: EventSource | undefined;
  let retry: ReturnType<typeof setTimeout> | undefined;
  let tell: ReturnType<typeof setTimeout> | undefined;
  let catchUp: ReturnType<typeof setTimeout> | undefined;

  function open(): void {
    source = new EventSource("/api/live");
    source.addEventListener("open", () => {
      clearTimeout(tell);
      tell = undefined;
      const wasLost = liveState() === "lost";
      setLiveState("live");
      catchUp = setTimeout(
        () => void queryClient.invalidateQueries({ queryKey: recentRequestsQuery.queryKey }),
        LOG_WRITTEN_MS,
      );
      if (wasLost) void queryClient.invalidateQueries();
    });
    source.addEventListener("request_started", (event) => started(JSON.parse(event.data) as RunningRequest));
    source.addEventListener("request_finished", (event) => ended(JSON.parse(event.data) as RequestEntry));
    source.addEventListener("account_changed", (event) =>
      accountChanged(JSON.parse(event.data) as AccountSummary),
    );
    source.addEventListener("error", () => {
      tell ??= setTimeout(() => {
        setLiveState("lost");
        setRunning([]);
        void queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });
      }, TELL_AFTER_MS);
      // The browser retries a broken connection itself, but gives up after an HTTP error.
      if (source?.readyState !== EventSource.CLOSED) return;
      clearTimeout(retry);
      retry = setTimeout(open, RETRY_MS);
    });
  }

  open();
  return () => {
    clearTimeout(retry);
    clearTimeout(tell);
    clearTimeout(catchUp);
    clearTimeout(refreshTimer);
    clearTimeout(changesTimer);
    refreshTimer = undefined;
    changesTimer = undefined;
    changes.clear();
    source?.close();
    setLiveState("connecting");
    setRunning([]);
  };
}
