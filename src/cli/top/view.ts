/** The screen of `codex-lb top` as lines of exactly its width. Pure; made for 80×24 and glad of more. */
import type { AccountSummary } from "../../http/account-views.ts";
import { bar, countText, durationText, fit, plain, usdText, windowName } from "../format.ts";
import {
  type FinishedRequest,
  type RunningRequest,
  shownAccounts,
  shownRequests,
  spendPerMinute,
  type TopState,
} from "./model.ts";

export interface ViewOptions {
  columns: number;
  /** null: as many lines as there is something to say, without the line of keys. */
  rows: number | null;
  colour: boolean;
  nowMs: number;
}

type Style = "bold" | "dim" | "inverse" | "green" | "yellow" | "red";
const CODES: Record<Style, number> = { bold: 1, dim: 2, inverse: 7, green: 32, yellow: 33, red: 31 };

const BAR_WIDTH = 6;
const WINDOW_WIDTH = 15;
/** Two windows are what an account usually has; a third is on its page of the dashboard. A narrow screen has room for one. */
const windowsShown = (columns: number) => (columns < 76 ? 1 : 2);
const windowsWidth = (columns: number) => windowsShown(columns) * (WINDOW_WIDTH + 1) - 1;
/** What is left for the name on an account's line. */
const nameWidth = (columns: number) =>
  columns - (2 + 1 + 6 + 1 + 7 + 1 + windowsWidth(columns) + 1 + 7 + 1 + 2);
const NARROWEST = 60;
/** Requests listed by `--once`. */
const ONCE_REQUESTS = 10;
const KEYS = "↑↓ choose  p pause/resume  s sort  f filter  q quit";

export function renderTop(state: TopState, options: ViewOptions): string[] {
  const columns = Math.max(NARROWEST, options.columns);
  const paint = (text: string, ...styles: Style[]) =>
    options.colour && styles.length > 0
      ? `\x1b[${styles.map((style) => CODES[style]).join(";")}m${text}\x1b[0m`
      : text;
  const accounts = shownAccounts(state);
  const head = headLines(state, columns, options.nowMs);
  const accountHead = accountHeader(state, columns);
  const requestHead = requestHeader(columns);
  // Head 2, a blank, the two headers with a blank between, and the keys.
  const fixed = 7;
  const free = options.rows === null ? accounts.length + ONCE_REQUESTS : Math.max(2, options.rows - fixed);
  const accountLines = Math.min(
    accounts.length,
    options.rows === null ? free : Math.max(1, Math.floor(free * 0.6)),
  );
  const first = firstShown(accounts, state.selectedId, accountLines);
  const requestLines = free - accountLines;
  const lines = [
    paint(head[0], "bold"),
    head[1],
    "",
    paint(accountHead, "inverse"),
    ...accounts.slice(first, first + accountLines).map((account) => {
      const isSelected = account.accountId === state.selectedId;
      return paint(
        accountLine(account, columns, { isSelected, nowMs: options.nowMs }),
        ...accountStyles(account, isSelected),
      );
    }),
    "",
    paint(requestHead, "inverse"),
    ...requestRows(state, columns, options.nowMs)
      .slice(0, requestLines)
      .map(([line, ...styles]) => paint(line, ...styles)),
  ];
  if (options.rows === null) return lines;
  while (lines.length < options.rows - 1) lines.push("");
  return [...lines.slice(0, options.rows - 1), paint(fit(bottomText(state), columns), "dim")];
}

function headLines(state: TopState, columns: number, nowMs: number): [string, string] {
  const able = state.accounts.filter(({ status }) => status === "active").length;
  const clock = new Date(nowMs).toTimeString().slice(0, 8);
  const left = `codex-lb ${state.url}  ${able} of ${state.accounts.length} accounts active, ${state.running.size} running`;
  const today = state.today;
  const spend = `At API price: ${usdText(spendPerMinute(state, nowMs))} last minute`;
  const sum =
    today === null
      ? ""
      : `, ${usdText(today.costUsd)} today (${countText(today.requests)} requests, ${countText(today.tokens)} tokens)`;
  return [fit(left, columns - clock.length - 1) + ` ${clock}`, fit(spend + sum, columns)];
}

function accountHeader({ sort }: TopState, columns: number): string {
  const name = fit(`  ACCOUNT (by ${sort})`, nameWidth(columns) + 2);
  return `${name} ${fit("PLAN", 6)} ${fit("STATE", 7)} ${fit("WINDOWS", windowsWidth(columns))} ${fit("RESET", 7)} ${fit("IN", 2)}`;
}

function accountLine(
  account: AccountSummary,
  columns: number,
  { isSelected, nowMs }: { isSelected: boolean; nowMs: number },
): string {
  const windows = account.windows
    .filter(({ scope }) => scope === "all")
    .toSorted((a, b) => a.minutes - b.minutes);
  const cells = Array.from({ length: windowsShown(columns) }, (_, index) => {
    const window = windows[index];
    if (window === undefined) return " ".repeat(WINDOW_WIDTH);
    const percent = Math.round(window.usedPercent);
    return `${windowName(window.minutes).padEnd(3)} ${bar(percent, BAR_WIDTH)} ${String(percent).padStart(3)}%`;
  });
  const name = fit(plain(account.displayName), nameWidth(columns));
  const plan = fit(account.planType, 6);
  const state = fit(STATE_WORDS[account.status], 7);
  const running = fit(account.inFlight > 99 ? "99" : String(account.inFlight), 2);
  return `${isSelected ? "▸ " : "  "}${name} ${plan} ${state} ${cells.join(" ")} ${fit(resetText(account, nowMs), 7)} ${running}`;
}

const STATE_WORDS: Record<AccountSummary["status"], string> = {
  active: "active",
  rate_limited: "spent",
  quota_exceeded: "spent",
  paused: "paused",
  reauth_required: "log in",
  deactivated: "off",
};

/** Until it serves again or, while it serves, until its fullest window starts afresh. */
function resetText({ windows, statusUntil }: AccountSummary, nowMs: number): string {
  const fullest = windows.toSorted((a, b) => b.usedPercent - a.usedPercent)[0];
  const at = statusUntil ?? fullest?.resetAt;
  return at === undefined || at === null ? "" : durationText(Date.parse(at) - nowMs);
}

function accountStyles({ status, windows }: AccountSummary, isSelected: boolean): Style[] {
  const styles: Style[] = isSelected ? ["bold"] : [];
  if (status === "paused") return [...styles, "dim"];
  if (status !== "active") return [...styles, "red"];
  return windows.some(({ usedPercent }) => usedPercent >= 85) ? [...styles, "yellow"] : styles;
}

/** The part of a long list in which the selected account is. */
function firstShown(accounts: readonly AccountSummary[], selectedId: string | null, lines: number): number {
  const at = accounts.findIndex(({ accountId }) => accountId === selectedId);
  return at < lines ? 0 : at - lines + 1;
}

/** "rate_limit" fits. */
const STATUS_WIDTH = 10;
/** Columns of a request's line beside model, account and key, blanks included. */
const REQUEST_REST = 8 + 1 + STATUS_WIDTH + 1 + 7 + 1 + 8 + 1 + 6 + 3;

function requestWidths(columns: number): [model: number, account: number, key: number] {
  const free = columns - REQUEST_REST;
  const model = Math.min(16, Math.floor(free * 0.39));
  const account = Math.floor((free - model) * 0.55);
  return [model, account, free - model - account];
}

function requestHeader(columns: number): string {
  const [model, account, key] = requestWidths(columns);
  return `${fit("REQUESTS", 8)} ${fit("MODEL", model)} ${fit("ACCOUNT", account)} ${fit("KEY", key)} ${fit("STATUS", STATUS_WIDTH)} ${"TOKENS".padStart(7)} ${"COST".padStart(8)} ${"TIME".padStart(6)}`;
}

function requestRows(state: TopState, columns: number, nowMs: number): [string, ...Style[]][] {
  const names = new Map(state.accounts.map(({ accountId, displayName }) => [accountId, displayName]));
  const nameOf = (id: string | null) => (id === null ? "" : plain(names.get(id) ?? id));
  const running = [...state.running.values()].toReversed();
  return [
    ...running.map((request): [string, ...Style[]] => [
      runningLine(request, nameOf, columns, nowMs),
      "green",
    ]),
    ...shownRequests(state).map((request): [string, ...Style[]] => [
      finishedLine(request, nameOf, columns),
      ...(request.status === "ok" || request.status === "cancelled" ? [] : (["red"] as const)),
    ]),
  ];
}

function runningLine(
  { requestedAtMs, model, accountId, apiKeyName }: RunningRequest,
  nameOf: (id: string | null) => string,
  columns: number,
  nowMs: number,
): string {
  const [modelWidth, accountWidth, keyWidth] = requestWidths(columns);
  const cells = [
    timeText(requestedAtMs),
    fit(plain(model ?? ""), modelWidth),
    fit(nameOf(accountId), accountWidth),
    fit(plain(apiKeyName ?? ""), keyWidth),
    fit(accountId === null ? "choosing" : "running", STATUS_WIDTH),
    " ".repeat(7),
    " ".repeat(8),
    secondsText(nowMs - requestedAtMs),
  ];
  return cells.join(" ");
}

function finishedLine(
  request: FinishedRequest,
  nameOf: (id: string | null) => string,
  columns: number,
): string {
  const [modelWidth, accountWidth, keyWidth] = requestWidths(columns);
  const moved = request.attempts.length > 1 ? ` ×${request.attempts.length}` : "";
  const cells = [
    timeText(Date.parse(request.requestedAt)),
    fit(plain(request.model ?? ""), modelWidth),
    fit(nameOf(request.accountId), accountWidth),
    fit(plain(request.apiKeyName ?? ""), keyWidth),
    fit(request.status + moved, STATUS_WIDTH),
    countText(request.tokens).padStart(7),
    usdText(request.costUsd).padStart(8),
    secondsText(request.latencyMs),
  ];
  return cells.join(" ");
}

const timeText = (ms: number) => new Date(ms).toTimeString().slice(0, 8);
const secondsText = (ms: number) => `${(Math.max(0, ms) / 1000).toFixed(1)}s`.padStart(6);

function bottomText({ typing, filter, message }: TopState): string {
  if (typing) return `filter: ${filter}▏ (Enter keeps it, Esc drops it)`;
  if (message !== null) return message;
  return filter === "" ? KEYS : `filter: ${filter} (Esc drops it)  ${KEYS}`;
}
