/** The list of accounts: a table on its own, a narrow column beside an open account. */
import { A, useSearchParams } from "@solidjs/router";
import { createMemo, For, Show } from "solid-js";
import {
  byUrgency,
  leftTone,
  nameOf,
  needsPerson,
  planWindows,
  tightestLeft,
} from "../../lib/account-view.ts";
import type { AccountStatus, AccountSummary } from "../../lib/api-types.ts";
import { now } from "../../lib/clock.ts";
import { compact, count, percent, planName, usd } from "../../lib/format.ts";
import { accountWords, accounts as words } from "../../lib/strings.ts";
import { Bar } from "../../ui/charts.tsx";
import { SelectField, TextField } from "../../ui/field.tsx";
import { Empty } from "../../ui/states.tsx";
import { Ago } from "../../ui/time.tsx";
import { AccountMenu } from "./account-menu.tsx";
import { AccountName, PlanLine, StatusSign, WindowLines } from "./account-parts.tsx";

type Sort = keyof typeof words.list.sorts;
const SORTS = Object.keys(words.list.sorts) as Sort[];
const STATUSES = Object.keys(accountWords.status) as AccountStatus[];
/** Rows keep their place for so long while the clock runs. */
const REORDER_MS = 60_000;

const firstReset = (account: AccountSummary) =>
  planWindows(account)
    .map((window) => window.resetAt ?? "9")
    .toSorted()[0] ?? "9";

function comparison(sort: Sort, nowMs: number): (a: AccountSummary, b: AccountSummary) => number {
  switch (sort) {
    case "urgency":
      return byUrgency(nowMs);
    case "name":
      return (a, b) => nameOf(a).localeCompare(nameOf(b));
    case "left":
      return (a, b) => tightestLeft(a, nowMs) - tightestLeft(b, nowMs);
    case "resets":
      return (a, b) => firstReset(a).localeCompare(firstReset(b));
    case "used":
      return (a, b) => (b.requestUsage?.totalTokens ?? 0) - (a.requestUsage?.totalTokens ?? 0);
  }
  return sort satisfies never;
}

const textOf = (account: AccountSummary) =>
  [account.alias, account.email, account.displayName, account.workspaceLabel, account.accountId]
    .join(" ")
    .toLowerCase();

export function AccountList(props: { accounts: AccountSummary[]; openId: string | undefined }) {
  const [params, setParams] = useSearchParams<{
    q?: string;
    status?: string;
    plan?: string;
    sort?: string;
  }>();
  const sort = () => SORTS.find((one) => one === params.sort) ?? "urgency";
  const minute = createMemo(() => Math.floor(now() / REORDER_MS) * REORDER_MS);
  const plans = createMemo(() => [...new Set(props.accounts.map((account) => account.planType))].toSorted());
  const shown = createMemo(() => {
    const wanted = (params.q ?? "").trim().toLowerCase();
    return props.accounts
      .filter((account) => wanted === "" || textOf(account).includes(wanted))
      .filter((account) => !params.status || account.status === params.status)
      .filter((account) => !params.plan || account.planType === params.plan)
      .toSorted(comparison(sort(), minute()));
  });
  const set = (change: Record<string, string | undefined>) =>
    setParams(change, { replace: true, scroll: false });
  const narrow = () => props.openId !== undefined;
  return (
    <section aria-label={words.title}>
      <div class={`mb-3 flex flex-wrap items-center gap-2 ${narrow() ? "[&>*]:flex-1" : ""}`}>
        <TextField
          label={words.list.search}
          hideLabel
          type="search"
          placeholder={words.list.search}
          class={narrow() ? "!basis-full" : "w-64 max-sm:w-full"}
          value={params.q ?? ""}
          onInput={(event) => set({ q: event.currentTarget.value || undefined })}
        />
        <SelectField
          label={words.list.status}
          hideLabel
          value={params.status ?? ""}
          choices={[
            { value: "", label: words.list.allStatuses },
            ...STATUSES.map((value) => ({ value, label: accountWords.status[value] })),
          ]}
          onChange={(status) => set({ status: status || undefined })}
        />
        <Show when={plans().length > 1 && !narrow()}>
          <SelectField
            label={words.list.plan}
            hideLabel
            value={params.plan ?? ""}
            choices={[
              { value: "", label: words.list.allPlans },
              ...plans().map((value) => ({ value, label: planName(value) })),
            ]}
            onChange={(plan) => set({ plan: plan || undefined })}
          />
        </Show>
        <SelectField
          label={words.list.sort}
          hideLabel
          value={sort()}
          choices={SORTS.map((value) => ({ value, label: words.list.sorts[value] }))}
          onChange={(value) => set({ sort: value === "urgency" ? undefined : value })}
        />
        <Show when={!narrow()}>
          <span class="ml-auto text-xs text-ink-3">
            {words.list.count(shown().length, props.accounts.length)}
          </span>
        </Show>
      </div>
      <Show
        when={shown().length > 0}
        fallback={<Empty title={words.list.noMatch}>{words.list.noMatchHint}</Empty>}
      >
        <Show when={narrow()} fallback={<Table accounts={shown()} />}>
          <ul class="panel overflow-hidden lg:max-h-[calc(100dvh-10rem)] lg:overflow-y-auto">
            <For each={shown()}>
              {(account) => <NarrowRow account={account} open={account.accountId === props.openId} />}
            </For>
          </ul>
        </Show>
      </Show>
    </section>
  );
}

/** One grid for head and rows; below `lg` a row becomes a card of two lines. */
const COLUMNS =
  "lg:grid lg:grid-cols-[minmax(11rem,1.5fr)_7rem_minmax(17rem,2fr)_4.5rem_4.5rem_5.5rem_5.5rem_2rem] lg:items-center lg:gap-x-4";

function Table(props: { accounts: AccountSummary[] }) {
  const c = words.list.columns;
  return (
    <div class="panel overflow-hidden" role="table" aria-label={words.title}>
      <div role="rowgroup" class="max-lg:hidden">
        <div role="row" class={`${COLUMNS} border-b border-line px-4 py-2 text-xs font-[550] text-ink-2`}>
          <span role="columnheader">{c.account}</span>
          <span role="columnheader">{c.state}</span>
          <span role="columnheader">{c.windows}</span>
          <span role="columnheader" class="text-right">
            {c.requests}
          </span>
          <span role="columnheader" class="text-right">
            {c.tokens}
          </span>
          <span role="columnheader" class="text-right">
            {c.cost}
          </span>
          <span role="columnheader" class="text-right">
            {c.last}
          </span>
          <span role="columnheader" class="sr-only">
            {c.actions}
          </span>
        </div>
      </div>
      <div role="rowgroup">
        <For each={props.accounts}>{(account) => <TableRow account={account} />}</For>
      </div>
    </div>
  );
}

function TableRow(props: { account: AccountSummary }) {
  const use = () => props.account.requestUsage;
  return (
    <div
      role="row"
      class={`${COLUMNS} relative border-b border-line px-4 py-2.5 [contain-intrinsic-size:auto_3.75rem] [content-visibility:auto] last:border-0 hover:bg-hover max-lg:flex max-lg:flex-wrap max-lg:items-center max-lg:gap-x-3 max-lg:gap-y-2`}
    >
      <div role="cell" class="flex min-w-0 flex-col max-lg:flex-1 max-lg:basis-40">
        <AccountName
          account={props.account}
          class="text-sm font-[550] after:absolute after:inset-0 after:content-['']"
        />
        <PlanLine account={props.account} />
      </div>
      <div role="cell" class="flex items-center">
        <StatusSign status={props.account.status} reason={props.account.statusReason} />
      </div>
      <div role="cell" class="min-w-0 max-lg:order-last max-lg:basis-full">
        <WindowLines account={props.account} />
      </div>
      <div role="cell" class="text-right text-sm max-lg:hidden">
        {count(use()?.requestCount ?? 0)}
      </div>
      <div role="cell" class="text-right text-sm max-lg:hidden">
        {compact(use()?.totalTokens ?? 0)}
      </div>
      <div role="cell" class="text-right text-sm max-lg:hidden">
        {usd(use()?.totalCostUsd ?? 0)}
      </div>
      <div role="cell" class="text-right text-xs text-ink-3 max-lg:hidden">
        <Ago at={props.account.usageReadAt ?? props.account.lastRefreshAt} />
      </div>
      <div role="cell" class="relative z-10 text-right">
        <AccountMenu account={props.account} />
      </div>
    </div>
  );
}

function NarrowRow(props: { account: AccountSummary; open: boolean }) {
  const left = createMemo(() => tightestLeft(props.account, now()));
  return (
    <li
      class="border-b border-line last:border-0"
      ref={(row) => props.open && requestAnimationFrame(() => row.scrollIntoView({ block: "nearest" }))}
    >
      <A
        href={`/accounts/${props.account.accountId}`}
        noScroll
        class="flex flex-col gap-1.5 border-l-2 border-transparent px-3 py-2 hover:bg-hover"
        activeClass="!border-accent bg-accent-soft/60"
      >
        <span class="flex items-center justify-between gap-2">
          <AccountName account={props.account} link={false} />
          <StatusSign status={props.account.status} bare />
        </span>
        <span class="grid grid-cols-[1fr_2.5rem] items-center gap-2 text-xs text-ink-3">
          <Bar
            percent={left()}
            tone={props.account.status === "paused" || needsPerson(props.account) ? "idle" : leftTone(left())}
            class="!h-1"
            label={accountWords.windowLabel(
              words.list.columns.windows,
              nameOf(props.account),
              percent(left()),
            )}
          />
          <span class="text-right">{percent(left())}</span>
        </span>
      </A>
    </li>
  );
}
