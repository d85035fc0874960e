/**
 * `POST …/responses/compact` of clients before about 0.155: relayed where upstream still knows it, and otherwise asked for in
 * today's form (a turn that ends in `compaction_trigger`), whose outcome is answered in the old shape.
 */
import { asList, asRecord, asText, type JsonRecord } from "../core/json-read.ts";
import { createReplyObserver } from "../core/reply-observer.ts";
import { createSseScanner, eventData, MAX_OBSERVED_EVENT_BYTES } from "../core/sse.ts";
import type { Attempted } from "./engine.ts";
import type { CommittedReply, HttpAttempt, HttpAttemptRequest } from "./http-attempt.ts";
import { brokenOff, followReply, type RelayOptions } from "./relay.ts";

const COMPACT_PATH = "/codex/responses/compact";

/** Tries the old path, and on the same account the new form when upstream has it no more (404). */
export function createCompactAttempt(attempt: HttpAttempt, plain: Uint8Array): HttpAttempt {
  let turn: Uint8Array | null = null;
  return async (request, context) => {
    if (turn === null) {
      const first = await attempt(request, context);
      if (first.kind === "committed" || first.seen.status !== 404 || isRefusalOfModel(first)) return first;
      turn = asTurn(plain);
    }
    return attempt(turnRequest(request, turn), context);
  };
}

function turnRequest(request: HttpAttemptRequest, body: Uint8Array): HttpAttemptRequest {
  const headers = [...request.headers].filter(([name]) => name !== "content-encoding" && name !== "accept");
  headers.push(["accept", "text/event-stream"]);
  return {
    ...request,
    path: request.path.replace(COMPACT_PATH, "/codex/responses"),
    headers,
    body,
    observe: true,
  };
}

/** A 404 may also mean that the account does not have the model: then another account is asked, in the same way. */
function isRefusalOfModel(first: Extract<Attempted<CommittedReply>, { kind: "failed" }>): boolean {
  return first.seen.body.includes("model_not_found");
}

/** The old call's body as a turn that asks for a compaction. */
function asTurn(plain: Uint8Array): Uint8Array {
  const body = parse(Buffer.from(plain).toString("utf8")) ?? {};
  return Buffer.from(
    JSON.stringify({
      tool_choice: "auto",
      ...body,
      input: [...asList(body.input), { type: "compaction_trigger" }],
      include: ["reasoning.encrypted_content"],
      store: false,
      stream: true,
    }),
  );
}

/** Has the usage that the old path's JSON names at its end observed, from a copy, as if it were the event that ends a stream. */
export function observeUsage(reply: CommittedReply): void {
  const { read } = reply;
  const copy: Uint8Array[] = [];
  let copiedBytes = 0;

  function took(bytes: Uint8Array | null): Uint8Array | null {
    if (bytes === null) end();
    else if ((copiedBytes += bytes.byteLength) <= MAX_OBSERVED_EVENT_BYTES) copy.push(bytes);
    else copy.length = 0;
    return bytes;
  }

  function end(): void {
    if (copiedBytes > MAX_OBSERVED_EVENT_BYTES) return;
    const response = parse(Buffer.concat(copy.splice(0)).toString("utf8"));
    if (response === null) return;
    const observer = createReplyObserver();
    observer.json("response.completed", JSON.stringify({ response: { ...response, output: [] } }));
    reply.observer = observer;
  }

  reply.read = () => {
    const bytes = read();
    return bytes instanceof Promise ? bytes.then(took) : took(bytes);
  };
}

/** Collects the turn's reply into the old shape: what the user said, and the compaction. */
export async function compactedReply(
  reply: CommittedReply,
  plain: Uint8Array,
  options: RelayOptions,
): Promise<{ status: number; body: JsonRecord }> {
  let compaction: JsonRecord | null = null;
  let response: JsonRecord | null = null;
  const scanner = createSseScanner({
    wants: (type) => type === "response.output_item.done" || type === "response.completed",
    onEvent(type, bytes) {
      const event = parse(eventData(bytes));
      if (type === "response.completed") response = asRecord(event?.response);
      else if (asText(asRecord(event?.item)?.type)?.includes("compaction"))
        compaction = asRecord(event?.item);
    },
  });
  const following = followReply(reply, options);
  const how = await following.run(
    (bytes, observed) => {
      if (!observed) reply.scanner?.push(bytes);
      scanner.push(bytes);
    },
    () => {},
  );
  following.end(how);
  if (how !== "completed" || compaction === null) {
    const { status, code, message } = brokenOff(how === "completed" ? "cut" : how);
    return { status, body: { error: { type: "server_error", code, message, param: null } } };
  }
  return { status: 200, body: oldShape(plain, compaction, response) };
}

function oldShape(plain: Uint8Array, compaction: JsonRecord, response: JsonRecord | null): JsonRecord {
  const body = parse(Buffer.from(plain).toString("utf8"));
  const said = asList(body?.input).filter((item) => {
    const message = asRecord(item);
    return message?.type === "message" && message.role === "user";
  });
  return {
    id: response?.id ?? null,
    object: "response.compaction",
    created_at: response?.created_at ?? null,
    output: [...said, compaction],
    usage: response?.usage ?? null,
  };
}

function parse(text: string): JsonRecord | null {
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}
