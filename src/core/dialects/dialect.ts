/** What every client dialect offers to the engine: a request translated, a reply translated (streamed or whole), errors. */
import type { CodedError } from "../errors.ts";
import { createIgnoredFields, expectText, type IgnoredFields, type JsonObject, invalid } from "./parse.ts";
import { mapModelName, type ModelRule, parseModelName } from "./model-name.ts";

/** What a translation needs to know of the installation. */
export interface RequestContext {
  /** Slugs of the pool's catalogue; empty when none was read yet. Keeps real names from being read as name plus suffix. */
  knownModels: ReadonlySet<string>;
  /** Names that stand for other models, first fit wins (for example `claude-*` → `gpt-5.5`). */
  modelRules: readonly ModelRule[];
}

/** What the reply must know of the request. Made by `toResponsesRequest`, handed back unread by the engine. */
export interface ReplyShape {
  /** The model as the client named it. */
  requestedModel: string;
  /** Slug that was sent upstream; the reply prefers what upstream says it served. */
  model: string;
  /** Chat and completions: a last chunk with the usage. */
  includeUsage: boolean;
  /** Chat: the client speaks `function_call` instead of `tool_calls`. */
  legacyFunctions: boolean;
  /** Messages: the client asked for thinking blocks. */
  thinking: boolean;
  /** Tool names that were changed on the way up: sent → the client's. */
  toolNames: ReadonlyMap<string, string>;
}

export interface TranslatedRequest {
  /** Body for POST /backend-api/codex/responses: always `stream: true`, `store: false`. */
  body: JsonObject;
  /** Slug sent upstream. */
  model: string;
  /** The client wants server-sent events. */
  stream: boolean;
  /** Fields accepted without effect; for the response header `x-codex-lb-ignored`. */
  ignored: string[];
  /** What the client said that identifies its conversation (`prompt_cache_key`, Anthropic's `metadata.user_id`), or null. */
  conversation: string | null;
  reply: ReplyShape;
}

export interface ReplyContext {
  reply: ReplyShape;
  /** Id for the reply when upstream gives none. */
  id: string;
  /** Unix seconds, used when upstream gives no time. */
  createdAt: number;
}

/** A failure to be told after the reply began, or in place of it. */
export interface ReplyFailure {
  status: number;
  code: string;
  message: string;
}

/** Turns Responses events into the client's bytes. Events are parsed JSON in upstream's order. */
export interface StreamReducer {
  /** Text to write now; may be empty. The closing events of the dialect come with upstream's terminal event. */
  push(event: unknown): string;
  /** Upstream ended. Empty after a terminal event, otherwise the dialect's error for a stream that broke off. */
  end(): string;
  /** Something else broke. Empty when the reply is already complete. */
  failed(failure: ReplyFailure): string;
}

export interface HttpReply {
  status: number;
  /** JSON. */
  body: string;
}

/** Gathers Responses events into one reply. */
export interface CollectReducer {
  push(event: unknown): void;
  /** The reply, or an error in the dialect's shape when upstream failed or ended early. */
  end(): HttpReply;
  failed(failure: ReplyFailure): HttpReply;
}

export interface ErrorExtras {
  type?: string;
  param?: string | null;
  plan_type?: string;
  /** Unix seconds. */
  resets_at?: number;
  resets_in_seconds?: number;
  requestId?: string;
}

export interface Dialect {
  name: "responses" | "chat" | "completions" | "messages";
  /** Throws a `CodedError` (400, with `param`) for what is malformed or cannot be done. */
  toResponsesRequest(body: unknown, ctx: RequestContext): TranslatedRequest;
  createStream(ctx: ReplyContext): StreamReducer;
  createCollector(ctx: ReplyContext): CollectReducer;
  errorBody(status: number, code: string, message: string, extras?: ErrorExtras): HttpReply;
  /** What keeps an idle stream alive without confusing this dialect's parsers; only after the first real event. */
  keepAlive: string;
}

/** `errorBody` for an error of ours. */
export function errorReply(dialect: Dialect, error: CodedError): HttpReply {
  return dialect.errorBody(error.status, error.code, error.message, { param: error.param ?? null });
}

/** Fields of the Responses body that every dialect fills alike. */
export interface RequestDraft {
  ignored: IgnoredFields;
  requestedModel: string;
  model: string;
  effort: string | undefined;
  fast: boolean;
}

/** No slug comes near; it bounds the work of taking names apart. */
const MAX_MODEL_NAME_LENGTH = 200;

export function readModel(body: JsonObject, ctx: RequestContext): RequestDraft {
  const requestedModel = expectText(body.model, "model");
  if (requestedModel.length > MAX_MODEL_NAME_LENGTH) throw invalid("model", "not a model name");
  const choice = parseModelName(mapModelName(requestedModel, ctx.modelRules), ctx.knownModels);
  return { ignored: createIgnoredFields(), requestedModel, ...choice };
}

/**
 * The tier to send. The backend knows `priority`; "fast" is its product name. The others that the public API has
 * are refused upstream, and mean no more than a price there.
 */
export function readServiceTier(tier: unknown, draft: RequestDraft): string | undefined {
  if (tier === "fast" || tier === "priority" || draft.fast) return "priority";
  if (tier !== undefined && tier !== null && tier !== "auto" && tier !== "default")
    draft.ignored.add("service_tier");
  return undefined;
}

/** Efforts differ per model and grow with releases: upstream judges the word, this only its form. */
export function readEffort(effort: unknown, param: string): string | undefined {
  if (effort === undefined || effort === null) return undefined;
  const word = expectText(effort, param);
  if (!/^[a-z]{1,20}$/.test(word)) throw invalid(param, "not a reasoning effort");
  return word;
}

/**
 * What is sent as `instructions` when a request has none. Current clients leave the field out and put their base
 * instructions into a developer message (UPSTREAM B.2); older backends answered "Instructions are required".
 */
export const DEFAULT_INSTRUCTIONS = "";

/** Asked for always: with `store: false` it is the only form in which reasoning can be sent back on the next turn. */
export const ENCRYPTED_REASONING = "reasoning.encrypted_content";
