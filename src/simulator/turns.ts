/** What a model turn answers: from a request body and a script to the events of a Responses stream. Pure but for its ids. */
import type { SimAccount } from "./accounts.ts";
import type { SeededRandom } from "./random.ts";
import { sampleOf } from "./structured.ts";
import type { Turn } from "./types.ts";

export type SimEvent = Record<string, unknown> & { type: string };
type Item = Record<string, unknown>;

export interface TurnBody {
  model: string;
  input: Item[];
  tools: Item[];
  serviceTier: string;
  generate: boolean;
  previousResponseId: string | null;
  promptCacheKey: string | null;
  wantsReasoning: boolean;
  schema: unknown;
}

export interface Usage {
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  reasoningTokens: number;
}

export interface PlannedTurn {
  responseId: string;
  usage: Usage;
  events: () => Iterable<SimEvent>;
}

/** Four characters make a token: near enough for figures that must only be believable. */
const CHARS_PER_TOKEN = 4;
const REASONING_TOKENS = 24;
const MAX_QUOTED_CHARS = 2000;
/** A one-pixel PNG. */
export const TINY_PNG_BASE64 =
  "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

export const tokensOf = (chars: number) => Math.ceil(chars / CHARS_PER_TOKEN);

export function readTurnBody(body: Record<string, unknown>): TurnBody {
  const input = Array.isArray(body["input"]) ? (body["input"] as Item[]) : [];
  // gpt-6 models carry their tools inside the input (UPSTREAM: lite shape).
  const extra = input
    .filter((item) => item["type"] === "additional_tools")
    .flatMap((item) => list(item["tools"]));
  const format = (body["text"] as Item | undefined)?.["format"] as Item | undefined;
  return {
    model: String(body["model"]),
    input,
    tools: [...list(body["tools"]), ...extra],
    serviceTier: typeof body["service_tier"] === "string" ? body["service_tier"] : "default",
    generate: body["generate"] !== false,
    previousResponseId:
      typeof body["previous_response_id"] === "string" ? body["previous_response_id"] : null,
    promptCacheKey: typeof body["prompt_cache_key"] === "string" ? body["prompt_cache_key"] : null,
    wantsReasoning: Array.isArray(body["include"]) && body["include"].includes("reasoning.encrypted_content"),
    schema: format?.["type"] === "json_schema" ? format["schema"] : null,
  };
}

function list(value: unknown): Item[] {
  return Array.isArray(value) ? (value as Item[]) : [];
}

type Answer =
  | { kind: "prewarm" }
  | { kind: "text"; text: string; reasoning: boolean }
  | { kind: "items"; items: Item[]; reasoning: boolean; outputChars: number }
  | { kind: "filled"; events: number; bytesPerEvent: number }
  | { kind: "events"; events: SimEvent[] };

export function planTurn(options: {
  body: TurnBody;
  turn: Exclude<Turn, { kind: "raw" }>;
  account: SimAccount;
  random: SeededRandom;
  inputTokens: number;
  cachedTokens: number;
  nowMs: number;
}): PlannedTurn {
  const { body, turn, account, random, inputTokens, cachedTokens, nowMs } = options;
  const answer = chooseAnswer(body, turn, account, random);
  const responseId = `resp_${random.hex(32)}`;
  const usage = usageOf(answer, inputTokens, cachedTokens);
  const response = {
    id: responseId,
    object: "response",
    created_at: Math.floor(nowMs / 1000),
    status: "in_progress",
    model: body.model,
    service_tier: body.serviceTier,
    store: false,
    output: [] as Item[],
  };
  return { responseId, usage, events: () => numbered(eventsOf(answer, response, usage, account, random)) };
}

function chooseAnswer(
  body: TurnBody,
  turn: Exclude<Turn, { kind: "raw" }>,
  account: SimAccount,
  random: SeededRandom,
): Answer {
  const reasoning = body.wantsReasoning;
  switch (turn.kind) {
    case "text":
      return { kind: "text", text: turn.text, reasoning: turn.reasoning ?? reasoning };
    case "tool_call":
      return toolCall(body, turn.command, random);
    case "image":
      return imageCall(random);
    case "filled":
      return turn;
    case "events":
      return { kind: "events", events: turn.events as SimEvent[] };
    case "auto":
      return automaticAnswer(body, account, random);
  }
}

function automaticAnswer(body: TurnBody, account: SimAccount, random: SeededRandom): Answer {
  if (!body.generate) return { kind: "prewarm" };
  const last = body.input.at(-1);
  if (body.input.some((item) => item["type"] === "compaction_trigger")) {
    const item = {
      type: "compaction",
      id: `cmp_${random.hex(24)}`,
      encrypted_content: mint(account, random),
    };
    return { kind: "items", items: [item], reasoning: false, outputChars: 400 };
  }
  const reasoning = body.wantsReasoning;
  if (body.schema !== null) return { kind: "text", text: JSON.stringify(sampleOf(body.schema)), reasoning };
  const lastMeaningful = body.input.findLast((item) => item["type"] !== "configuration_update") ?? last;
  if (
    lastMeaningful?.["type"] === "function_call_output" ||
    lastMeaningful?.["type"] === "custom_tool_call_output"
  ) {
    const output = contentText(lastMeaningful["output"]).slice(-MAX_QUOTED_CHARS).trim();
    return { kind: "text", text: `The command printed:\n${output}`, reasoning };
  }
  const said = lastUserText(body.input);
  const command = /please run: *([^\n]+)/i.exec(said)?.[1];
  if (command !== undefined) return toolCall(body, command.trim(), random);
  if (/please draw:/i.test(said)) return imageCall(random);
  return { kind: "text", text: `Simulated answer to: ${said.slice(0, 200)}`, reasoning };
}

export function lastUserText(input: Item[]): string {
  const message = input.findLast(
    (item) => item["role"] === "user" && (item["type"] === "message" || item["type"] === undefined),
  );
  return contentText(message?.["content"]).trim();
}

function contentText(content: unknown): string {
  if (typeof content === "string") return content;
  return list(content)
    .map((part) => (typeof part["text"] === "string" ? part["text"] : ""))
    .join("");
}

/** A call of whichever shell tool the request offers; Codex has had several over its versions. */
function toolCall(body: TurnBody, command: string, random: SeededRandom): Answer {
  const call_id = `call_${random.hex(24)}`;
  const call = (name: string, callArguments: unknown) => ({
    type: "function_call",
    id: `fc_${random.hex(24)}`,
    call_id,
    name,
    arguments: JSON.stringify(callArguments),
    status: "completed",
  });
  const offers = (name: string) => body.tools.some((tool) => tool["name"] === name || tool["type"] === name);
  const codeMode = body.tools.find((tool) => list(tool["tools"]).some((one) => one["name"] === "exec"));
  const item: Item = offers("exec_command")
    ? call("exec_command", { cmd: command })
    : offers("shell_command")
      ? call("shell_command", { command })
      : offers("local_shell")
        ? {
            type: "local_shell_call",
            id: `lsh_${random.hex(24)}`,
            call_id,
            status: "completed",
            action: { type: "exec", command: ["bash", "-lc", command], env: {} },
          }
        : codeMode !== undefined
          ? {
              type: "custom_tool_call",
              id: `ctc_${random.hex(24)}`,
              call_id,
              namespace: codeMode["name"],
              name: "exec",
              input: `const result = await tools.exec_command({ cmd: ${JSON.stringify(command)} });\ntext(result.output);`,
              status: "completed",
            }
          : call("shell", { command: ["bash", "-lc", command] });
  return { kind: "items", items: [item], reasoning: body.wantsReasoning, outputChars: 80 + command.length };
}

function imageCall(random: SeededRandom): Answer {
  const item = {
    type: "image_generation_call",
    id: `ig_${random.hex(24)}`,
    status: "completed",
    revised_prompt: "one pixel",
    result: TINY_PNG_BASE64,
  };
  return { kind: "items", items: [item], reasoning: false, outputChars: 64 };
}

function usageOf(answer: Answer, inputTokens: number, cachedTokens: number): Usage {
  const cached = Math.min(cachedTokens, inputTokens);
  switch (answer.kind) {
    case "prewarm":
      return { inputTokens: 0, cachedTokens: 0, outputTokens: 0, reasoningTokens: 0 };
    case "text":
    case "items": {
      const reasoningTokens = answer.reasoning ? REASONING_TOKENS : 0;
      const chars = answer.kind === "text" ? answer.text.length : answer.outputChars;
      return {
        inputTokens,
        cachedTokens: cached,
        outputTokens: tokensOf(chars) + reasoningTokens,
        reasoningTokens,
      };
    }
    case "filled":
      return {
        inputTokens,
        cachedTokens: cached,
        // Its size is a matter of the wire; the quota is not to be spent by it.
        outputTokens: answer.events,
        reasoningTokens: 0,
      };
    case "events":
      return { inputTokens, cachedTokens: cached, outputTokens: 0, reasoningTokens: 0 };
  }
}

function* numbered(events: Iterable<SimEvent>): Generator<SimEvent> {
  let sequence_number = 0;
  for (const event of events) {
    if ("sequence_number" in event) yield event;
    else yield { ...event, sequence_number: sequence_number++ };
  }
}

function* eventsOf(
  answer: Answer,
  response: Item & { output: Item[] },
  usage: Usage,
  account: SimAccount,
  random: SeededRandom,
): Generator<SimEvent> {
  if (answer.kind === "events") return yield* answer.events;
  yield { type: "response.created", response };
  const output: Item[] = [];
  if (answer.kind !== "prewarm") {
    yield { type: "response.in_progress", response };
    if ((answer.kind === "text" || answer.kind === "items") && answer.reasoning) {
      yield* itemEvents(reasoningItem(account, random), output);
    }
    if (answer.kind === "text") yield* messageEvents(splitText(answer.text), answer.text, output, random);
    if (answer.kind === "items") for (const item of answer.items) yield* itemEvents(item, output);
    if (answer.kind === "filled") {
      yield* messageEvents(
        repeated("x".repeat(answer.bytesPerEvent), answer.events),
        "filled",
        output,
        random,
      );
    }
  }
  yield {
    type: "response.completed",
    response: { ...response, status: "completed", output, usage: usageBody(usage) },
  };
}

export function usageBody(usage: Usage) {
  return {
    input_tokens: usage.inputTokens,
    input_tokens_details: { cached_tokens: usage.cachedTokens },
    output_tokens: usage.outputTokens,
    output_tokens_details: { reasoning_tokens: usage.reasoningTokens },
    total_tokens: usage.inputTokens + usage.outputTokens,
  };
}

function reasoningItem(account: SimAccount, random: SeededRandom): Item {
  return {
    type: "reasoning",
    id: `rs_${random.hex(24)}`,
    summary: [{ type: "summary_text", text: "thinking" }],
    encrypted_content: mint(account, random),
  };
}

function* itemEvents(item: Item, output: Item[]): Generator<SimEvent> {
  const output_index = output.push(item) - 1;
  yield { type: "response.output_item.added", output_index, item: { ...item, status: "in_progress" } };
  yield { type: "response.output_item.done", output_index, item };
}

function* messageEvents(
  deltas: Iterable<string>,
  text: string,
  output: Item[],
  random: SeededRandom,
): Generator<SimEvent> {
  const id = `msg_${random.hex(24)}`;
  const part = { type: "output_text", text, annotations: [] };
  const item = { type: "message", role: "assistant", id, status: "completed", content: [part] };
  const output_index = output.push(item) - 1;
  const place = { item_id: id, output_index, content_index: 0 };
  yield {
    type: "response.output_item.added",
    output_index,
    item: { ...item, status: "in_progress", content: [] },
  };
  yield { type: "response.content_part.added", ...place, part: { ...part, text: "" } };
  for (const delta of deltas) yield { type: "response.output_text.delta", ...place, delta };
  yield { type: "response.output_text.done", ...place, text };
  yield { type: "response.content_part.done", ...place, part };
  yield { type: "response.output_item.done", output_index, item };
}

/** Words with their spaces, so that the pieces join to the text. */
function splitText(text: string): string[] {
  return text.match(/\s*\S+|\s+$/g) ?? [];
}

function* repeated(text: string, times: number): Generator<string> {
  for (let at = 0; at < times; at++) yield text;
}

/** Ciphertext that names its account inside, as only that account may read it back. */
export function mint(account: SimAccount, random: SeededRandom): string {
  const inside = `sim1|${account.chatgptAccountId}|${account.chatgptUserId}|${random.hex(120)}`;
  return `gAAAAAB${Buffer.from(inside).toString("base64url")}`;
}

/** True when some item holds ciphertext that this account did not mint. */
export function holdsForeignCiphertext(input: Item[], account: SimAccount): boolean {
  const own = (blob: unknown) => {
    if (typeof blob !== "string") return true;
    const inside = Buffer.from(blob.replace(/^gAAAAAB/, ""), "base64url").toString("utf8");
    return inside.startsWith(`sim1|${account.chatgptAccountId}|${account.chatgptUserId}|`);
  };
  return input.some(
    (item) =>
      !own(item["encrypted_content"]) ||
      list(item["content"]).some((part) => !own(part["encrypted_content"])),
  );
}
