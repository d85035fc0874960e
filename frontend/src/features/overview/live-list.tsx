/** What runs now and what has just ended, newest first. */
import { A } from "@solidjs/router";
import { useQuery } from "@tanstack/solid-query";
import { createMemo, For, Show } from "solid-js";
import { nameOf } from "../../lib/account-view.ts";
import type { AccountSummary, RequestEntry } from "../../lib/api-types.ts";
import { now } from "../../lib/clock.ts";
import { compact, duration, requestUsd, span } from "../../lib/format.ts";
import { finished, type RunningRequest, running } from "../../lib/live.ts";
import { dataOf, recentRequestsQuery } from "../../lib/queries.ts";
import { overview as words } from "../../lib/strings.ts";
import { ButtonLink } from "../../ui/button.tsx";
import { Section } from "../../ui/page.tsx";
import { Empty, SkeletonRows } from "../../ui/states.tsx";
import { Ago } from "../../ui/time.tsx";
import { RequestStatusSign } from "../requests/request-status.tsx";

const SHOWN = 16;
const MAX_RUNNING = 8;

export function LiveList(props: { accounts: AccountSummary[] }) {
  const recent = useQuery(() => recentRequestsQuery);
  const names = createMemo(() => new Map(props.accounts.map((account) => [account.accountId, account])));
  const done = createMemo(() => {
    const seen = new Set(finished.map((entry) => entry.requestId));
    const older = (dataOf(recent)?.requests ?? []).filter((entry) => !seen.has(entry.requestId));
    return [...finished, ...older]
      .toSorted((a, b) => endMs(b) - endMs(a))
      .slice(0, SHOWN - Math.min(MAX_RUNNING, running.length));
  });
  return (
    <Section
      title={words.live.title}
      note={words.live.running(running.length)}
      aside={
        <A href="/requests" class="link text-sm">
          {words.live.all}
        </A>
      }
    >
      <div class="panel overflow-hidden">
        <Show when={!recent.isPending || done().length > 0} fallback={<SkeletonRows rows={8} />}>
          <Show
            when={done().length + running.length > 0}
            fallback={
              <Empty
                title={words.live.empty}
                actions={
                  <ButtonLink href="/connect" small>
                    {words.live.connect}
                  </ButtonLink>
                }
              >
                {words.live.emptyHint}
              </Empty>
            }
          >
            <ul>
              <For each={running.slice(0, MAX_RUNNING)}>
                {(entry) => (
                  <RunningRow
                    entry={entry}
                    account={entry.accountId ? names().get(entry.accountId) : undefined}
                  />
                )}
              </For>
              <For each={done()}>
                {(entry) => (
                  <FinishedRow
                    entry={entry}
                    account={entry.accountId ? names().get(entry.accountId) : undefined}
                  />
                )}
              </For>
            </ul>
          </Show>
        </Show>
      </div>
    </Section>
  );
}

const ROW =
  "grid grid-cols-[1.125rem_minmax(0,1fr)_auto] gap-x-2 border-b border-line px-3.5 py-2 text-xs last:border-0";

function Who(props: { account: AccountSummary | undefined; fallback: string }) {
  return (
    <Show when={props.account} fallback={<span class="truncate">{props.fallback}</span>}>
      {(account) => <span class={`truncate ${account().alias ? "" : "private"}`}>{nameOf(account())}</span>}
    </Show>
  );
}

/** The list is in the order in which requests ended; the log gives them as they began. */
const endMs = (entry: RequestEntry) => Date.parse(entry.requestedAt) + entry.latencyMs;

function RunningRow(props: { entry: RunningRequest; account: AccountSummary | undefined }) {
  return (
    <li class={`${ROW} bg-accent-soft/35`}>
      <RequestStatusSign status="running" bare />
      <span class="truncate font-[550]">{props.entry.model}</span>
      <span class="text-right text-accent">{span(now() - Date.parse(props.entry.requestedAt))}</span>
      <span class="col-start-2 flex min-w-0 gap-1 text-ink-3">
        <Who account={props.account} fallback={props.entry.accountId ?? words.live.waiting} />
        <Show when={props.entry.apiKeyName}>{(name) => <span class="truncate">· {name()}</span>}</Show>
      </span>
    </li>
  );
}

function FinishedRow(props: { entry: RequestEntry; account: AccountSummary | undefined }) {
  return (
    <li>
      <A href={`/requests?open=${encodeURIComponent(props.entry.requestId)}`} class={`${ROW} hover:bg-hover`}>
        <RequestStatusSign status={props.entry.status} bare />
        <span class="truncate font-[550]">{props.entry.model}</span>
        <span class="text-right">
          {compact(props.entry.tokens)} <span class="text-ink-3">· {requestUsd(props.entry.costUsd)}</span>
        </span>
        <span class="col-start-2 flex min-w-0 gap-1 text-ink-3">
          <Show
            when={props.entry.status === "ok"}
            fallback={<span class="truncate text-bad">{props.entry.errorCode ?? props.entry.status}</span>}
          >
            <Who account={props.account} fallback={props.entry.accountId ?? props.entry.lane} />
          </Show>
          <Show when={props.entry.apiKeyName}>{(name) => <span class="truncate">· {name()}</span>}</Show>
        </span>
        <span class="text-right text-ink-3">
          {duration(props.entry.latencyMs)} · <Ago at={new Date(endMs(props.entry)).toISOString()} />
        </span>
      </A>
    </li>
  );
}
