/** Chat completions: POST /v1/chat/completions. */
import type { Dialect } from "../dialect.ts";
import { openAiError } from "../openai-error.ts";
import { createChatCollector, createChatStream } from "./reply.ts";
import { toResponsesRequest } from "./request.ts";

export const chatDialect: Dialect = {
  name: "chat",
  toResponsesRequest,
  createStream: createChatStream,
  createCollector: createChatCollector,
  errorBody: openAiError,
  // An SSE comment: every SDK skips it, and none counts chunks by it.
  keepAlive: ": keep-alive\n\n",
};
