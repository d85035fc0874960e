/** A chat completions request as a Responses request. */
import {
  compact,
  expectArray,
  expectBody,
  expectObject,
  expectOneOf,
  expectText,
  type IgnoredFields,
  invalid,
  isAbsent,
  type JsonObject,
  optionalArray,
  optionalBoolean,
  optionalNumber,
  optionalObject,
  optionalString,
  unsupported,
} from "../parse.ts";
import {
  DEFAULT_INSTRUCTIONS,
  ENCRYPTED_REASONING,
  readEffort,
  readModel,
  readServiceTier,
  type RequestContext,
  type TranslatedRequest,
} from "../dialect.ts";
import { createToolNames, type ToolNames } from "../names.ts";
import { readMessages } from "./history.ts";

/** Fields with a meaning here. Every other one that is given is ignored by name. */
const UNDERSTOOD = new Set(
  [
    "model messages stream stream_options tools tool_choice functions function_call parallel_tool_calls",
    "response_format reasoning_effort reasoning verbosity service_tier prompt_cache_key",
    "n logprobs top_logprobs audio modalities web_search_options",
  ].flatMap((names) => names.split(" ")),
);

/** Throws `CodedError` 400 with `param`. */
export function toResponsesRequest(value: unknown, ctx: RequestContext): TranslatedRequest {
  const body = expectBody(value);
  refuseImpossible(body);
  const draft = readModel(body, ctx);
  for (const name of Object.keys(body)) {
    if (!UNDERSTOOD.has(name) && !isAbsent(body[name])) draft.ignored.add(name);
  }
  const names = createToolNames();
  const tools = readTools(body, names);
  const options = optionalObject(body.stream_options, "stream_options") ?? {};
  const conversation = optionalString(body.prompt_cache_key, "prompt_cache_key");
  const legacyFunctions = !isAbsent(body.functions) && isAbsent(body.tools);
  const request = compact({
    model: draft.model,
    instructions: DEFAULT_INSTRUCTIONS,
    input: readMessages(body.messages, names, draft.ignored),
    tools,
    tool_choice: readToolChoice(body, names),
    // The old form has room for one call only.
    parallel_tool_calls: legacyFunctions
      ? false
      : optionalBoolean(body.parallel_tool_calls, "parallel_tool_calls"),
    reasoning: { ...readReasoningOptions(body, draft.effort, draft.ignored), summary: "auto" },
    text: readTextOptions(body),
    service_tier: readServiceTier(body.service_tier, draft),
    prompt_cache_key: conversation,
    include: [ENCRYPTED_REASONING],
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
      includeUsage: optionalBoolean(options.include_usage, "stream_options.include_usage") ?? false,
      legacyFunctions,
      thinking: true,
      toolNames: names.changed,
    },
  };
}

/** What would change the answer if it were dropped, and cannot be done. */
function refuseImpossible(body: JsonObject): void {
  const n = optionalNumber(body.n, "n");
  if (n !== undefined && n !== 1) throw unsupported("n", "the Codex backend gives one choice per request");
  if (optionalBoolean(body.logprobs, "logprobs"))
    throw unsupported("logprobs", "the Codex backend gives none");
  if (optionalNumber(body.top_logprobs, "top_logprobs")) {
    throw unsupported("top_logprobs", "the Codex backend gives none");
  }
  if (!isAbsent(body.audio)) throw unsupported("audio", "audio output is not available on the Codex backend");
  for (const [index, modality] of (optionalArray(body.modalities, "modalities") ?? []).entries()) {
    if (modality !== "text")
      throw unsupported(`modalities[${index}]`, "only text comes from the Codex backend");
  }
  if (!isAbsent(body.web_search_options)) {
    throw unsupported("web_search_options", 'use /v1/responses with a tool of type "web_search"');
  }
}

function readTools(body: JsonObject, names: ToolNames): JsonObject[] | undefined {
  const tools =
    optionalArray(body.tools, "tools")?.map((tool, i) => readTool(tool, `tools[${i}]`, names)) ?? [];
  if (isAbsent(body.tools)) {
    const legacy = optionalArray(body.functions, "functions") ?? [];
    legacy.forEach((value, i) =>
      tools.push(functionTool(expectObject(value, `functions[${i}]`), `functions[${i}]`, names)),
    );
  }
  return tools.length > 0 ? tools : undefined;
}

function readTool(value: unknown, at: string, names: ToolNames): JsonObject {
  const tool = expectObject(value, at);
  switch (tool.type) {
    case "function":
      return functionTool(expectObject(tool.function, `${at}.function`), `${at}.function`, names);
    case "custom":
      return customTool(expectObject(tool.custom, `${at}.custom`), `${at}.custom`, names);
    default:
      throw unsupported(
        `${at}.type`,
        '"function" or "custom" was expected; built-in tools exist on /v1/responses',
      );
  }
}

function functionTool(fn: JsonObject, at: string, names: ToolNames): JsonObject {
  return compact({
    type: "function",
    name: names.toUpstream(expectText(fn.name, `${at}.name`)),
    description: optionalString(fn.description, `${at}.description`),
    parameters: optionalObject(fn.parameters, `${at}.parameters`) ?? { type: "object", properties: {} },
    // The Responses API is strict by default, chat completions are not.
    strict: optionalBoolean(fn.strict, `${at}.strict`) ?? false,
  });
}

function customTool(custom: JsonObject, at: string, names: ToolNames): JsonObject {
  const format = optionalObject(custom.format, `${at}.format`);
  const grammar = format && optionalObject(format.grammar, `${at}.format.grammar`);
  return compact({
    type: "custom",
    name: names.toUpstream(expectText(custom.name, `${at}.name`)),
    description: optionalString(custom.description, `${at}.description`),
    format: grammar ? { type: "grammar", ...grammar } : format,
  });
}

function readToolChoice(body: JsonObject, names: ToolNames): unknown {
  const at = isAbsent(body.tool_choice) ? "function_call" : "tool_choice";
  const choice = body[at];
  if (isAbsent(choice)) return undefined;
  if (typeof choice === "string") return expectOneOf(choice, ["none", "auto", "required"], at);
  const object = expectObject(choice, at);
  if (at === "function_call") return namedTool({ type: "function", function: object }, at, names);
  if (object.type !== "allowed_tools") return namedTool(object, at, names);
  const allowed = expectObject(object.allowed_tools, `${at}.allowed_tools`);
  const tools = expectArray(allowed.tools, `${at}.allowed_tools.tools`);
  return {
    type: "allowed_tools",
    mode: expectOneOf(allowed.mode, ["auto", "required"], `${at}.allowed_tools.mode`),
    tools: tools.map((tool, i) => {
      const toolAt = `${at}.allowed_tools.tools[${i}]`;
      return namedTool(expectObject(tool, toolAt), toolAt, names);
    }),
  };
}

function namedTool(tool: JsonObject, at: string, names: ToolNames): JsonObject {
  const type = expectOneOf(tool.type, ["function", "custom"], `${at}.type`);
  const named = expectObject(tool[type], `${at}.${type}`);
  return { type, name: names.toUpstream(expectText(named.name, `${at}.${type}.name`)) };
}

/** An effort in the model's name wins: a person typed it there, while many clients fill the field by default. */
function readReasoningOptions(
  body: JsonObject,
  suffixEffort: string | undefined,
  ignored: IgnoredFields,
): JsonObject {
  const reasoning = optionalObject(body.reasoning, "reasoning") ?? {};
  for (const name of Object.keys(reasoning)) if (name !== "effort") ignored.add(`reasoning.${name}`);
  const effort =
    readEffort(body.reasoning_effort, "reasoning_effort") ?? readEffort(reasoning.effort, "reasoning.effort");
  return compact({ effort: suffixEffort ?? effort });
}

function readTextOptions(body: JsonObject): JsonObject | undefined {
  const text = compact({
    format: readResponseFormat(body.response_format),
    verbosity: optionalString(body.verbosity, "verbosity"),
  });
  return Object.keys(text).length > 0 ? text : undefined;
}

function readResponseFormat(value: unknown): JsonObject | undefined {
  const format = optionalObject(value, "response_format");
  if (!format) return undefined;
  switch (format.type) {
    case "text":
      return undefined;
    case "json_object":
      return { type: "json_object" };
    case "json_schema": {
      const at = "response_format.json_schema";
      const schema = expectObject(format.json_schema, at);
      return compact({
        type: "json_schema",
        name: expectText(schema.name, `${at}.name`),
        description: optionalString(schema.description, `${at}.description`),
        schema: expectObject(schema.schema, `${at}.schema`),
        strict: optionalBoolean(schema.strict, `${at}.strict`) ?? false,
      });
    }
    default:
      throw invalid("response_format.type", 'one of "text", "json_object", "json_schema" was expected');
  }
}
