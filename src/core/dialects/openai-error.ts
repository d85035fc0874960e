/** Errors in OpenAI's envelope, whole and inside a stream. */
import { openAiErrorBody } from "../errors.ts";
import type { ErrorExtras, HttpReply } from "./dialect.ts";

/** The `type` beside the code. Codex reads a spent quota by its type, so there it repeats the code. */
export function openAiErrorType(status: number, code: string): string {
  if (code === "usage_limit_reached" || code === "usage_not_included" || code === "insufficient_quota")
    return code;
  if (status === 429) return "rate_limit_error";
  if (status === 403) return "permission_error";
  if (status === 401) return "authentication_error";
  return status >= 500 ? "server_error" : "invalid_request_error";
}

export function openAiError(
  status: number,
  code: string,
  message: string,
  extras: ErrorExtras = {},
): HttpReply {
  const { requestId: _, ...fields } = extras;
  return { status, body: openAiErrorBody(code, message, { type: openAiErrorType(status, code), ...fields }) };
}
