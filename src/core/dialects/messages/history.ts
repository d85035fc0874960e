/** Anthropic messages and content blocks as Responses input items. */
import { callIdForUpstream, type ToolNames } from "../names.ts";
import {
  compact,
  expectArray,
  expectObject,
  expectOneOf,
  expectString,
  expectText,
  type IgnoredFields,
  invalid,
  isAbsent,
  type JsonObject,
  optionalBoolean,
  optionalObject,
  optionalString,
  unsupported,
} from "../parse.ts";
import { decodeSignature } from "./signature.ts";

/** A failed tool result has a flag in Anthropic's shape and none in the Responses API: the text says it. */
export const TOOL_ERROR_PREFIX = "Error: ";

/** `system` → a developer message, which is how current clients send their base instructions (UPSTREAM B.2). */
export function readSystem(system: unknown): JsonObject[] {
  if (isAbsent(system) || system === "") return [];
  return [{ type: "message", role: "developer", content: readTextBlocks(system, "system") }];
}

function readTextBlocks(content: unknown, at: string): JsonObject[] {
  if (typeof content === "string") return [{ type: "input_text", text: content }];
  return expectArray(content, at).map((value, index) => {
    const block = expectObject(value, `${at}[${index}]`);
    expectOneOf(block.type, ["text"], `${at}[${index}].type`);
    return { type: "input_text", text: expectString(block.text, `${at}[${index}].text`) };
  });
}

/** `messages` → `input`. A message becomes several items where its blocks are items of their own upstream. */
export function readMessages(value: unknown, names: ToolNames, ignored: IgnoredFields): JsonObject[] {
  const messages = expectArray(value, "messages");
  if (messages.length === 0) throw invalid("messages", "must not be empty");
  return messages.flatMap((entry, index) => {
    const at = `messages[${index}]`;
    const message = expectObject(entry, at);
    // Newer Anthropic clients also put system text between messages.
    switch (expectOneOf(message.role, ["user", "assistant", "system"], `${at}.role`)) {
      case "system": {
        const content = readTextBlocks(message.content, `${at}.content`);
        return [{ type: "message", role: "developer", content }];
      }
      case "user":
        return readUser(message.content, `${at}.content`);
      case "assistant":
        return readAssistant(message.content, `${at}.content`, names, ignored);
    }
  });
}

/** Items under way: parts that follow one another gather in one message. */
function createItems(role: string) {
  const items: JsonObject[] = [];
  let parts: JsonObject[] | null = null;
  return {
    items,
    part(...added: JsonObject[]) {
      if (!parts) {
        parts = [];
        items.push({ type: "message", role, content: parts });
      }
      parts.push(...added);
    },
    item(item: JsonObject) {
      parts = null;
      items.push(item);
    },
  };
}

function readUser(content: unknown, at: string): JsonObject[] {
  const out = createItems("user");
  if (typeof content === "string") {
    out.part({ type: "input_text", text: content });
    return out.items;
  }
  expectArray(content, at).forEach((value, index) => {
    const blockAt = `${at}[${index}]`;
    const block = expectObject(value, blockAt);
    if (block.type === "tool_result") out.item(readToolResult(block, blockAt));
    else out.part(...readInputBlock(block, blockAt));
  });
  return out.items;
}

/** A text, image, document or search result block as input parts. */
function readInputBlock(block: JsonObject, at: string): JsonObject[] {
  switch (block.type) {
    case "text":
      return [{ type: "input_text", text: expectString(block.text, `${at}.text`) }];
    case "image":
      return [readImage(expectObject(block.source, `${at}.source`), `${at}.source`)];
    case "document":
      return readDocument(block, at);
    case "search_result": {
      const head = [block.title, block.source].filter((part) => typeof part === "string").join("\n");
      return [{ type: "input_text", text: head }, ...readTextBlocks(block.content, `${at}.content`)];
    }
    default:
      throw unsupported(`${at}.type`, "this block has no counterpart on the Codex backend");
  }
}

function readImage(source: JsonObject, at: string): JsonObject {
  switch (expectOneOf(source.type, ["base64", "url"], `${at}.type`)) {
    case "base64":
      return { type: "input_image", image_url: dataUrl(source, at) };
    case "url":
      return { type: "input_image", image_url: expectText(source.url, `${at}.url`) };
  }
}

function dataUrl(source: JsonObject, at: string): string {
  const mediaType = expectText(source.media_type, `${at}.media_type`);
  return `data:${mediaType};base64,${expectText(source.data, `${at}.data`)}`;
}

function readDocument(block: JsonObject, at: string): JsonObject[] {
  const source = expectObject(block.source, `${at}.source`);
  const title = optionalString(block.title, `${at}.title`);
  const heading = title ? [{ type: "input_text", text: title }] : [];
  switch (expectOneOf(source.type, ["base64", "text", "url", "content"], `${at}.source.type`)) {
    case "base64":
      return [
        { type: "input_file", filename: title ?? "document.pdf", file_data: dataUrl(source, `${at}.source`) },
      ];
    case "url":
      return [{ type: "input_file", file_url: expectText(source.url, `${at}.source.url`) }];
    case "text":
      return [...heading, { type: "input_text", text: expectString(source.data, `${at}.source.data`) }];
    case "content":
      return [...heading, ...readInputContent(source.content, `${at}.source.content`)];
  }
}

function readInputContent(content: unknown, at: string): JsonObject[] {
  if (typeof content === "string") return [{ type: "input_text", text: content }];
  return expectArray(content, at).flatMap((value, index) =>
    readInputBlock(expectObject(value, `${at}[${index}]`), `${at}[${index}]`),
  );
}

function readToolResult(block: JsonObject, at: string): JsonObject {
  const callId = callIdForUpstream(expectText(block.tool_use_id, `${at}.tool_use_id`));
  const failed = optionalBoolean(block.is_error, `${at}.is_error`) ?? false;
  const prefix = failed ? TOOL_ERROR_PREFIX : "";
  const { content } = block;
  if (isAbsent(content) || typeof content === "string") {
    return { type: "function_call_output", call_id: callId, output: prefix + (content ?? "") };
  }
  const parts = readInputContent(content, `${at}.content`);
  if (failed) parts.unshift({ type: "input_text", text: prefix.trimEnd() });
  return { type: "function_call_output", call_id: callId, output: parts };
}

function readAssistant(content: unknown, at: string, names: ToolNames, ignored: IgnoredFields): JsonObject[] {
  const out = createItems("assistant");
  if (typeof content === "string") {
    if (content !== "") out.part({ type: "output_text", text: content });
    return out.items;
  }
  expectArray(content, at).forEach((value, index) => {
    const blockAt = `${at}[${index}]`;
    const block = expectObject(value, blockAt);
    switch (block.type) {
      case "text":
        out.part({ type: "output_text", text: expectString(block.text, `${blockAt}.text`) });
        return;
      case "tool_use":
        out.item(readToolUse(block, blockAt, names));
        return;
      case "thinking":
      case "redacted_thinking": {
        const field = block.type === "thinking" ? "signature" : "data";
        const reasoning = decodeSignature(optionalString(block[field], `${blockAt}.${field}`) ?? "");
        if (reasoning) out.item(reasoning);
        else ignored.add("messages.thinking");
        return;
      }
      default:
        throw unsupported(`${blockAt}.type`, "this block has no counterpart on the Codex backend");
    }
  });
  return out.items;
}

function readToolUse(block: JsonObject, at: string, names: ToolNames): JsonObject {
  return compact({
    type: "function_call",
    call_id: callIdForUpstream(expectText(block.id, `${at}.id`)),
    name: names.toUpstream(expectText(block.name, `${at}.name`)),
    arguments: JSON.stringify(optionalObject(block.input, `${at}.input`) ?? {}),
  });
}
