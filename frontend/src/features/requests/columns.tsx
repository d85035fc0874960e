/** The columns of the request log: what each shows, how wide it is, which are chosen. */
import { type JSX, Show } from "solid-js";
import type { AccountSummary, RequestEntry } from "../../lib/api-types.ts";
import { nameOf } from "../../lib/account-view.ts";
import { clockSeconds, compact, day, duration, exact, percent, requestUsd } from "../../lib/format.ts";
import { remembered } from "../../lib/preferences.ts";
import { requests as words } from "../../lib/strings.ts";
import { RequestStatusSign } from "./request-status.tsx";

export type ColumnName = keyof typeof words.columns;

interface Column {
  width: string;
  right?: boolean;
  cell(entry: RequestEntry, account: AccountSummary | undefined): JSX.Element;
}

/** Every request has a tier; only an unusual one is worth its room. */
const notableTier = ({ serviceTier }: RequestEntry) =>
  serviceTier === "default" || serviceTier === "auto" ? null : serviceTier;

const TODAY = () => new Date().toDateString();

/** The clock today, with the day before that. */
export function LogTime(props: { at: string }) {
  const at = () => new Date(props.at);
  return (
    <time datetime={props.at} title={exact(at())} class="whitespace-nowrap">
      <Show when={at().toDateString() !== TODAY()}>
        <span class="text-ink-3">{day(at())} </span>
      </Show>
      {clockSeconds(at())}
    </time>
  );
}

export function AccountCell(props: { entry: RequestEntry; account: AccountSummary | undefined }) {
  const attempts = () => props.entry.attempts.length;
  return (
    <>
      <span class={`truncate ${props.account?.alias ? "" : "private"}`}>
        {props.account ? nameOf(props.account) : (props.entry.accountId ?? "–")}
      </span>
      <Show when={attempts() > 1}>
        <span class="ml-1.5 shrink-0 text-xs text-warn" title={words.retried(attempts())}>
          ×{attempts()}
        </span>
      </Show>
    </>
  );
}

export const COLUMNS: Record<ColumnName, Column> = {
  time: { width: "8.25rem", cell: (entry) => <LogTime at={entry.requestedAt} /> },
  status: { width: "6.75rem", cell: (entry) => <RequestStatusSign status={entry.status} /> },
  model: {
    width: "minmax(8rem,1.1fr)",
    cell: (entry) => (
      <span class="truncate">
        <span class="font-[550]">{entry.model ?? "–"}</span>
        <Show when={entry.reasoningEffort}>
          <span class="text-ink-3"> {entry.reasoningEffort}</span>
        </Show>
        <Show when={notableTier(entry)}>
          <span class="text-ink-3"> · {notableTier(entry)}</span>
        </Show>
      </span>
    ),
  },
  account: {
    width: "minmax(8rem,1.4fr)",
    cell: (entry, account) => <AccountCell entry={entry} account={account} />,
  },
  key: {
    width: "minmax(6rem,1fr)",
    cell: (entry) => (
      <span class={`truncate ${entry.apiKeyName ? "" : "text-ink-3"}`}>
        {entry.apiKeyName ?? words.noKey}
      </span>
    ),
  },
  tokens: { width: "4.5rem", right: true, cell: (entry) => compact(entry.tokens) },
  cached: {
    width: "4rem",
    right: true,
    cell: (entry) =>
      entry.inputTokens === 0 ? "–" : percent((entry.cachedInputTokens / entry.inputTokens) * 100),
  },
  cost: {
    width: "4.75rem",
    right: true,
    cell: (entry) => `${entry.costEstimated ? "≈" : ""}${requestUsd(entry.costUsd)}`,
  },
  first: {
    width: "5rem",
    right: true,
    cell: (entry) => (entry.latencyFirstTokenMs === null ? "–" : duration(entry.latencyFirstTokenMs)),
  },
  total: { width: "5rem", right: true, cell: (entry) => duration(entry.latencyMs) },
  speed: {
    width: "4.5rem",
    right: true,
    cell: (entry) => (entry.tokensPerSecond === null ? "–" : String(Math.round(entry.tokensPerSecond))),
  },
  client: {
    width: "minmax(6rem,1fr)",
    cell: (entry) => <span class="truncate text-ink-3">{entry.useragent ?? "–"}</span>,
  },
};

export const COLUMN_NAMES = Object.keys(COLUMNS) as ColumnName[];
const DEFAULT_COLUMNS: ColumnName[] = [
  "time",
  "status",
  "model",
  "account",
  "key",
  "tokens",
  "cached",
  "cost",
  "first",
  "total",
];

const [stored, setChosen] = remembered<ColumnName[]>("request-columns", DEFAULT_COLUMNS);
export { setChosen };
/** In the order of the table, whatever the order of choosing. */
export const chosen = (): ColumnName[] => COLUMN_NAMES.filter((name) => stored().includes(name));
export const template = (): string =>
  chosen()
    .map((name) => COLUMNS[name].width)
    .join(" ");
