/** What HTTP and WebSocket turns share: who asks, what upstream refuses, the prompt cache, quota, and the plan of the answer. */
import { fillWindows, quotaHeaders, rollWindows, spentWindow, type SimAccount } from "./accounts.ts";
import { modelsEtag, visibleModels } from "./catalogue.ts";
import { detail, namedError, type WireError } from "./named-errors.ts";
import type { Fault } from "./rules.ts";
import { holdsForeignCiphertext, planTurn, tokensOf, type PlannedTurn, type TurnBody } from "./turns.ts";
import type { JournalEntry, Turn } from "./types.ts";
import type { Universe } from "./universe.ts";
import type { HeaderList, WireRequest } from "./http-message.ts";

/** Parameters that the Codex backend refuses although the public API takes them. */
const UNSUPPORTED_PARAMETERS = [
  "max_output_tokens",
  "max_completion_tokens",
  "max_tokens",
  "temperature",
  "top_p",
  "user",
  "metadata",
  "truncation",
  "background",
  "safety_identifier",
  "prompt_cache_retention",
];
/** Prompts whose length is remembered; the oldest are forgotten first. */
const MAX_CACHED_PROMPTS = 20_000;
/** Catalogue tags kept, one per client version and list of models. */
const MAX_KNOWN_ETAGS = 1000;
/** Upstream caches in blocks of 128 tokens, from 1,024 on. */
const CACHE_BLOCK_TOKENS = 128;
const CACHE_MINIMUM_TOKENS = 1024;

export function createModelTurns(universe: Universe) {
  const { options, random, models, journal, now } = universe;
  const promptCache = new Map<string, number>();
  const etags = new Map<string, string>();
  const strict = options.strictBodies ?? true;

  function cachedTokens(account: SimAccount, key: string | null, inputTokens: number): number {
    if (key === null) return 0;
    const cacheKey = `${account.index}|${key}`;
    const previous = promptCache.get(cacheKey) ?? 0;
    promptCache.delete(cacheKey);
    if (promptCache.size >= MAX_CACHED_PROMPTS) promptCache.delete(promptCache.keys().next().value!);
    promptCache.set(cacheKey, inputTokens);
    const shared = Math.min(previous, inputTokens);
    return shared < CACHE_MINIMUM_TOKENS ? 0 : Math.floor(shared / CACHE_BLOCK_TOKENS) * CACHE_BLOCK_TOKENS;
  }

  /** Why upstream would not take this body, or null. */
  function refusal(
    account: SimAccount,
    raw: Record<string, unknown>,
    body: TurnBody,
    transport: "http" | "websocket",
  ): { error: WireError; headers: HeaderList } | null {
    const refuse = (error: WireError, headers: HeaderList = []) => ({ error, headers });
    if (strict) {
      if (!Array.isArray(raw["input"])) return refuse(detail(400, "Input must be a list"));
      if (raw["stream"] !== true) return refuse(detail(400, "Stream must be set to true"));
      if (raw["store"] !== false) return refuse(detail(400, "Store must be set to false"));
      const unsupported = UNSUPPORTED_PARAMETERS.find((name) => raw[name] !== undefined);
      if (unsupported !== undefined) return refuse(detail(400, `Unsupported parameter: ${unsupported}`));
      if (transport === "http" && body.previousResponseId !== null) {
        return refuse(detail(400, "Unsupported parameter: previous_response_id"));
      }
    }
    const known = models.some((model) => model["slug"] === body.model);
    if (!known || account.models?.includes(body.model) === false) {
      return refuse(namedError("model_not_supported", { nowMs: now(), model: body.model }));
    }
    if (
      (options.encryptedContent ?? "mint_account") === "mint_account" &&
      holdsForeignCiphertext(body.input, account)
    ) {
      return refuse(namedError("invalid_encrypted_content", { nowMs: now() }));
    }
    return quotaRefusal(account, body.model);
  }

  function quotaRefusal(
    account: SimAccount,
    model: string,
  ): { error: WireError; headers: HeaderList } | null {
    const nowMs = now();
    const spent = spentWindow(account, model, nowMs);
    if (spent !== null) {
      const resetsInSeconds = Math.ceil((spent.resetAtMs - nowMs) / 1000);
      const error = namedError("usage_limit_reached", { nowMs, planType: account.planType, resetsInSeconds });
      return { error, headers: quotaHeaders(account, nowMs) };
    }
    // The turn that asks is already counted.
    if (account.openTurns > account.maxConcurrent) {
      return { error: namedError("rate_limit_exceeded", { nowMs }), headers: quotaHeaders(account, nowMs) };
    }
    return null;
  }

  /** Plans the answer and books its use on the account. */
  function plan(turn: {
    account: SimAccount;
    body: TurnBody;
    bodyChars: number;
    /** Tokens of the chain that `previous_response_id` stands for. */
    earlierTokens: number;
    script: Exclude<Turn, { kind: "raw" }>;
  }): PlannedTurn {
    const { account, body, script } = turn;
    rollWindows(account, now());
    const inputTokens = turn.earlierTokens + tokensOf(turn.bodyChars);
    const cached = body.generate ? cachedTokens(account, body.promptCacheKey, inputTokens) : 0;
    const planned = planTurn({
      body,
      turn: script,
      account,
      random,
      inputTokens,
      cachedTokens: cached,
      nowMs: now(),
    });
    const { usage } = planned;
    account.turns++;
    account.inputTokens += usage.inputTokens;
    account.cachedTokens += usage.cachedTokens;
    account.outputTokens += usage.outputTokens;
    fillWindows(account, body.model, usage.inputTokens + usage.outputTokens);
    return planned;
  }

  /** What the stream of a prompt that is too long fails with; null: it fits. */
  function overflow(account: SimAccount, planned: PlannedTurn): Fault | null {
    if (planned.usage.inputTokens <= account.maxContextTokens) return null;
    const message =
      "Your input exceeds the context window of this model. Please adjust your input and try again.";
    return { moment: "after_created", act: { kind: "failed", code: "context_length_exceeded", message } };
  }

  /** Counts a turn as open until the returned function is called. */
  function open(account: SimAccount | null): (how: "finished" | "faulted" | "gone") => void {
    journal.counters.openRequests++;
    if (account !== null) account.openTurns++;
    let isOpen = true;
    return (how) => {
      if (!isOpen) return;
      isOpen = false;
      journal.counters.openRequests--;
      if (account !== null) account.openTurns--;
      if (how === "finished") journal.counters.finished++;
      if (how === "gone") journal.counters.aborted++;
    };
  }

  function etagFor(account: SimAccount, request: WireRequest): string {
    const version = /\/(\d+\.\d+\.\d+)/.exec(request.header("user-agent") ?? "")?.[1] ?? null;
    const key = `${version}|${account.models?.join(",") ?? "*"}`;
    const known = etags.get(key);
    if (known !== undefined) return known;
    if (etags.size >= MAX_KNOWN_ETAGS) etags.clear();
    const etag = modelsEtag(visibleModels(models, version, account.models));
    etags.set(key, etag);
    return etag;
  }
  function requestId(): string {
    return `req_${random.hex(32)}`;
  }
  /** Headers of a successful reply and of a handshake (UPSTREAM: response headers read by the client). */
  function replyHeaders(account: SimAccount, request: WireRequest, model: string | null): HeaderList {
    return [
      ["x-request-id", requestId()],
      ...(model === null ? [] : ([["openai-model", model]] satisfies HeaderList)),
      ["x-models-etag", etagFor(account, request)],
      ["x-reasoning-included", "true"],
      ["set-cookie", `__cf_bm=sim-${account.index}; path=/; HttpOnly; Secure; SameSite=None`],
      ...quotaHeaders(account, now()),
    ];
  }
  function noteFault(entry: JournalEntry, fault: Fault | null): void {
    if (fault === null) return;
    journal.counters.faultsFired++;
    entry.fault = `${fault.moment}:${fault.act.kind === "error" ? fault.act.name : fault.act.kind}`;
  }
  return { refusal, plan, overflow, open, replyHeaders, requestId, noteFault };
}

export type ModelTurns = ReturnType<typeof createModelTurns>;

/** Undoes content-encoding; null: it cannot be undone. */
export function decodeBody(bytes: Uint8Array, encoding: string | undefined): string | null {
  try {
    switch (encoding ?? "identity") {
      case "identity":
        return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString("utf8");
      case "zstd":
        return Bun.zstdDecompressSync(bytes).toString("utf8");
      case "gzip":
        return Buffer.from(Bun.gunzipSync(bytes.slice())).toString("utf8");
      default:
        return null;
    }
  } catch {
    return null;
  }
}

/** A JSON object, or null. */
export function parseObject(text: string | null): Record<string, unknown> | null {
  if (text === null) return null;
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : null;
  } catch {
    return null;
  }
}

/** A fault whose act is an event cannot come before the headers: it comes as the first event. */
export function placed(fault: Fault | null): Fault | null {
  if (fault === null || fault.moment !== "before_headers") return fault;
  switch (fault.act.kind) {
    case "failed":
    case "incomplete":
    case "error_event":
    case "end":
      return { ...fault, moment: "first_event" };
    default:
      return fault;
  }
}
