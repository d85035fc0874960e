/** Upstream's failures as they look on the wire: status, headers and body of each (UPSTREAM: errors). */
import type { ErrorName } from "./types.ts";
import type { HeaderList } from "./http-message.ts";

export interface WireError {
  status: number;
  headers: HeaderList;
  /** Text as it is; anything else as JSON. */
  body: unknown;
}

export interface ErrorDetails {
  /** Unix milliseconds now; resets are counted from it. */
  nowMs: number;
  planType?: string;
  resetsInSeconds?: number;
  retryAfterSeconds?: number;
  model?: string;
  /** Where a redirect leads. */
  location?: string;
}

const DEFAULT_RESETS_IN_SECONDS = 3600;

const CHALLENGE_PAGE =
  "<!DOCTYPE html><html><head><title>Just a moment...</title></head><body>" +
  "<h1>Checking your browser before you continue</h1><noscript>Enable JavaScript and cookies</noscript></body></html>";

export function namedError(name: ErrorName, details: ErrorDetails): WireError {
  const resetsIn = details.resetsInSeconds ?? DEFAULT_RESETS_IN_SECONDS;
  const retryAfter: HeaderList = [["retry-after", String(details.retryAfterSeconds ?? 1)]];
  switch (name) {
    case "usage_limit_reached":
      return error(429, {
        type: name,
        message: "The usage limit has been reached",
        plan_type: details.planType ?? "plus",
        resets_at: Math.floor(details.nowMs / 1000) + resetsIn,
        resets_in_seconds: resetsIn,
      });
    case "usage_not_included":
      return error(429, {
        type: name,
        message: "Usage is not included in your plan",
        plan_type: details.planType ?? "free",
      });
    case "insufficient_quota":
      return coded(
        429,
        name,
        "You exceeded your current quota, please check your plan and billing details.",
        name,
      );
    case "rate_limit_exceeded":
      return coded(429, name, "Rate limit reached. Please try again in 1.5s.", "tokens");
    case "rate_limit_retry_after":
      return {
        ...coded(429, "rate_limit_exceeded", "Rate limit reached. Please try again later.", "tokens"),
        headers: retryAfter,
      };
    case "token_expired":
      return authError(name, "Provided authentication token is expired. Please try signing in again.");
    case "token_invalidated":
      return authError(name, "Your authentication token has been invalidated. Please try signing in again.");
    case "token_revoked":
      return authError(name, "Encountered invalidated oauth token for user, failing request");
    case "account_deactivated":
      return {
        ...authError(name, "Your account has been deactivated."),
        headers: [["x-openai-authorization-error", name]],
      };
    case "deactivated_workspace":
      return { status: 402, headers: [], body: { detail: { code: name } } };
    case "forbidden":
      return coded(403, "forbidden", "You do not have access to this resource.");
    case "challenge_page":
      return {
        status: 403,
        headers: [
          ["content-type", "text/html; charset=UTF-8"],
          ["cf-ray", "9a0000000000sim0-FRA"],
          ["cf-mitigated", "challenge"],
          ["server", "cloudflare"],
        ],
        body: CHALLENGE_PAGE,
      };
    case "model_not_supported":
      return detail(
        400,
        `The '${details.model ?? "x"}' model is not supported when using Codex with a ChatGPT account.`,
      );
    case "model_not_found":
      return coded(
        404,
        name,
        `The model '${details.model ?? "x"}' does not exist or you do not have access to it.`,
      );
    case "not_found":
      return detail(404, "Not Found");
    case "bad_request":
      return coded(400, "invalid_value", "Invalid value in request.");
    case "context_length_exceeded":
      return coded(
        400,
        name,
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
      );
    case "cyber_policy":
      return coded(400, name, "This request was refused under the cyber policy.");
    case "invalid_encrypted_content":
      return coded(400, name, ENCRYPTED_MESSAGE);
    case "invalid_encrypted_content_null_code":
      return coded(400, null, ENCRYPTED_MESSAGE);
    case "previous_response_not_found":
      return error(400, {
        type: "invalid_request_error",
        code: name,
        message: "Previous response not found.",
        param: "previous_response_id",
      });
    case "websocket_connection_limit_reached":
      return coded(
        400,
        name,
        "Responses websocket connection limit reached (60 minutes). Create a new websocket connection to continue.",
      );
    case "payload_too_large":
      return coded(413, "request_too_large", "Request body is too large.");
    case "unprocessable":
      return detail(422, "Unprocessable Entity");
    case "server_error":
      return coded(
        500,
        "server_error",
        "The server had an error while processing your request.",
        "server_error",
      );
    case "bad_gateway":
      return {
        status: 502,
        headers: [["content-type", "text/html"]],
        body: "<html><body>502 Bad Gateway</body></html>",
      };
    case "server_is_overloaded":
      return coded(
        503,
        name,
        "Our servers are currently overloaded. Please try again later.",
        "service_unavailable_error",
      );
    case "unavailable_retry_after":
      return {
        ...coded(503, "service_unavailable", "Service unavailable.", "service_unavailable_error"),
        headers: retryAfter,
      };
    case "overloaded_529":
      return coded(529, "overloaded", "Overloaded", "overloaded_error");
    case "redirect":
      return { status: 307, headers: [["location", details.location ?? "/"]], body: "" };
    case "upgrade_required":
      return detail(426, "Upgrade Required");
  }
}

const ENCRYPTED_MESSAGE =
  "The encrypted content gAAA... could not be verified. Reason: Encrypted content could not be decrypted or parsed.";

function error(status: number, body: Record<string, unknown>): WireError {
  return { status, headers: [], body: { error: body } };
}

function coded(
  status: number,
  code: string | null,
  message: string,
  type = "invalid_request_error",
): WireError {
  return error(status, { message, type, param: null, code });
}

function authError(code: string, message: string): WireError {
  return {
    status: 401,
    headers: [],
    body: { error: { message, type: null, code, param: null }, status: 401 },
  };
}

export function detail(status: number, text: string): WireError {
  return { status, headers: [], body: { detail: text } };
}

/** Status, headers and body bytes of an error as an HTTP reply. */
export function encodeError(wire: WireError): { headers: HeaderList; body: Buffer } {
  const isText = typeof wire.body === "string";
  const body = Buffer.from(isText ? (wire.body as string) : JSON.stringify(wire.body));
  const hasType = wire.headers.some(([name]) => name.toLowerCase() === "content-type");
  const headers: HeaderList = hasType
    ? wire.headers
    : [["content-type", "application/json"], ...wire.headers];
  return { headers, body };
}

/** The same error as an `error` frame of the WebSocket. */
export function errorFrame(wire: WireError): Record<string, unknown> {
  const body = wire.body as { error?: Record<string, unknown>; detail?: unknown };
  const error =
    typeof wire.body === "object" && body?.error !== undefined
      ? body.error
      : {
          type: "invalid_request_error",
          code: null,
          message: typeof wire.body === "string" ? wire.body : JSON.stringify(body),
        };
  return { type: "error", status: wire.status, error, headers: Object.fromEntries(wire.headers) };
}
