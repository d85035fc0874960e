/** Legacy completions: POST /v1/completions, put onto chat as one user message. */
import { toResponsesRequest as chatToResponses } from "./chat/request.ts";
import { chatUsage, completionHead, failureReply, finishReason, streamError } from "./chat/reply.ts";
import type {
  CollectReducer,
  Dialect,
  ReplyContext,
  RequestContext,
  StreamReducer,
  TranslatedRequest,
} from "./dialect.ts";
import { openAiError } from "./openai-error.ts";
import {
  expectArray,
  expectBody,
  expectString,
  invalid,
  isAbsent,
  type JsonObject,
  optionalNumber,
  unsupported,
} from "./parse.ts";
import { collectTurn, streamTurn } from "./turn.ts";

/** Throws `CodedError` 400 with `param`. */
function toResponsesRequest(value: unknown, ctx: RequestContext): TranslatedRequest {
  const body = expectBody(value);
  const { prompt, ...rest } = body;
  for (const name of ["suffix", "echo"]) {
    if (body[name]) throw unsupported(name, "chat models cannot do this; put it into the prompt");
  }
  if (!isAbsent(body.logprobs)) throw unsupported("logprobs", "the Codex backend gives none");
  const best = optionalNumber(body.best_of, "best_of");
  if (best !== undefined && best !== 1)
    throw unsupported("best_of", "the Codex backend gives one choice per request");
  for (const name of ["messages", "tools", "functions"]) {
    if (!isAbsent(body[name])) throw unsupported(name, "use /v1/chat/completions");
  }
  return chatToResponses({ ...rest, messages: [{ role: "user", content: readPrompt(prompt) }] }, ctx);
}

function readPrompt(prompt: unknown): string {
  if (typeof prompt === "string") return prompt;
  const prompts = expectArray(prompt, "prompt");
  if (prompts.length === 0) throw invalid("prompt", "must not be empty");
  if (typeof prompts[0] === "number" || Array.isArray(prompts[0])) {
    throw unsupported("prompt", "send text: token numbers mean nothing to the Codex backend");
  }
  if (prompts.length > 1) throw unsupported("prompt", "one prompt per request");
  return expectString(prompts[0], "prompt[0]");
}

function choice(text: string, finish_reason: string | null): JsonObject {
  return { text, index: 0, logprobs: null, finish_reason };
}

function createStream(ctx: ReplyContext): StreamReducer {
  let head = completionHead(ctx, null, "cmpl-");

  function chunk(choices: JsonObject[], usage: JsonObject | null): string {
    const body: JsonObject = { ...head, object: "text_completion", choices };
    if (ctx.reply.includeUsage) body.usage = usage;
    return `data: ${JSON.stringify(body)}\n\n`;
  }

  return streamTurn((event) => {
    switch (event.kind) {
      case "start":
        head = completionHead(ctx, event, "cmpl-");
        return "";
      case "text":
      case "refusal":
        return chunk([choice(event.text, null)], null);
      case "end": {
        let text = chunk([choice("", finishReason(event.end, false, false))], null);
        if (ctx.reply.includeUsage && event.usage) text += chunk([], chatUsage(event.usage));
        return `${text}data: [DONE]\n\n`;
      }
      case "failed":
        return streamError(event.failure);
      default:
        return "";
    }
  });
}

function createCollector(ctx: ReplyContext): CollectReducer {
  let head = completionHead(ctx, null, "cmpl-");
  let text = "";

  return collectTurn((event) => {
    switch (event.kind) {
      case "start":
        head = completionHead(ctx, event, "cmpl-");
        return null;
      case "text":
      case "refusal":
        text += event.text;
        return null;
      case "end": {
        const choices = [choice(text, finishReason(event.end, false, false))];
        const body: JsonObject = { ...head, object: "text_completion", choices };
        if (event.usage) body.usage = chatUsage(event.usage);
        return { status: 200, body: JSON.stringify(body) };
      }
      case "failed":
        return failureReply(event.failure);
      default:
        return null;
    }
  });
}

export const completionsDialect: Dialect = {
  name: "completions",
  toResponsesRequest,
  createStream,
  createCollector,
  errorBody: openAiError,
  keepAlive: ": keep-alive\n\n",
};
