/** Anthropic Messages: POST /v1/messages. */
import { formatEvent } from "../../sse.ts";
import type { Dialect } from "../dialect.ts";
import { createMessagesCollector, createMessagesStream, messagesError } from "./reply.ts";
import { toResponsesRequest } from "./request.ts";

export const messagesDialect: Dialect = {
  name: "messages",
  toResponsesRequest,
  createStream: createMessagesStream,
  createCollector: createMessagesCollector,
  errorBody: messagesError,
  keepAlive: formatEvent("ping", { type: "ping" }),
};
