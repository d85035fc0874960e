/** `codex-lb top`: the pool as a live screen, or once as plain lines. */
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import type { Ports } from "../ports.ts";
import { listAccounts } from "./accounts.ts";
import { print, printJson } from "./format.ts";
import { findService, type ServiceClient } from "./service.ts";
import {
  type FinishedRequest,
  forgetOld,
  initialState,
  onKey,
  onLiveEvent,
  type Today,
  type TopState,
} from "./top/model.ts";
import { openScreen } from "./top/screen.ts";
import { renderTop } from "./top/view.ts";

export interface TopInput {
  once: boolean;
  json: boolean;
  url: string | null;
  colour: boolean;
}

/** Countdowns move each second; requests that run, in tenths. */
const DRAW_EVERY_MS = 250;
/** The feed tells of changes; what it does not tell (new accounts, other days) is read so often. */
const READ_EVERY_MS = 10_000;
const RECONNECT_AFTER_MS = 2_000;
const FIRST_REQUESTS = 50;

/** Resolves with the exit code. Throws `not_running`. */
export async function topCommand(input: TopInput, config: Config, ports: Ports): Promise<number> {
  const service = await findService(config, ports.fetch, input.url);
  if (service === null) {
    const where = input.url ?? `on ${config.dataDir}`;
    throw new CodedError(
      "not_running",
      `No codex-lb runs ${where}. Start it with: codex-lb, or name one: --url http://127.0.0.1:2455`,
    );
  }
  const state = initialState(service.url);
  await readAll(service, state);
  const { once, json } = input;
  if (json) printJson({ accounts: state.accounts, today: state.today, requests: state.finished });
  else if (once || !process.stdin.isTTY || !process.stdout.isTTY) {
    const columns = process.stdout.columns || 80;
    for (const line of renderTop(state, { columns, rows: null, colour: false, nowMs: Date.now() }))
      print(line.trimEnd());
  } else await watch(service, state, input.colour);
  return 0;
}

async function readAll(service: ServiceClient, state: TopState): Promise<void> {
  state.accounts = await listAccounts(service);
  state.today = await readToday(service);
  if (state.finished.length > 0) return;
  const path = `/api/request-logs?limit=${FIRST_REQUESTS}`;
  state.finished = (await service.read<{ requests: FinishedRequest[] }>("GET", path)).requests;
}

/** The local day, as whoever sits at the terminal counts it. */
async function readToday(service: ServiceClient): Promise<Today> {
  const now = new Date();
  const two = (value: number) => String(value).padStart(2, "0");
  const date = `${now.getFullYear()}-${two(now.getMonth() + 1)}-${two(now.getDate())}`;
  const query = new URLSearchParams({
    start_date: date,
    end_date: date,
    timezone: Intl.DateTimeFormat().resolvedOptions().timeZone,
  });
  const { summary } = await service.read<{
    summary: { requests: number; inputTokens: number; outputTokens: number; costUsd: number };
  }>("GET", `/api/reports?${query.toString()}`);
  return {
    requests: summary.requests,
    tokens: summary.inputTokens + summary.outputTokens,
    costUsd: summary.costUsd,
  };
}

/** Until q or Ctrl-C; whatever happens, the terminal is given back as it was. */
async function watch(service: ServiceClient, state: TopState, colour: boolean): Promise<void> {
  const { promise: left, resolve: leave, reject: fail } = Promise.withResolvers<void>();
  const stop = new AbortController();
  const screen = openScreen(process, {
    key(key) {
      const wish = onKey(state, key);
      if (wish?.kind === "quit") leave();
      if (wish?.kind === "toggle") void toggle(service, state, wish.account.accountId);
      draw();
    },
    resize: () => draw(),
  });
  function draw(): void {
    const nowMs = Date.now();
    forgetOld(state, nowMs);
    screen.draw(renderTop(state, { ...screen.size(), colour, nowMs }));
  }
  const guarded = (work: () => void) => () => {
    try {
      work();
    } catch (error) {
      fail(error);
    }
  };
  const drawing = setInterval(guarded(draw), DRAW_EVERY_MS);
  const reading = setInterval(() => {
    readAll(service, state).catch((error: Error) => void (state.message = error.message));
  }, READ_EVERY_MS);
  const following = follow(service, state, stop.signal);
  const onSignal = () => leave();
  process.on("SIGTERM", onSignal);
  try {
    draw();
    await left;
  } finally {
    clearInterval(drawing);
    clearInterval(reading);
    stop.abort();
    process.off("SIGTERM", onSignal);
    screen.close();
    await following;
  }
}

async function toggle(service: ServiceClient, state: TopState, accountId: string): Promise<void> {
  const account = state.accounts.find((one) => one.accountId === accountId);
  const action = account?.status === "paused" ? "reactivate" : "pause";
  try {
    await service.call("POST", `/api/accounts/${accountId}/${action}`);
    state.accounts = await listAccounts(service);
    state.message = `${account?.displayName ?? accountId}: ${action === "pause" ? "paused" : "resumed"}`;
  } catch (error) {
    state.message = (error as Error).message;
  }
}

/** Follows the live feed, and takes it up again when it breaks. */
async function follow(service: ServiceClient, state: TopState, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    try {
      const response = await service.open("/api/live", { signal });
      if (response.status === 401) state.message = "The live feed needs CODEX_LB_ADMIN_API_TOKEN.";
      for await (const { event, data } of eventsOf(response)) onLiveEvent(state, event, data);
    } catch {
      if (!signal.aborted) state.message = "The service does not answer; trying again …";
    }
    if (!signal.aborted) await Bun.sleep(RECONNECT_AFTER_MS);
  }
}

async function* eventsOf(
  response: Response,
): AsyncGenerator<{ event: string; data: Record<string, unknown> }> {
  if (!response.ok || response.body === null) return;
  const decoder = new TextDecoder();
  let pending = "";
  for await (const bytes of response.body) {
    pending += decoder.decode(bytes, { stream: true });
    const parts = pending.split("\n\n");
    pending = parts.pop()!;
    for (const part of parts) {
      const event = /^event: (\S+)$/m.exec(part)?.[1];
      const data = /^data: (.+)$/m.exec(part)?.[1];
      if (event !== undefined && data !== undefined)
        yield { event, data: JSON.parse(data) as Record<string, unknown> };
    }
  }
}
