/** The accounts as cards, whoever needs somebody first. */
import { A } from "@solidjs/router";
import { createMemo, For, Show } from "solid-js";
import { backAt, byUrgency } from "../../lib/account-view.ts";
import type { AccountSummary } from "../../lib/api-types.ts";
import { now } from "../../lib/clock.ts";
import { overview as words } from "../../lib/strings.ts";
import { Section } from "../../ui/page.tsx";
import { AccountName, PlanLine, StatusSign, WindowLines } from "../accounts/account-parts.tsx";
import { MendAction } from "../accounts/mend-action.tsx";
import { Countdown } from "../../ui/time.tsx";

/** Enough to fill the page beside the live list; the Accounts page has all. */
const SHOWN = 18;
/** The order is kept for so long, that cards do not jump while one reads. */
const REORDER_MS = 60_000;

export function AccountCards(props: { accounts: AccountSummary[] }) {
  const at = createMemo(() => Math.floor(now() / REORDER_MS) * REORDER_MS);
  const shown = createMemo(() => [...props.accounts].toSorted(byUrgency(at())).slice(0, SHOWN));
  const hidden = () => props.accounts.length - shown().length;
  return (
    <Section
      title={words.accounts.title}
      aside={
        <A href="/accounts" class="link text-sm">
          {words.accounts.all(props.accounts.length)}
        </A>
      }
    >
      <ul class="grid gap-3 sm:grid-cols-2 2xl:grid-cols-3">
        <For each={shown()}>{(account) => <AccountCard account={account} />}</For>
      </ul>
      <Show when={hidden() > 0}>
        <A
          href="/accounts"
          class="mt-3 block rounded-lg border border-dashed border-line-strong py-2.5 text-center text-sm text-ink-2 hover:bg-hover hover:text-ink"
        >
          {words.accounts.more(hidden())}
        </A>
      </Show>
    </Section>
  );
}

function AccountCard(props: { account: AccountSummary }) {
  return (
    <li class="panel flex min-w-0 flex-col gap-2.5 px-3.5 py-3">
      <div class="flex items-start justify-between gap-3">
        <div class="flex min-w-0 flex-col">
          <AccountName account={props.account} class="text-sm font-[550]" />
          <PlanLine account={props.account} />
        </div>
        <span class="flex flex-col items-end">
          <StatusSign status={props.account.status} reason={props.account.statusReason} />
          <Show
            when={backAt(props.account)}
            fallback={
              <Show when={props.account.inFlight}>
                {(count) => <span class="text-xs text-ink-3">{words.live.running(count())}</span>}
              </Show>
            }
          >
            {(at) => (
              <span class="text-xs text-ink-3">
                <Countdown at={at()} />
              </span>
            )}
          </Show>
        </span>
      </div>
      <WindowLines account={props.account} />
      <MendAction account={props.account} />
    </li>
  );
}
