/** The audit log, the latest first. */
import { useSearchParams } from "@solidjs/router";
import { useInfiniteQuery, useQuery } from "@tanstack/solid-query";
import { createMemo, For, Show } from "solid-js";
import { api, withQuery } from "../../lib/api.ts";
import type { AccountSummary, AuditEntry, AuditPage as Page } from "../../lib/api-types.ts";
import { clockSeconds, date, exact } from "../../lib/format.ts";
import { accountsQuery, dataOf } from "../../lib/queries.ts";
import { audit as words } from "../../lib/strings.ts";
import { Button } from "../../ui/button.tsx";
import { SelectField } from "../../ui/field.tsx";
import { PageHead } from "../../ui/page.tsx";
import { AccountName } from "../accounts/account-parts.tsx";
import { Empty, ErrorNote, SkeletonRows } from "../../ui/states.tsx";

const PAGE_SIZE = 50;

export default function AuditPage() {
  const [params, setParams] = useSearchParams<{ action?: string }>();
  const log = useInfiniteQuery(() => ({
    queryKey: ["audit", params.action ?? ""],
    queryFn: ({ pageParam, signal }) =>
      api.get<Page>(
        withQuery("/api/audit-logs", { limit: PAGE_SIZE, cursor: pageParam, action: params.action }),
        signal,
      ),
    initialPageParam: null as string | null,
    getNextPageParam: (page: Page) => page.nextCursor,
  }));
  const entries = createMemo(() =>
    log.isPending ? [] : (log.data?.pages ?? []).flatMap((page) => page.logs),
  );
  const accounts = useQuery(() => accountsQuery);
  const byId = createMemo(
    () => new Map((dataOf(accounts) ?? []).map((account) => [account.accountId, account])),
  );
  const days = createMemo(() => Map.groupBy(entries(), (entry) => date(Date.parse(entry.at))));
  // Those seen so far: the log does not tell its actions, and nobody filters by one that never happened.
  const actions = createMemo(
    (known: Set<string>) => new Set([...known, ...entries().map((entry) => entry.action)]),
    new Set<string>(params.action ? [params.action] : []),
  );
  return (
    <>
      <PageHead title={words.title} summary={words.summary}>
        <SelectField
          label={words.action}
          hideLabel
          value={params.action ?? ""}
          choices={[
            { value: "", label: words.allActions },
            ...[...actions()].toSorted().map((value) => ({ value, label: actionText(value) })),
          ]}
          onChange={(action) => setParams({ action }, { replace: true })}
        />
      </PageHead>
      <Show when={log.isError}>
        <ErrorNote error={log.error} retry={() => void log.refetch()} class="mb-4" />
      </Show>
      <div class="panel overflow-hidden">
        <Show
          when={!log.isPending}
          fallback={
            <Show when={!log.isError}>
              <SkeletonRows rows={10} />
            </Show>
          }
        >
          <For each={[...days()]} fallback={<Empty title={words.empty} />}>
            {([day, list]) => (
              <section>
                <h2 class="border-b border-line bg-sunken px-4 py-1.5 text-xs font-[550] text-ink-2">
                  {day}
                </h2>
                <ul>
                  <For each={list}>
                    {(entry) => <Entry entry={entry} accountOf={(id) => byId().get(id)} />}
                  </For>
                </ul>
              </section>
            )}
          </For>
        </Show>
      </div>
      <Show when={log.hasNextPage}>
        <div class="mt-3 text-center">
          <Button busy={log.isFetchingNextPage} onClick={() => void log.fetchNextPage()}>
            {words.more}
          </Button>
        </div>
      </Show>
    </>
  );
}

/** `account.import` → "Account: import". */
const actionText = (action: string) => {
  const text = action.replace(".", ": ").replaceAll("_", " ");
  return text.charAt(0).toUpperCase() + text.slice(1).replace(/^pi key/, "PI key");
};

function Entry(props: { entry: AuditEntry; accountOf(id: string): AccountSummary | undefined }) {
  const at = () => Date.parse(props.entry.at);
  const account = () => props.accountOf(props.entry.target ?? "");
  return (
    <li class="grid grid-cols-[4.5rem_minmax(0,1fr)] gap-x-3 gap-y-0.5 border-b border-line px-4 py-2 text-sm last:border-0 md:grid-cols-[4.5rem_12rem_minmax(0,1fr)_9rem_7rem]">
      <time datetime={props.entry.at} title={exact(at())} class="text-ink-3">
        {clockSeconds(at())}
      </time>
      <span class="font-[550]">{actionText(props.entry.action)}</span>
      <span class="min-w-0 break-words max-md:col-start-2">
        <Show
          when={account()}
          fallback={<Show when={props.entry.target}>{(target) => <span>{target()} </span>}</Show>}
        >
          {(known) => <AccountName account={known()} class="!inline-flex mr-2" />}
        </Show>
        <Show when={props.entry.details}>
          {(details) => <span class="text-xs text-ink-2">{detailsText(details())}</span>}
        </Show>
      </span>
      <span class="text-ink-2 max-md:col-start-2 max-md:text-xs">
        {words.actors[props.entry.actor] ?? props.entry.actor}
        <span class="text-ink-3 md:hidden"> · {props.entry.actorIp}</span>
      </span>
      <span class="text-ink-3 max-md:hidden">{props.entry.actorIp}</span>
    </li>
  );
}

/** Without the id of a login flow, which nobody can look up anywhere. `{field: {from, to}}` reads "field: from → to"; anything else as it is. */
function detailsText(details: Record<string, unknown>): string {
  return Object.entries(details)
    .filter(([name]) => name !== "flowId")
    .map(([name, value]) => {
      if (typeof value === "object" && value !== null && "from" in value && "to" in value)
        return `${name}: ${plain(value.from)} → ${plain(value.to)}`;
      return `${name}: ${plain(value)}`;
    })
    .join(", ");
}

const plain = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));
