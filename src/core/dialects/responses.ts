/** The public Responses API (POST /v1/responses): what SDK clients send, brought to what the Codex backend accepts. */
import { formatEvent } from "../sse.ts";
import {
  type CollectReducer,
  DEFAULT_INSTRUCTIONS,
  type Dialect,
  ENCRYPTED_REASONING,
  type HttpReply,
  readEffort,
  readModel,
  readServiceTier,
  type ReplyContext,
  type ReplyFailure,
  type RequestContext,
  type StreamReducer,
  type TranslatedRequest,
} from "./dialect.ts";
import { openAiError } from "./openai-error.ts";
import {
  compact,
  expectArray,
  expectBody,
  expectObject,
  expectString,
  expectText,
  type IgnoredFields,
  isAbsent,
  isObject,
  type JsonObject,
  optionalArray,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  unsupported,
} from "./parse.ts";
import { BROKE_OFF, failureOf } from "./turn.ts";

/**
 * Fields of the public APIs which the backend answers with `400 {"detail":"Unsupported parameter: …"}`, and whose
 * absence leaves the answer usable. Fields that this does not know are passed on: upstream names what it refuses.
 */
const WITHOUT_EFFECT = new Set(
  [
    "max_output_tokens max_tokens max_completion_tokens max_tool_calls temperature top_p presence_penalty",
    "frequency_penalty logit_bias logprobs seed stop n metadata user safety_identifier prompt_cache_retention",
    "truncation background top_logprobs store conversation prompt",
  ].flatMap((names) => names.split(" ")),
);

/** Throws `CodedError` 400 with `param`. */
function toResponsesRequest(value: unknown, ctx: RequestContext): TranslatedRequest {
  const body = expectBody(value);
  refuseImpossible(body);
  const draft = readModel(body, ctx);
  const passedOn: JsonObject = {};
  for (const name of Object.keys(body)) {
    if (isAbsent(body[name]) || name === "__proto__") continue;
    if (!WITHOUT_EFFECT.has(name)) passedOn[name] = body[name];
    else if (body[name] !== false) draft.ignored.add(name);
  }
  const conversation = optionalString(body.prompt_cache_key, "prompt_cache_key");
  const reasoning = optionalObject(body.reasoning, "reasoning");
  const effort = draft.effort ?? readEffort(reasoning?.effort, "reasoning.effort");
  checkPassedOn(body);
  const request = compact({
    ...passedOn,
    model: draft.model,
    instructions: optionalString(body.instructions, "instructions") ?? DEFAULT_INSTRUCTIONS,
    input: readInput(body.input, draft.ignored),
    reasoning: reasoning || effort ? compact({ ...reasoning, effort }) : undefined,
    service_tier: readServiceTier(body.service_tier, draft),
    include: readInclude(body.include),
    store: false,
    stream: true,
  });
  return {
    body: request,
    model: draft.model,
    stream: optionalBoolean(body.stream, "stream") ?? false,
    ignored: draft.ignored.names(),
    conversation: conversation ?? null,
    reply: {
      requestedModel: draft.requestedModel,
      model: draft.model,
      includeUsage: true,
      legacyFunctions: false,
      thinking: true,
      toolNames: new Map(),
    },
  };
}

/** What would change the answer if it were dropped, and cannot be done. */
function refuseImpossible(body: JsonObject): void {
  if (optionalBoolean(body.background, "background")) {
    throw unsupported(
      "background",
      "the Codex backend stores nothing, so a response cannot run in the background",
    );
  }
  if (!isAbsent(body.conversation)) {
    throw unsupported("conversation", "the Codex backend stores nothing; send the conversation as input");
  }
  if (!isAbsent(body.prompt)) {
    throw unsupported("prompt", "stored prompts belong to the OpenAI platform; send instructions and input");
  }
  if (optionalNumber(body.top_logprobs, "top_logprobs")) {
    throw unsupported("top_logprobs", "the Codex backend gives none");
  }
  const n = optionalNumber(body.n, "n");
  if (n !== undefined && n !== 1) throw unsupported("n", "one response per request");
}

/** The form of the fields that go upstream as they are. */
function checkPassedOn(body: JsonObject): void {
  for (const [index, tool] of (optionalArray(body.tools, "tools") ?? []).entries()) {
    expectText(expectObject(tool, `tools[${index}]`).type, `tools[${index}].type`);
  }
  if (typeof body.tool_choice !== "string") optionalObject(body.tool_choice, "tool_choice");
  optionalBoolean(body.parallel_tool_calls, "parallel_tool_calls");
  optionalString(body.previous_response_id, "previous_response_id");
  optionalObject(optionalObject(body.text, "text")?.format, "text.format");
}

function readInput(input: unknown, ignored: IgnoredFields): JsonObject[] {
  if (typeof input === "string") {
    return [{ type: "message", role: "user", content: [{ type: "input_text", text: input }] }];
  }
  const items: JsonObject[] = [];
  for (const [index, value] of expectArray(input, "input").entries()) {
    const item = readItem(expectObject(value, `input[${index}]`), `input[${index}]`, ignored);
    if (item) items.push(item);
  }
  return items;
}

function readItem(item: JsonObject, at: string, ignored: IgnoredFields): JsonObject | null {
  const type = optionalString(item.type, `${at}.type`) ?? "message";
  switch (type) {
    case "message":
      return readMessage(item, at);
    case "item_reference":
      throw unsupported(
        at,
        "nothing is stored to refer to; let the client set store to false so that it sends items whole",
      );
    case "reasoning":
      // Without its encrypted form the backend looks the item up, and finds nothing.
      if (typeof item.encrypted_content === "string") return item;
      ignored.add("input.reasoning");
      return null;
    default:
      return item;
  }
}

/** The backend refuses the role "system"; "developer" is the same instruction level. Content becomes parts. */
function readMessage(item: JsonObject, at: string): JsonObject {
  const role = expectText(item.role, `${at}.role`);
  const textType = role === "assistant" ? "output_text" : "input_text";
  const content =
    typeof item.content === "string"
      ? [{ type: textType, text: item.content }]
      : expectArray(item.content, `${at}.content`).map((part, i) => {
          expectString(expectObject(part, `${at}.content[${i}]`).type, `${at}.content[${i}].type`);
          return part;
        });
  return { ...item, type: "message", role: role === "system" ? "developer" : role, content };
}

function readInclude(value: unknown): string[] {
  const include = (optionalArray(value, "include") ?? []).map((name, i) =>
    expectString(name, `include[${i}]`),
  );
  if (include.includes("message.output_text.logprobs")) {
    throw unsupported("include", "the Codex backend gives no logprobs");
  }
  return [...new Set([...include, ENCRYPTED_REASONING])];
}

/** What stands in the last event when upstream leaves it out. */
export interface FinalDefaults {
  id: string;
  /** Unix seconds. */
  createdAt: number;
  reply: Pick<ReplyContext["reply"], "model">;
}

/** Rebuilds what upstream leaves out of its last event: with `store: false` its `output` may be empty (UPSTREAM C). */
export function createFinalResponse(ctx: FinalDefaults) {
  const done: { order: number; item: JsonObject }[] = [];
  let failure: ReplyFailure | null = null;
  let response: JsonObject | null = null;

  /** True when the event ended the response; it is then told by `response()` or `failure()`. */
  function read(event: JsonObject): boolean {
    if (response || failure) return false;
    switch (event.type) {
      case "response.output_item.done":
        if (isObject(event.item)) {
          const order = typeof event.output_index === "number" ? event.output_index : done.length;
          done.push({ order, item: event.item });
        }
        return false;
      case "response.completed":
      case "response.incomplete":
        response = finish(
          isObject(event.response) ? event.response : {},
          event.type === "response.completed" ? "completed" : "incomplete",
        );
        return true;
      case "response.failed":
        failure = failureOf(isObject(event.response) ? event.response.error : null);
        return true;
      case "error":
        failure = failureOf(isObject(event.error) ? event.error : event);
        return true;
      default:
        return false;
    }
  }

  function finish(last: JsonObject, status: string): JsonObject {
    const given = Array.isArray(last.output) ? last.output : [];
    const output =
      given.length > 0 ? given : done.toSorted((a, b) => a.order - b.order).map(({ item }) => item);
    return {
      id: ctx.id,
      object: "response",
      created_at: ctx.createdAt,
      model: ctx.reply.model,
      status,
      error: null,
      incomplete_details: null,
      ...last,
      output,
    };
  }
  return { read, failure: () => failure, response: () => response };
}

/** For a client that reads the stream: every event as it came, the last one with its output filled in. */
function createStream(ctx: ReplyContext): StreamReducer {
  const final = createFinalResponse(ctx);
  let sequence = 0;
  let ended = false;

  function fail({ code, message }: ReplyFailure): string {
    if (ended) return "";
    ended = true;
    const response = {
      id: ctx.id,
      object: "response",
      status: "failed",
      error: { code, message },
      output: [],
    };
    return formatEvent("response.failed", {
      type: "response.failed",
      sequence_number: sequence + 1,
      response,
    });
  }

  return {
    push(event) {
      if (ended || !isObject(event) || typeof event.type !== "string") return "";
      if (typeof event.sequence_number === "number") sequence = event.sequence_number;
      ended = final.read(event);
      const response = ended ? final.response() : null;
      return formatEvent(event.type.replace(/[\r\n]/g, ""), response ? { ...event, response } : event);
    },
    end: () => fail(BROKE_OFF),
    failed: fail,
  };
}

function createCollector(ctx: ReplyContext): CollectReducer {
  const final = createFinalResponse(ctx);

  function settle(broken: ReplyFailure): HttpReply {
    const response = final.response();
    if (response) return { status: 200, body: JSON.stringify(response) };
    const { status, code, message } = final.failure() ?? broken;
    return openAiError(status, code, message);
  }

  return {
    push(event) {
      if (isObject(event)) final.read(event);
    },
    end: () => settle(BROKE_OFF),
    failed: settle,
  };
}

export const responsesDialect: Dialect = {
  name: "responses",
  toResponsesRequest,
  createStream,
  createCollector,
  errorBody: openAiError,
  // Codex resets its idle timer by data events only (UPSTREAM C); the SDKs pass unknown types by.
  keepAlive: formatEvent("keepalive", { type: "keepalive" }),
};
