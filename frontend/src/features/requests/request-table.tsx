/** The rows of the log: a table where there is room, two lines per request where there is not. */
import { createSignal, For, onCleanup, Show } from "solid-js";
import type { AccountSummary, RequestEntry } from "../../lib/api-types.ts";
import { compact, duration, requestUsd } from "../../lib/format.ts";
import { requests as words } from "../../lib/strings.ts";
import { VirtualList } from "../../ui/virtual-list.tsx";
import { AccountCell, COLUMNS, chosen, LogTime, template } from "./columns.tsx";
import { RequestStatusSign } from "./request-status.tsx";

const ROW_PX = 37;
const NARROW_ROW_PX = 60;

interface RequestTableProps {
  rows: readonly RequestEntry[];
  accountOf(id: string | null): AccountSummary | undefined;
  isFresh(entry: RequestEntry): boolean;
  openId: string | undefined;
  open(requestId: string): void;
  onNearEnd(): void;
}

function isWideSignal() {
  const wide = matchMedia("(min-width: 64rem)");
  const [isWide, setIsWide] = createSignal(wide.matches);
  const follow = () => setIsWide(wide.matches);
  wide.addEventListener("change", follow);
  onCleanup(() => wide.removeEventListener("change", follow));
  return isWide;
}

/** Arrow keys go from row to row, as in any list. */
function moveFocus(event: KeyboardEvent & { currentTarget: HTMLElement }): void {
  const step =
    event.key === "ArrowDown"
      ? "nextElementSibling"
      : event.key === "ArrowUp"
        ? "previousElementSibling"
        : null;
  if (!step) return;
  event.preventDefault();
  const next = event.currentTarget[step];
  if (next instanceof HTMLElement) next.focus();
}

export function RequestTable(props: RequestTableProps) {
  const isWide = isWideSignal();
  return (
    <div role="table" aria-label={words.title} aria-rowcount={props.rows.length}>
      <Show when={isWide()}>
        <div role="rowgroup">
          <div
            role="row"
            class="grid gap-x-3 border-b border-line px-4 py-2 text-xs font-[550] text-ink-2"
            style={{ "grid-template-columns": template() }}
          >
            <For each={chosen()}>
              {(name) => (
                <span role="columnheader" class={`truncate ${COLUMNS[name].right ? "text-right" : ""}`}>
                  {words.columns[name]}
                </span>
              )}
            </For>
          </div>
        </div>
      </Show>
      <Show
        when={isWide()}
        keyed
        fallback={
          <VirtualList
            items={props.rows}
            rowHeight={NARROW_ROW_PX}
            label={words.title}
            onNearEnd={props.onNearEnd}
          >
            {(entry) => <NarrowRow {...props} entry={entry} />}
          </VirtualList>
        }
      >
        <VirtualList items={props.rows} rowHeight={ROW_PX} label={words.title} onNearEnd={props.onNearEnd}>
          {(entry) => <WideRow {...props} entry={entry} />}
        </VirtualList>
      </Show>
    </div>
  );
}

type RowProps = RequestTableProps & { entry: RequestEntry };

const rowLook = (props: RowProps) =>
  `cursor-pointer border-b border-line outline-offset-[-2px] hover:bg-hover ${props.openId === props.entry.requestId ? "bg-accent-soft" : ""} ${props.isFresh(props.entry) ? "arrived" : ""}`;

const rowHandlers = (props: RowProps) => ({
  tabindex: 0,
  "aria-label": words.details(props.entry.model ?? ""),
  onClick: () => props.open(props.entry.requestId),
  onKeyDown: (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      props.open(props.entry.requestId);
    } else moveFocus(event);
  },
});

function WideRow(props: RowProps) {
  return (
    <div
      role="row"
      {...rowHandlers(props)}
      class={`grid h-[37px] items-center gap-x-3 px-4 text-sm ${rowLook(props)}`}
      style={{ "grid-template-columns": template() }}
    >
      <For each={chosen()}>
        {(name) => (
          <span role="cell" class={`flex min-w-0 ${COLUMNS[name].right ? "justify-end" : ""}`}>
            {COLUMNS[name].cell(props.entry, props.accountOf(props.entry.accountId))}
          </span>
        )}
      </For>
    </div>
  );
}

function NarrowRow(props: RowProps) {
  const account = () => props.accountOf(props.entry.accountId);
  return (
    <div
      role="row"
      {...rowHandlers(props)}
      class={`grid h-[60px] grid-cols-[1.25rem_minmax(0,1fr)_auto] content-center gap-x-2 px-3.5 text-xs ${rowLook(props)}`}
    >
      <span role="cell" class="pt-0.5">
        <RequestStatusSign status={props.entry.status} bare />
      </span>
      <span role="cell" class="truncate text-sm font-[550]">
        {props.entry.model ?? "–"}
      </span>
      <span role="cell" class="text-right text-sm">
        {compact(props.entry.tokens)} <span class="text-ink-3">· {requestUsd(props.entry.costUsd)}</span>
      </span>
      <span role="cell" class="col-start-2 flex min-w-0 gap-1 text-ink-3">
        <Show
          when={account()}
          fallback={<span class="truncate">{props.entry.errorCode ?? props.entry.accountId ?? "–"}</span>}
        >
          {(known) => <AccountCell entry={props.entry} account={known()} />}
        </Show>
        <Show when={props.entry.apiKeyName}>{(name) => <span class="truncate">· {name()}</span>}</Show>
      </span>
      <span role="cell" class="text-right text-ink-3">
        {duration(props.entry.latencyMs)} · <LogTime at={props.entry.requestedAt} />
      </span>
    </div>
  );
}
