/** The one way to the admin API: same origin, the session's cookie, and every failure as an `ApiError`. */

export class ApiError extends Error {
  constructor(
    /** The service's own code, or `network_error` when no answer came, `unexpected_reply` when it was not JSON. */
    readonly code: string,
    message: string,
    /** 0 when no answer came. */
    readonly status: number,
    /** The field at fault, when one is. */
    readonly param: string | null = null,
    readonly retryAfterSeconds: number | null = null,
  ) {
    super(message);
    this.name = "ApiError";
  }
}

/** The codes that mean "sign in (again)"; the session decides which screen that is. */
const SIGN_IN_CODES: ReadonlySet<string> = new Set([
  "authentication_required",
  "totp_required",
  "bootstrap_required",
]);

export const needsSignIn = (error: unknown): boolean =>
  error instanceof ApiError && SIGN_IN_CODES.has(error.code);

export type Query = Record<string, string | number | readonly string[] | null | undefined>;

/** `/path?a=1&b=2`, leaving out what is null, undefined or empty; arrays repeat their name. */
export function withQuery(path: string, query: Query): string {
  const params = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const each of Array.isArray(value) ? value : [value]) {
      if (each !== null && each !== undefined && each !== "") params.append(name, String(each));
    }
  }
  const text = params.toString();
  return text === "" ? path : `${path}?${text}`;
}

async function send(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
  const isForm = body instanceof FormData;
  let response: Response;
  try {
    response = await fetch(path, {
      method,
      credentials: "same-origin",
      headers: body === undefined || isForm ? {} : { "content-type": "application/json" },
      body: body === undefined ? null : isForm ? body : JSON.stringify(body),
      signal: signal ?? null,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new ApiError("network_error", "codex-lb did not answer. Is it running?", 0);
  }
  if (!response.ok) throw await errorOf(response);
  return response;
}

async function errorOf(response: Response): Promise<ApiError> {
  const retryAfter = Number(response.headers.get("retry-after"));
  const seconds = Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : null;
  const body = (await response.json().catch(() => null)) as {
    error?: { code?: string; message?: string; param?: string };
  } | null;
  const { code, message, param } = body?.error ?? {};
  return new ApiError(
    code ?? "unexpected_reply",
    message ?? `codex-lb answered with status ${response.status}.`,
    response.status,
    param ?? null,
    seconds,
  );
}

async function json<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  const response = await send(method, path, body, signal);
  if (response.status === 204) return undefined as T;
  const text = await response.text();
  if (text === "") return undefined as T;
  try {
    return JSON.parse(text) as T;
  } catch {
    throw new ApiError(
      "unexpected_reply",
      "The answer was not JSON: something else answers at this address.",
      response.status,
    );
  }
}

export const api = {
  get: <T>(path: string, signal?: AbortSignal) => json<T>("GET", path, undefined, signal),
  post: <T>(path: string, body: unknown = {}) => json<T>("POST", path, body),
  put: <T>(path: string, body: unknown) => json<T>("PUT", path, body),
  patch: <T>(path: string, body: unknown) => json<T>("PATCH", path, body),
  delete: <T = void>(path: string, body?: unknown) => json<T>("DELETE", path, body),
  /** The answer as a file to save. */
  async file(method: "GET" | "POST", path: string, body?: unknown): Promise<Blob> {
    return (await send(method, path, body)).blob();
  },
};

/** Hands a file to the browser's download. */
export function saveFile(blob: Blob, name: string): void {
  const url = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = url;
  link.download = name;
  link.click();
  URL.revokeObjectURL(url);
}

/** What to tell a person about any failure. */
export function messageOf(error: unknown): string {
  if (error instanceof ApiError && error.retryAfterSeconds !== null)
    return `${error.message} Try again in ${error.retryAfterSeconds} s.`;
  return error instanceof Error ? error.message : String(error);
}
