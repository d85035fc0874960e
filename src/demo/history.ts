/** Two weeks of a made-up past, as pure values: finished requests, and how the windows of each account filled and reset. */
import { type Cost, type PriceTable, priceOf } from "../core/pricing.ts";
import type { AttemptRecord, RequestRecord, RequestStatus, SelectionRecord } from "../core/record.ts";
import { SCOPE_ALL, type Window } from "../core/windows.ts";
import type { Random } from "../ports.ts";
import { DEMO_MODELS, type DemoAccount, type DemoKey, pickByShare } from "./cast.ts";

/** An account or key of the cast with the id that the store gave it. */
export interface Settled<T> {
  id: string;
  cast: T;
}

export interface PastOptions {
  nowMs: number;
  random: Random;
  prices: PriceTable;
  accounts: Settled<DemoAccount>[];
  keys: Settled<DemoKey>[];
}

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Enough for charts that look real, few enough to be written in a second. */
const REQUESTS_PER_DAY = 430;
const DAYS = 14;
/** Points of the windows' curves: finer ones would not be seen. */
const CURVE_STEP_MS = 30 * MINUTE_MS;

/** How busy each hour of the day is (UTC); a working day with a pause at noon. */
const HOURS = [3, 2, 1, 1, 1, 2, 5, 14, 30, 42, 46, 40, 26, 38, 46, 44, 38, 28, 18, 13, 12, 10, 7, 5];

/** Oldest first. */
export function pastRequests(options: PastOptions): RequestRecord[] {
  const { nowMs, random } = options;
  const startMs = nowMs - DAYS * DAY_MS;
  const records: RequestRecord[] = [];
  const sessions = createSessions(random);
  for (let hourMs = startMs - (startMs % HOUR_MS); hourMs < nowMs; hourMs += HOUR_MS) {
    const inHour = countInHour(hourMs, random);
    const times = Array.from({ length: inHour }, () => Math.floor(hourMs + random.next() * HOUR_MS));
    for (const atMs of times.toSorted((a, b) => a - b)) {
      if (atMs >= startMs && atMs < nowMs - MINUTE_MS) records.push(pastRequest(atMs, sessions, options));
    }
  }
  return records;
}

function countInHour(hourMs: number, random: Random): number {
  const at = new Date(hourMs);
  const isWeekend = at.getUTCDay() % 6 === 0;
  const total = HOURS.reduce((sum, share) => sum + share, 0);
  const mean = (REQUESTS_PER_DAY * HOURS[at.getUTCHours()]!) / total;
  return Math.round(mean * (isWeekend ? 0.35 : 1) * (0.6 + 0.8 * random.next()));
}

/** Conversations of a few turns each. */
function createSessions(random: Random) {
  let open: string[] = [];
  return () => {
    if (open.length < 3 || random.next() < 0.12) open = [...open.slice(-5), uuidOf(random)];
    return open[Math.floor(random.next() * open.length)]!;
  };
}

export function uuidOf(random: Random): string {
  const hex = Buffer.from(random.bytes(16)).toString("hex");
  return [
    hex.slice(0, 8),
    hex.slice(8, 12),
    `7${hex.slice(13, 16)}`,
    `8${hex.slice(17, 20)}`,
    hex.slice(20),
  ].join("-");
}

interface Ending {
  status: RequestStatus;
  errorCode: string | null;
  errorMessage: string | null;
  upstreamStatusCode: number | null;
}

const OK: Ending = { status: "ok", errorCode: null, errorMessage: null, upstreamStatusCode: 200 };
const ENDINGS: (Ending & { share: number })[] = [
  { ...OK, share: 9600 },
  { ...OK, status: "cancelled", errorCode: "client_left", errorMessage: null, share: 190 },
  {
    status: "error",
    errorCode: "context_length_exceeded",
    errorMessage: "The input is longer than the model's context window.",
    upstreamStatusCode: 200,
    share: 70,
  },
  {
    status: "error",
    errorCode: "server_is_overloaded",
    errorMessage: "Every account that was tried answered that OpenAI is overloaded.",
    upstreamStatusCode: 503,
    share: 60,
  },
  {
    status: "rate_limit",
    errorCode: "rate_limit_exceeded",
    errorMessage: "codex-lb: this API key has used up its limit.",
    upstreamStatusCode: null,
    share: 60,
  },
  {
    status: "quota",
    errorCode: "usage_limit_reached",
    errorMessage: "Every account of the pool that may serve this is spent.",
    upstreamStatusCode: 429,
    share: 20,
  },
];

function pastRequest(atMs: number, session: () => string, options: PastOptions): RequestRecord {
  const { random, prices, keys, accounts } = options;
  const chance = random.next;
  const key = pickByShare(
    keys.map((one) => ({ ...one, share: one.cast.share })),
    chance(),
  );
  const models = DEMO_MODELS.filter(({ slug }) => key.cast.allowedModels?.includes(slug) ?? true);
  const model = pickByShare(models, chance());
  const able = accounts.filter(({ cast }) => cast.spec.models?.includes(model.slug) ?? true);
  const account = pickByShare(
    able.map((one) => ({ ...one, share: one.cast.share })),
    chance(),
  );
  const ending = pickByShare(ENDINGS, chance());
  const ours = ending.upstreamStatusCode === null;
  const tokens = tokensOf(ending.status, ours, chance);
  const isFast = chance() < 0.06;
  const serviceTier = ending.status === "ok" ? (isFast ? "priority" : "default") : null;
  const webSearchCalls = ending.status === "ok" && chance() < 0.02 ? 1 : 0;
  const use = { ...tokens, model: model.slug, serviceTier, toolCalls: { webSearch: webSearchCalls } };
  const firstTokenMs = 350 + chance() ** 3 * 4_000;
  const chat = key.cast.userAgent.startsWith("OpenAI/");
  const attempts = ours ? [] : attemptsOf(account.id, able, ending, chance);
  const sessionId = session();
  return {
    requestId: `req_${Buffer.from(random.bytes(12)).toString("hex")}`,
    requestedAtMs: atMs,
    route: chat ? "/v1/chat/completions" : "/backend-api/codex/responses",
    sessionId: chat ? null : sessionId,
    threadId: chat ? null : sessionId,
    turnId: chat ? null : uuidOf(random),
    requestKind: chat ? "turn" : kindOf(chance()),
    accountId: ours ? null : account.id,
    planType: ours ? null : (account.cast.spec.planType ?? null),
    apiKeyId: key.id,
    apiKeyName: key.cast.name,
    model: model.slug,
    serviceTier,
    reasoningEffort: model.efforts[Math.floor(chance() * model.efforts.length)]!,
    transport: chat || chance() < 0.3 ? "http" : "websocket",
    upstreamTransport: ours ? null : "http",
    lane: "pool",
    attempts,
    selection: ours ? null : selectionOf(account.id, able, chance),
    ...ending,
    ...tokens,
    ...costFields(priceOf(use, prices)),
    webSearchCalls,
    generatedImages: 0,
    latencyMs: ours ? 2 + chance() * 3 : firstTokenMs + tokens.outputTokens * (11 + chance() * 9),
    latencyQueueMs: ours ? null : 0,
    latencySelectMs: ours ? null : 0.1 + chance() * 0.3,
    latencyConnectMs: ours ? null : 90 + chance() * 240,
    latencyFirstTokenMs: tokens.outputTokens > 0 ? firstTokenMs : null,
    userAgent: key.cast.userAgent,
    clientIp: key.cast.clientIp,
  };
}

function kindOf(chance: number): string {
  if (chance < 0.9) return "turn";
  return chance < 0.95 ? "title" : chance < 0.985 ? "review" : "compaction";
}

function tokensOf(status: RequestStatus, ours: boolean, chance: () => number) {
  if (ours || status === "error" || status === "quota")
    return { inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, reasoningTokens: 0 };
  // Most turns carry a long conversation of which nearly all is cached.
  const inputTokens = Math.round(9_000 + chance() ** 2 * 150_000);
  const cachedInputTokens = Math.floor((inputTokens * (0.55 + 0.43 * chance())) / 128) * 128;
  const outputTokens = Math.round(60 + chance() ** 3 * 3_400);
  return {
    inputTokens,
    cachedInputTokens,
    outputTokens,
    reasoningTokens: Math.round(outputTokens * 0.4 * chance()),
  };
}

function costFields(cost: Cost) {
  return {
    inputCostMicros: cost.inputMicros,
    cachedInputCostMicros: cost.cachedInputMicros,
    outputCostMicros: cost.outputMicros,
    toolCallsCostMicros: cost.toolCallsMicros,
    totalCostMicros: cost.totalMicros,
    costEstimated: cost.totalMicros > 0 && cost.estimated,
  };
}

/** One in twenty had to be tried elsewhere first. */
function attemptsOf(
  accountId: string,
  able: Settled<DemoAccount>[],
  ending: Ending,
  chance: () => number,
): AttemptRecord[] {
  const ok = ending.status === "ok" || ending.status === "cancelled";
  const last: AttemptRecord = {
    accountId,
    outcome: ok ? "relay" : (ending.errorCode ?? "relay"),
    status: ending.upstreamStatusCode,
    ms: 90 + chance() * 240,
  };
  const other = able.find(({ id }) => id !== accountId);
  if (other === undefined || chance() > 0.05) return [last];
  const [outcome, status] = chance() < 0.5 ? (["burst_limit", 429] as const) : (["overload", 503] as const);
  return [{ accountId: other.id, outcome, status, ms: 40 + chance() * 60 }, last];
}

function selectionOf(accountId: string, able: Settled<DemoAccount>[], chance: () => number): SelectionRecord {
  const ranked = able
    .map(({ id }) => ({ accountId: id, score: Math.round(chance() * 1000) / 1000, rejection: null }))
    .toSorted((a, b) => (a.accountId === accountId ? -1 : b.accountId === accountId ? 1 : b.score - a.score));
  const stays = chance() < 0.7;
  return {
    strategy: "usage_weighted",
    reason: stays
      ? "Stays with the account of its conversation."
      : `Least used, of ${able.length} eligible accounts.`,
    candidates: ranked,
  };
}

export interface PastReading {
  accountId: string;
  seenAtMs: number;
  windows: Window[];
}

/** The windows of one account over the two weeks, ending with what they are now. Each period fills and starts afresh. */
export function pastReadings(account: Settled<DemoAccount>, nowMs: number, random: Random): PastReading[] {
  const windows = (account.cast.spec.windows ?? []).map((spec) => {
    const lengthMs = spec.minutes * MINUTE_MS;
    const resetAtMs = nowMs + (spec.resetInMs ?? lengthMs);
    // How full each earlier period became, the latest first.
    const peaks = Array.from(
      { length: Math.ceil((DAYS * DAY_MS) / lengthMs) + 1 },
      () => 25 + 70 * random.next(),
    );
    return { minutes: spec.minutes, lengthMs, resetAtMs, peaks, usedNow: spec.usedPercent ?? 0 };
  });
  const readings: PastReading[] = [];
  for (let atMs = nowMs - DAYS * DAY_MS; atMs < nowMs; atMs += CURVE_STEP_MS) {
    readings.push({
      accountId: account.id,
      seenAtMs: atMs,
      windows: windows.map(({ minutes, lengthMs, resetAtMs, peaks, usedNow }) => {
        const back = Math.ceil((resetAtMs - atMs) / lengthMs) - 1;
        const periodEndMs = resetAtMs - back * lengthMs;
        const progress = 1 - (periodEndMs - atMs) / lengthMs;
        // The present period is as full as it is now, at the point where it is now.
        const peak = back === 0 ? usedNow / Math.max(0.01, 1 - (resetAtMs - nowMs) / lengthMs) : peaks[back]!;
        return {
          minutes,
          scope: SCOPE_ALL,
          resetAtMs: periodEndMs,
          usedPercent: Math.min(back === 0 ? usedNow : 100, Math.max(0, peak * progress)),
        };
      }),
    });
  }
  return readings;
}
