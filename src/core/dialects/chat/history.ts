/** Chat messages as Responses input items. */
import {
  expectArray,
  expectObject,
  expectOneOf,
  expectString,
  expectText,
  type IgnoredFields,
  invalid,
  isAbsent,
  isObject,
  type JsonObject,
  optionalArray,
  optionalObject,
  optionalString,
  compact,
  unsupported,
} from "../parse.ts";
import { callIdForUpstream, type ToolNames } from "../names.ts";

/** `reasoning_details` entries made here and read back here carry this name, as others that speak this field do. */
export const REASONING_FORMAT = "openai-responses-v1";

const ROLES = ["system", "developer", "user", "assistant", "tool", "function"] as const;

interface History {
  items: JsonObject[];
  names: ToolNames;
  ignored: IgnoredFields;
  /** Ids of calls to custom (free-text) tools: their outputs have a type of their own. */
  customCalls: Set<string>;
  /** Legacy `function_call` has no ids: the id given to the last call of each function. */
  legacyCalls: Map<string, string>;
}

/** `messages` → `input`. System messages become developer messages: the backend refuses the role "system". */
export function readMessages(value: unknown, names: ToolNames, ignored: IgnoredFields): JsonObject[] {
  const messages = expectArray(value, "messages");
  if (messages.length === 0) throw invalid("messages", "must not be empty");
  const history: History = { items: [], names, ignored, customCalls: new Set(), legacyCalls: new Map() };
  messages.forEach((entry, index) => readMessage(entry, index, history));
  return history.items;
}

function readMessage(entry: unknown, index: number, history: History): void {
  const at = `messages[${index}]`;
  const message = expectObject(entry, at);
  const role = expectOneOf(message.role, ROLES, `${at}.role`);
  if (role !== "function" && !isAbsent(message.name)) history.ignored.add("messages.name");
  switch (role) {
    case "system":
    case "developer":
      history.items.push(messageItem("developer", readTextParts(message.content, `${at}.content`)));
      return;
    case "user":
      history.items.push(messageItem("user", readUserParts(message.content, `${at}.content`)));
      return;
    case "assistant":
      readAssistant(message, at, index, history);
      return;
    case "tool":
      readToolResult(message, at, history);
      return;
    case "function": {
      const name = expectText(message.name, `${at}.name`);
      const callId = history.legacyCalls.get(name);
      if (callId === undefined) throw invalid(`${at}.name`, "no earlier function_call has this name");
      pushOutput(callId, message.content, `${at}.content`, history);
    }
  }
}

function messageItem(role: string, content: JsonObject[]): JsonObject {
  return { type: "message", role, content };
}

/** A string or text parts, as input_text. */
function readTextParts(content: unknown, at: string): JsonObject[] {
  if (typeof content === "string") return [{ type: "input_text", text: content }];
  return expectArray(content, at).map((value, index) => {
    const part = expectObject(value, `${at}[${index}]`);
    expectOneOf(part.type, ["text"], `${at}[${index}].type`);
    return { type: "input_text", text: expectString(part.text, `${at}[${index}].text`) };
  });
}

function readUserParts(content: unknown, at: string): JsonObject[] {
  if (typeof content === "string") return [{ type: "input_text", text: content }];
  return expectArray(content, at).map((value, index) => readUserPart(value, `${at}[${index}]`));
}

function readUserPart(value: unknown, at: string): JsonObject {
  const part = expectObject(value, at);
  switch (part.type) {
    case "text":
      return { type: "input_text", text: expectString(part.text, `${at}.text`) };
    case "image_url":
      return readImage(part.image_url, `${at}.image_url`);
    case "file": {
      const file = expectObject(part.file, `${at}.file`);
      const read = {
        file_data: optionalString(file.file_data, `${at}.file.file_data`),
        file_id: optionalString(file.file_id, `${at}.file.file_id`),
        filename: optionalString(file.filename, `${at}.file.filename`),
      };
      if (read.file_data === undefined && read.file_id === undefined) {
        throw invalid(`${at}.file`, "file_data or file_id is needed");
      }
      return compact({ type: "input_file", ...read });
    }
    case "input_audio":
      throw unsupported(at, "audio input is not available on the Codex backend");
    default:
      throw invalid(`${at}.type`, 'one of "text", "image_url", "file" was expected');
  }
}

function readImage(value: unknown, at: string): JsonObject {
  const image = typeof value === "string" ? { url: value } : expectObject(value, at);
  const url = expectString(image.url, `${at}.url`);
  if (!/^(https?:|data:image\/)/i.test(url))
    throw invalid(`${at}.url`, "an https or data:image URL was expected");
  return compact({
    type: "input_image",
    image_url: url,
    detail: optionalString(image.detail, `${at}.detail`),
  });
}

function readAssistant(message: JsonObject, at: string, index: number, history: History): void {
  const reasoning = readReasoning(message.reasoning_details, `${at}.reasoning_details`);
  if (reasoning.length === 0 && message.reasoning_content) history.ignored.add("messages.reasoning_content");
  if (!isAbsent(message.audio))
    throw unsupported(`${at}.audio`, "audio is not available on the Codex backend");
  const content = readAssistantParts(message.content, `${at}.content`);
  const refusal = optionalString(message.refusal, `${at}.refusal`);
  if (refusal) content.push({ type: "refusal", refusal });
  history.items.push(...reasoning);
  if (content.length > 0) history.items.push(messageItem("assistant", content));
  const calls = optionalArray(message.tool_calls, `${at}.tool_calls`) ?? [];
  calls.forEach((call, number) => history.items.push(readCall(call, `${at}.tool_calls[${number}]`, history)));
  const legacy = optionalObject(message.function_call, `${at}.function_call`);
  if (legacy) history.items.push(readLegacyCall(legacy, `${at}.function_call`, index, history));
}

function readAssistantParts(content: unknown, at: string): JsonObject[] {
  if (isAbsent(content) || content === "") return [];
  if (typeof content === "string") return [{ type: "output_text", text: content }];
  return expectArray(content, at).map((value, index) => {
    const part = expectObject(value, `${at}[${index}]`);
    const type = expectOneOf(part.type, ["text", "refusal"], `${at}[${index}].type`);
    if (type === "text")
      return { type: "output_text", text: expectString(part.text, `${at}[${index}].text`) };
    return { type: "refusal", refusal: expectString(part.refusal, `${at}[${index}].refusal`) };
  });
}

/** Reasoning that this dialect gave out as `reasoning_details`, as the items that the backend can read again. */
function readReasoning(value: unknown, at: string): JsonObject[] {
  return (optionalArray(value, at) ?? [])
    .filter(
      (detail) =>
        isObject(detail) && detail.type === "reasoning.encrypted" && detail.format === REASONING_FORMAT,
    )
    .map((detail) => {
      const { id, data } = detail as JsonObject;
      const item = {
        id: optionalString(id, `${at}.id`),
        summary: [],
        encrypted_content: expectText(data, `${at}.data`),
      };
      return compact({ type: "reasoning", ...item });
    });
}

function readCall(value: unknown, at: string, history: History): JsonObject {
  const call = expectObject(value, at);
  const callId = callIdForUpstream(expectText(call.id, `${at}.id`));
  if (call.type === "custom") {
    const custom = expectObject(call.custom, `${at}.custom`);
    history.customCalls.add(callId);
    return {
      type: "custom_tool_call",
      call_id: callId,
      name: history.names.toUpstream(expectText(custom.name, `${at}.custom.name`)),
      input: expectString(custom.input, `${at}.custom.input`),
    };
  }
  // Several clients leave the type out; there was only one when they were written.
  if (!isAbsent(call.type)) expectOneOf(call.type, ["function", "custom"], `${at}.type`);
  return functionCall(callId, expectObject(call.function, `${at}.function`), `${at}.function`, history);
}

function readLegacyCall(call: JsonObject, at: string, index: number, history: History): JsonObject {
  const callId = `call_message_${index}`;
  history.legacyCalls.set(expectText(call.name, `${at}.name`), callId);
  return functionCall(callId, call, at, history);
}

function functionCall(callId: string, fn: JsonObject, at: string, history: History): JsonObject {
  return {
    type: "function_call",
    call_id: callId,
    name: history.names.toUpstream(expectText(fn.name, `${at}.name`)),
    arguments: expectString(fn.arguments, `${at}.arguments`),
  };
}

function readToolResult(message: JsonObject, at: string, history: History): void {
  const callId = callIdForUpstream(expectText(message.tool_call_id, `${at}.tool_call_id`));
  pushOutput(callId, message.content, `${at}.content`, history);
}

/** A result is a string, or parts: text by the standard, images by habit of several clients. */
function pushOutput(callId: string, content: unknown, at: string, history: History): void {
  const output = isAbsent(content) ? "" : typeof content === "string" ? content : readUserParts(content, at);
  const type = history.customCalls.has(callId) ? "custom_tool_call_output" : "function_call_output";
  history.items.push({ type, call_id: callId, output });
}
