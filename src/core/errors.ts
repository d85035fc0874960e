/** Coded errors: what is expected to go wrong, said with a stable code and what to do next. */

/** An expected failure. `message` is for people and names the next step; it holds no secret and no upstream cause. */
export class CodedError extends Error {
  readonly code: string;
  /** HTTP status when it reaches an HTTP client. */
  readonly status: number;
  /** The field at fault, when one is. */
  readonly param: string | undefined;
  /** Seconds after which trying again makes sense; sent as Retry-After. */
  readonly retryAfterSeconds: number | undefined;
  constructor(
    code: string,
    message: string,
    options: { status?: number; param?: string; retryAfterSeconds?: number } = {},
  ) {
    super(message);
    this.name = "CodedError";
    this.code = code;
    this.status = options.status ?? 400;
    this.param = options.param;
    this.retryAfterSeconds = options.retryAfterSeconds;
  }
}

/** Extra fields of OpenAI's error object that Codex reads on a spent quota (UPSTREAM: resets_at is in Unix seconds). */
export interface OpenAiErrorExtras {
  type?: string;
  param?: string | null;
  resets_at?: number;
  resets_in_seconds?: number;
}

/** OpenAI's error envelope, the shape of every error on `/v1` and `/backend-api`. */
export function openAiErrorBody(code: string, message: string, extras: OpenAiErrorExtras = {}): string {
  const { type = "invalid_request_error", ...rest } = extras;
  return JSON.stringify({ error: { message, type, code, param: null, ...rest } });
}
