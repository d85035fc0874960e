/** Codex's calls besides its turns: relayed to an account of the session, or answered here where they speak of the user's own account. */
import { conversationKeys } from "../core/affinity.ts";
import { imageCount } from "../core/dialects/images.ts";
import { asRecord, asText, type JsonRecord } from "../core/json-read.ts";
import type { PoolIdentity } from "../core/windows-pool.ts";
import type { Pool, PooledAccount } from "../pool/pool.ts";
import type { Clock } from "../ports.ts";
import { TransportError } from "../upstream/transport-error.ts";
import { errorResponse } from "./answers.ts";
import { readJsonBody, type RequestFacts, requestFacts } from "./client-request.ts";
import { compactedReply, createCompactAttempt, observeUsage } from "./compact.ts";
import type { Drain } from "./drain.ts";
import type { ClientPresence } from "./engine.ts";
import type { CommittedReply, HttpAttempt } from "./http-attempt.ts";
import type { PooledQuota } from "./pooled-usage.ts";
import { presenceOf, type RelayPorts, verbatim } from "./responses.ts";
import { type AnswerShape, type Caller, refuseUnread, type Serving } from "./serve.ts";

export interface SideCallPorts extends RelayPorts {
  serving: Serving;
  attempt: HttpAttempt;
  pool: Pool;
  clock: Clock;
  drain: Drain;
  quota: PooledQuota;
}

export interface SideCalls {
  /** Any other call of the client: relayed to the account of its session or file. `path` is upstream's, with query. */
  relay(request: Request, path: string, caller: Caller): Promise<Response>;
  /** `POST …/responses/compact`. */
  compact(request: Request, caller: Caller): Promise<Response>;
  /** What the client asks of the user's account, below `/backend-api/wham/` or `/api/codex/`; `name` is what follows. */
  account(request: Request, name: string, caller: Caller): Response;
  /**
   * `GET wham/accounts/check`, which decides whether the client starts and where it sends its requests. `overHttp`: for a client
   * whose `chatgpt_base_url` is another name of this very machine, without TLS.
   */
  accountsCheck(request: Request, caller: Caller, how: { overHttp: boolean }): Response;
  /** Taken, and passed on to nobody; not even read, as it comes from anybody. */
  analytics(caller: Caller): Response;
}

const FILE_PATH = /^\/files\/([\w-]{1,128})(?:\/|\?|$)/;
/** A new file's answer is a few hundred bytes. */
const MAX_FILE_REPLY_BYTES = 64 * 1024;

/** Stores and lists that belong to the person behind an account: through a pool one user would see another's. */
const PERSONAL =
  /^\/codex\/(alpha\/notes|tasks|environments|threads|memories\/(?!trace_summarize))|^\/files(\?|$)/i;
/** These have routes of their own, which hold a key to its models and limits: they are not to be had under another spelling. */
const SERVED_ELSEWHERE = /^\/codex\/(responses|models|analytics-events)(\/|\?|$)/i;
/** What the client uses. A TRACE would be answered with the headers that were sent, and the account's token among them. */
const RELAYED_METHODS: ReadonlySet<string> = new Set(["GET", "POST", "PUT", "PATCH", "DELETE"]);

export function createSideCalls(ports: SideCallPorts): SideCalls {
  const { serving, pool, clock, drain, quota } = ports;

  /** The attempt, and on which account it succeeded. */
  function watched(attempt: HttpAttempt): { attempt: HttpAttempt; account(): PooledAccount | null } {
    let account: PooledAccount | null = null;
    return {
      account: () => account,
      async attempt(request, context) {
        const attempted = await attempt(request, context);
        if (attempted.kind === "committed") ({ account } = context);
        return attempted;
      },
    };
  }

  async function relay(request: Request, asked: string, caller: Caller): Promise<Response> {
    const path = plainTarget(asked);
    if (path === null || !RELAYED_METHODS.has(request.method)) return notFound(caller);
    const makesFile = request.method === "POST" && path === "/files";
    if (SERVED_ELSEWHERE.test(path) || (PERSONAL.test(path) && !makesFile)) return notFound(caller);
    const client = presenceOf(request.signal);
    let body: Uint8Array | null;
    try {
      body = request.method === "GET" ? null : await ports.bodies.read(request);
    } catch (error) {
      return refuseUnread(serving, { request, caller, error }, (coded) =>
        errorResponse(coded, "codex", { "x-request-id": caller.origin.requestId }),
      );
    }
    const { attempt, account } = watched(ports.attempt);
    const shape = verbatim(ports, { surface: "codex", client, caller });
    return serving.serve({
      caller,
      facts: { ...callFacts(request, path), images: imagesOf(request.method, path, body) },
      client,
      method: request.method,
      path,
      headers: request.headers,
      body,
      contentEncoding: request.headers.get("content-encoding"),
      observe: false,
      shape: makesFile ? { ...shape, reply: binding(shape, account, client) } : shape,
      attempt,
    });
  }

  /** Like `shape.reply`, and remembers to which account the new file belongs. */
  function binding(
    shape: AnswerShape,
    account: () => PooledAccount | null,
    client: ClientPresence,
  ): AnswerShape["reply"] {
    return async (reply, headers, onEnd) => {
      await readWhole(reply, MAX_FILE_REPLY_BYTES, client);
      const answer = parse(Buffer.concat(reply.held).toString("utf8"));
      const key = asText(answer?.file_id) ?? asText(answer?.id);
      const owner = account();
      if (key !== null && owner) pool.affinity.set({ kind: "file", key }, owner.id, clock.now());
      return shape.reply(reply, headers, onEnd);
    };
  }

  async function compact(request: Request, caller: Caller): Promise<Response> {
    const client = presenceOf(request.signal);
    const headers = { "x-request-id": caller.origin.requestId };
    let body: Uint8Array;
    let plain: Uint8Array;
    let facts: RequestFacts;
    try {
      ({ body, plain } = await readJsonBody(request, ports.bodies));
      ports.bodies.hold(request, plain === body ? 0 : plain.byteLength);
      facts = requestFacts(plain, (name) => request.headers.get(name));
    } catch (error) {
      return refuseUnread(serving, { request, caller, error }, (coded) =>
        errorResponse(coded, "codex", headers),
      );
    }
    const shape = verbatim(ports, { surface: "codex", client, caller });
    return serving.serve({
      caller,
      facts: { ...facts, requestKind: "compaction" },
      client,
      method: "POST",
      path: "/codex/responses/compact",
      headers: request.headers,
      body,
      contentEncoding: request.headers.get("content-encoding"),
      observe: false,
      shape: { ...shape, reply: collecting(shape, plain, client) },
      attempt: createCompactAttempt(ports.attempt, plain),
    });
  }

  /** The old path's reply as it came; the new form's, an event stream, collected. */
  function collecting(shape: AnswerShape, plain: Uint8Array, client: ClientPresence): AnswerShape["reply"] {
    return async (reply, headers, onEnd) => {
      if (!reply.observer) {
        observeUsage(reply);
        return shape.reply(reply, headers, onEnd);
      }
      const { status, body } = await compactedReply(reply, plain, { client, clock, drain, onEnd });
      return Response.json(body, { status, headers });
    };
  }

  return {
    relay,
    compact,
    account(request, name, caller) {
      const headers = { "x-request-id": caller.origin.requestId };
      const own = request.headers.get("chatgpt-account-id");
      const call = `${request.method} ${name.replace(/\/+$/, "")}`;
      switch (call) {
        case "GET usage":
          return Response.json(quota.body(caller.allowedAccountIds, identityOf(own)), { headers });
        case "GET rate-limit-reset-credits":
          // Resetting is a matter of one account; the dashboard does that.
          return Response.json({ credits: [], available_count: 0, total_earned_count: 0 }, { headers });
        case "POST rate-limit-reset-credits/consume":
          return Response.json({ code: "no_credit", windows_reset: 0 }, { headers });
        default:
          return notFound(caller);
      }
    },
    accountsCheck(request, caller, { overHttp }) {
      const own = request.headers.get("chatgpt-account-id");
      const headers = { "x-request-id": caller.origin.requestId };
      return Response.json(accountsCheck(own, overHttp ? CHATGPT_ORIGIN : NO_CONSTRAINT), { headers });
    },
    analytics: (caller) => Response.json({}, { headers: { "x-request-id": caller.origin.requestId } }),
  };
}

/** What upstream answers where there is nothing; every client goes on after it (UPSTREAM B). */
export function notFound(caller: Caller): Response {
  const headers = { "x-request-id": caller.origin.requestId };
  return Response.json({ detail: "Not Found" }, { status: 404, headers });
}

/** Segments that every server reads alike: no escapes, no parameters, none empty, none of dots alone. */
const PLAIN_PATH = /^(\/(?!\.{1,2}(\/|$))[\w.~:@-]+)+$/;

/** Path and query without a slash at the path's end; null when upstream could read the path as another one than we did. */
function plainTarget(target: string): string | null {
  const [, path, query = ""] = /^([^?]*?)\/?(\?.*)?$/s.exec(target)!;
  return PLAIN_PATH.test(path!) ? path! + query : null;
}

/** No account of the pool is named to a client. */
function identityOf(ownAccountId: string | null): PoolIdentity {
  return {
    userId: "user-codex-lb",
    accountId: ownAccountId ?? "codex-lb",
    email: "pool@codex-lb.invalid",
  };
}

const NO_CONSTRAINT = "NO_CONSTRAINT";
/** The one https origin that tells a client nothing: it stays with its provider, whose address is another one (UPSTREAM A.1). */
const CHATGPT_ORIGIN = "https://chatgpt.com";

/** The client's own account, whichever it is. */
function accountsCheck(ownAccountId: string | null, origin: string): JsonRecord {
  const id = ownAccountId ?? "codex-lb";
  const entry = { id, workspace_backend_origin: origin, account_routing_override: NO_CONSTRAINT };
  return { accounts: [entry], account_ordering: [id], default_account_id: id };
}

/** A call that names no model: any account may serve it, best the one of its session or file. */
function callFacts(request: Request, path: string): RequestFacts {
  const header = (name: string) => request.headers.get(name);
  const fileId = FILE_PATH.exec(path)?.[1];
  return {
    model: "",
    serviceTier: null,
    reasoningEffort: null,
    keys: conversationKeys({ header, fields: { fileIds: fileId === undefined ? [] : [fileId] } }),
    sessionId: asText(header("session-id") ?? header("session_id")),
    threadId: asText(header("thread-id")),
    turnId: null,
    requestKind: kindOf(path),
  };
}

const IMAGE_PATH = /^\/codex\/images\/(generations|edits)(\?|$)/;

function imagesOf(method: string, path: string, body: Uint8Array | null): number {
  if (method !== "POST" || body === null || !IMAGE_PATH.test(path)) return 0;
  return imageCount(parse(Buffer.from(body).toString("utf8")) ?? {});
}

function kindOf(path: string): string {
  if (path.startsWith("/codex/images/")) return "image";
  if (path.startsWith("/files")) return "file";
  if (path.startsWith("/transcribe")) return "transcription";
  return "other";
}

/** Reads the rest of a small reply into what is held of it, as far as it comes while the client is there. */
async function readWhole(reply: CommittedReply, maxBytes: number, client: ClientPresence): Promise<void> {
  const unregister = client.onLeave(() => reply.cancel());
  let total = 0;
  try {
    while (total < maxBytes) {
      const bytes = await reply.read();
      if (bytes === null) return;
      reply.held.push(bytes);
      total += bytes.byteLength;
    }
  } catch (error) {
    // Whoever relays the rest meets it again.
    if (!(error instanceof TransportError)) throw error;
  } finally {
    unregister();
  }
}

function parse(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
