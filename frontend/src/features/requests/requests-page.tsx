/** The request log: filtered by the URL, growing at the top while one watches, one request open at the side. */
import { useQuery } from "@tanstack/solid-query";
import Activity from "lucide-solid/icons/activity";
import ArrowUp from "lucide-solid/icons/arrow-up";
import { createEffect, createMemo, createSignal, on, onCleanup, onMount, Show } from "solid-js";
import type { RequestEntry } from "../../lib/api-types.ts";
import { count } from "../../lib/format.ts";
import { liveState, LOG_WRITTEN_MS, onRequestFinished } from "../../lib/live.ts";
import { remembered } from "../../lib/preferences.ts";
import { accountsQuery, dataOf } from "../../lib/queries.ts";
import { requests as words } from "../../lib/strings.ts";
import { Button, ButtonLink } from "../../ui/button.tsx";
import { PageHead } from "../../ui/page.tsx";
import { Empty, ErrorNote, SkeletonRows } from "../../ui/states.tsx";
import { createFilters, passes, queryOf } from "./filters.ts";
import { ColumnChoice, FilterBar, TailSwitch } from "./filter-bar.tsx";
import { createLogPages } from "./log-pages.ts";
import { RequestDrawer } from "./request-drawer.tsx";
import { RequestTable } from "./request-table.tsx";

/** New requests kept above the pages; from then on the log itself is asked again. */
const MAX_FRESH = 500;
/** Further down than this, new rows would push away what is being read. */
const READING_FROM_PX = 240;

const byTime = (a: RequestEntry, b: RequestEntry) => b.requestedAt.localeCompare(a.requestedAt);

export default function RequestsPage() {
  const filters = createFilters();
  const [tail, setTail] = remembered("live-tail", true);
  const accounts = useQuery(() => accountsQuery);
  const names = createMemo(
    () => new Map((dataOf(accounts) ?? []).map((account) => [account.accountId, account])),
  );
  const log = createLogPages(() => queryOf(filters.values(), Date.now()));

  onMount(() => {
    // What ended just before this page came is neither in the log yet nor told again.
    const timer = setTimeout(() => void log.refresh(), LOG_WRITTEN_MS);
    onCleanup(() => clearTimeout(timer));
  });
  createEffect(on(liveState, (state, before) => state === "live" && before === "lost" && void log.refresh()));
  const [fresh, setFresh] = createSignal<RequestEntry[]>([]);
  const [held, setHeld] = createSignal<RequestEntry[]>([]);
  // What the log has told since is not new any more.
  createEffect(
    on(log.head, (head) => {
      const told = new Set(head?.requests.map((entry) => entry.requestId));
      setFresh((list) => list.filter((entry) => !told.has(entry.requestId)));
    }),
  );
  createEffect(on(filters.values, () => (setFresh([]), setHeld([])), { defer: true }));
  onRequestFinished((entry) => {
    if (!passes(entry, filters.values())) return;
    // As in the log: by when they were asked, not by when they ended.
    const add = (list: RequestEntry[]) => [entry, ...list].toSorted(byTime).slice(0, MAX_FRESH);
    if (tail() && scrollY < READING_FROM_PX) setFresh(add);
    else setHeld(add);
  });
  const showHeld = () => {
    setFresh((list) => [...held(), ...list].slice(0, MAX_FRESH));
    setHeld([]);
    scrollTo({ top: 0 });
  };

  const rows = createMemo(() => {
    const above = new Set(fresh().map((entry) => entry.requestId));
    const below = log.rows().filter((entry) => !above.has(entry.requestId));
    // One that ran long is told after others that began later and are in the log already.
    const oldest = fresh().at(-1)?.requestedAt ?? "";
    const mixed = fresh().length === 0 ? 0 : below.findIndex((entry) => entry.requestedAt < oldest);
    const split = mixed === -1 ? below.length : mixed;
    return [...[...fresh(), ...below.slice(0, split)].toSorted(byTime), ...below.slice(split)];
  });
  const summary = () => {
    const head = log.head();
    if (head === null || head.total === null) return undefined;
    const text = `${count(head.total + fresh().length)}${head.totalIsAtLeast ? "+" : ""}`;
    return filters.any() ? words.found(text) : words.all(text);
  };
  const opened = createMemo(() => rows().find((entry) => entry.requestId === filters.opened()));

  return (
    <>
      <PageHead title={words.title} summary={summary()}>
        <TailSwitch on={tail()} set={setTail} />
        <ColumnChoice />
      </PageHead>
      <FilterBar filters={filters} accounts={dataOf(accounts) ?? []} />
      <Show when={held().length > 0}>
        <div class="sticky top-2 z-10 h-0 text-center">
          <Button small look="primary" icon={ArrowUp} class="shadow-float" onClick={showHeld}>
            {words.paused(held().length)}
          </Button>
        </div>
      </Show>
      <Show when={log.error()}>
        <ErrorNote error={log.error()} retry={() => void log.refresh()} class="mb-3" />
      </Show>
      <div class="panel overflow-hidden">
        <Show
          when={log.head()}
          fallback={
            <Show when={!log.error()}>
              <SkeletonRows rows={14} />
            </Show>
          }
        >
          <Show
            when={rows().length > 0}
            fallback={<NoRequests filtered={filters.any()} clear={filters.clear} />}
          >
            <RequestTable
              rows={rows()}
              accountOf={(id) => (id === null ? undefined : names().get(id))}
              isFresh={(entry) => fresh().includes(entry)}
              openId={filters.opened()}
              open={filters.open}
              onNearEnd={() => void log.more()}
            />
          </Show>
        </Show>
      </div>
      <Show when={rows().length > 0}>
        <p class="py-3 text-center text-xs text-ink-3" role="status">
          {log.hasMore() ? words.more : words.end}
        </p>
      </Show>
      <RequestDrawer
        requestId={filters.opened()}
        entry={opened()}
        accountOf={(id) => (id === null ? undefined : names().get(id))}
        onClose={() => filters.open(undefined)}
      />
    </>
  );
}

function NoRequests(props: { filtered: boolean; clear(): void }) {
  return (
    <Show
      when={props.filtered}
      fallback={
        <Empty
          icon={Activity}
          title={words.empty.title}
          actions={
            <ButtonLink href="/connect" look="primary">
              {words.empty.action}
            </ButtonLink>
          }
        >
          {words.empty.body}
        </Empty>
      }
    >
      <Empty
        title={words.noMatch.title}
        actions={<Button onClick={props.clear}>{words.filters.clear}</Button>}
      >
        {words.noMatch.body}
      </Empty>
    </Show>
  );
}
