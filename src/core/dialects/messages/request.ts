/** An Anthropic Messages request as a Responses request. */
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
import {
  compact,
  expectBody,
  expectObject,
  expectOneOf,
  expectText,
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
import { readMessages, readSystem } from "./history.ts";

/** Fields with a meaning here. Every other one that is given is ignored by name. */
const UNDERSTOOD = new Set(
  [
    "model messages system stream tools tool_choice thinking output_config output_format metadata",
    "service_tier mcp_servers container",
  ].flatMap((names) => names.split(" ")),
);

/**
 * Thinking budget in tokens → reasoning effort, from the largest down. The steps are those at which Anthropic's clients
 * ask for more ("think" 4,000, "think harder" 16,000 and up); the backend has efforts, not budgets.
 */
const EFFORT_BY_BUDGET: readonly [minimumTokens: number, effort: string][] = [
  [16_000, "high"],
  [4_000, "medium"],
  [0, "low"],
];

/** Throws `CodedError` 400 with `param`. */
export function toResponsesRequest(value: unknown, ctx: RequestContext): TranslatedRequest {
  const body = expectBody(value);
  refuseImpossible(body);
  const draft = readModel(body, ctx);
  for (const name of Object.keys(body)) {
    if (!UNDERSTOOD.has(name) && !isAbsent(body[name])) draft.ignored.add(name);
  }
  const names = createToolNames();
  const choice = readToolChoice(body.tool_choice, names);
  const thinking = readThinking(body.thinking);
  const output = optionalObject(body.output_config, "output_config") ?? {};
  const format = readFormat(body, output);
  const effort = draft.effort ?? readEffort(output.effort, "output_config.effort") ?? thinking.effort;
  const summary = thinking.shown ? "auto" : undefined;
  const userId = optionalString(optionalObject(body.metadata, "metadata")?.user_id, "metadata.user_id");
  const request = compact({
    model: draft.model,
    instructions: DEFAULT_INSTRUCTIONS,
    input: [...readSystem(body.system), ...readMessages(body.messages, names, draft.ignored)],
    tools: readTools(body.tools, names),
    tool_choice: choice.toolChoice,
    parallel_tool_calls: choice.parallel,
    reasoning: effort || summary ? compact({ effort, summary }) : undefined,
    text: format && { format },
    service_tier: readServiceTier(
      body.service_tier === "standard_only" ? "default" : body.service_tier,
      draft,
    ),
    include: [ENCRYPTED_REASONING],
    store: false,
    stream: true,
  });
  return {
    body: request,
    model: draft.model,
    stream: optionalBoolean(body.stream, "stream") ?? false,
    ignored: draft.ignored.names(),
    conversation: userId ?? null,
    reply: {
      requestedModel: draft.requestedModel,
      model: draft.model,
      includeUsage: true,
      legacyFunctions: false,
      thinking: thinking.shown,
      toolNames: names.changed,
    },
  };
}

/** What would change the answer if it were dropped, and cannot be done. */
function refuseImpossible(body: JsonObject): void {
  const servers = optionalArray(body.mcp_servers, "mcp_servers") ?? [];
  if (servers.length > 0)
    throw unsupported("mcp_servers", "the Codex backend does not connect to MCP servers");
  if (!isAbsent(body.container)) throw unsupported("container", "the Codex backend has no containers");
}

function readTools(value: unknown, names: ToolNames): JsonObject[] | undefined {
  const tools = optionalArray(value, "tools") ?? [];
  if (tools.length === 0) return undefined;
  return tools.map((entry, index) => {
    const at = `tools[${index}]`;
    const tool = expectObject(entry, at);
    if (!isAbsent(tool.type) && tool.type !== "custom") {
      throw unsupported(
        `${at}.type`,
        "only tools with an input_schema; Anthropic's own tools run at Anthropic",
      );
    }
    const schema = expectObject(tool.input_schema, `${at}.input_schema`);
    return compact({
      type: "function",
      name: names.toUpstream(expectText(tool.name, `${at}.name`)),
      description: optionalString(tool.description, `${at}.description`),
      // Upstream refuses an object schema without properties; Anthropic takes it.
      parameters:
        schema.type === "object" && isAbsent(schema.properties) ? { ...schema, properties: {} } : schema,
      strict: optionalBoolean(tool.strict, `${at}.strict`) ?? false,
    });
  });
}

function readToolChoice(value: unknown, names: ToolNames): { toolChoice?: unknown; parallel?: boolean } {
  const choice = optionalObject(value, "tool_choice");
  if (!choice) return {};
  const type = expectOneOf(choice.type, ["auto", "any", "tool", "none"], "tool_choice.type");
  const single = optionalBoolean(choice.disable_parallel_tool_use, "tool_choice.disable_parallel_tool_use");
  const parallel = single === undefined ? undefined : !single;
  switch (type) {
    case "auto":
    case "none":
      return { toolChoice: type, parallel };
    case "any":
      return { toolChoice: "required", parallel };
    case "tool": {
      const name = names.toUpstream(expectText(choice.name, "tool_choice.name"));
      return { toolChoice: { type: "function", name }, parallel };
    }
  }
}

/** Thinking blocks are given only to clients that asked: the others read `content[0].text`. */
function readThinking(value: unknown): { shown: boolean; effort: string | undefined } {
  const thinking = optionalObject(value, "thinking");
  if (!thinking) return { shown: false, effort: undefined };
  switch (expectOneOf(thinking.type, ["enabled", "disabled", "adaptive"], "thinking.type")) {
    case "disabled":
      return { shown: false, effort: "low" };
    case "adaptive":
      return { shown: true, effort: undefined };
    case "enabled": {
      const budget = optionalNumber(thinking.budget_tokens, "thinking.budget_tokens");
      if (budget === undefined) throw invalid("thinking.budget_tokens", "a number was expected");
      if (budget < 0) throw invalid("thinking.budget_tokens", "must not be negative");
      return { shown: true, effort: EFFORT_BY_BUDGET.find(([minimum]) => budget >= minimum)?.[1] };
    }
  }
}

function readFormat(body: JsonObject, output: JsonObject): JsonObject | undefined {
  const at = isAbsent(body.output_format) ? "output_config.format" : "output_format";
  const format = optionalObject(isAbsent(body.output_format) ? output.format : body.output_format, at);
  if (!format) return undefined;
  expectOneOf(format.type, ["json_schema"], `${at}.type`);
  return {
    type: "json_schema",
    name: "output",
    schema: expectObject(format.schema, `${at}.schema`),
    strict: true,
  };
}

/** Tokens of an image: Anthropic's figure for one of the largest size that it does not scale down. */
const TOKENS_PER_IMAGE = 1_600;
/** About four bytes of text make a token in English and in code; other scripts come out a little high. */
const BYTES_PER_TOKEN = 4;
/** A page of a PDF is around 80 kB of base64 and 2,000 tokens. */
const DOCUMENT_BYTES_PER_TOKEN = 40;

/**
 * POST /v1/messages/count_tokens: `{input_tokens}`, an estimate from the bytes of the translated request (texts, names
 * and schemas; images and documents at flat rates). No tokenizer is at hand for models behind the backend; expect an
 * error of about a fifth. Throws `CodedError` 400 as the real request would.
 */
export function countTokens(value: unknown, ctx: RequestContext): { input_tokens: number } {
  const { body } = toResponsesRequest(value, ctx);
  return { input_tokens: Math.max(1, Math.ceil(tokensIn([body.input, body.tools, body.text]))) };
}

function tokensIn(value: unknown): number {
  if (typeof value === "string") return Buffer.byteLength(value) / BYTES_PER_TOKEN;
  if (Array.isArray(value)) return value.reduce((sum: number, item) => sum + tokensIn(item), 0);
  if (typeof value !== "object" || value === null) return 0.25;
  const fields = value as JsonObject;
  if (fields.type === "input_image") return TOKENS_PER_IMAGE;
  if (typeof fields.file_data === "string") return fields.file_data.length / DOCUMENT_BYTES_PER_TOKEN;
  // A key with its punctuation; `type` and `role` are the envelope that becomes a few special tokens.
  return Object.keys(fields).reduce((sum, key) => sum + key.length / 8 + tokensIn(fields[key]), 0);
}
