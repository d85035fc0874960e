/** A client's request on Codex's own paths, read once: its bytes, and the few facts that routing and the log need. */
import { zstdDecompressSync } from "node:zlib";
import { type ConversationKey, conversationKeys } from "../core/affinity.ts";
import { CodedError } from "../core/errors.ts";
import { fileIdsIn } from "../core/file-ids.ts";
import { asRecord, asText } from "../core/json-read.ts";
import { scanTopLevel } from "../core/request-scan.ts";
import { MAX_BODY_BYTES, type RequestBodies, tooLarge } from "./request-bodies.ts";

export interface RequestFacts {
  model: string;
  serviceTier: string | null;
  reasoningEffort: string | null;
  keys: ConversationKey[];
  sessionId: string | null;
  threadId: string | null;
  turnId: string | null;
  /** turn, prewarm, compaction, review, title, or what the client called it. */
  requestKind: string;
  /** Images that a call of its own asks for, apart from those that a turn makes. Default 0. */
  images?: number;
}

const WANTED: ReadonlySet<string> = new Set([
  "model",
  "generate",
  "service_tier",
  "reasoning",
  "prompt_cache_key",
  "previous_response_id",
  "client_metadata",
]);

/** A JSON body as it came, and as plain bytes. Throws CodedError 400, 415 `unsupported_content_type`, or as `bodies.read` does. */
export async function readJsonBody(
  request: Request,
  bodies: RequestBodies,
): Promise<{ body: Uint8Array; plain: Uint8Array }> {
  requireJson(request.headers.get("content-type"));
  const body = await bodies.read(request);
  return { body, plain: plainBody(body, request.headers.get("content-encoding")) };
}

/** No content type at all is taken for JSON: nothing else is ever sent here. */
function requireJson(contentType: string | null): void {
  if (contentType === null || /^application\/([\w.-]+\+)?json\s*(;|$)/i.test(contentType)) return;
  throw new CodedError(
    "unsupported_content_type",
    `codex-lb: the content type "${contentType.slice(0, 64)}" is not supported; send JSON with "content-type: application/json".`,
    { status: 415 },
  );
}

/** The body as plain JSON bytes. The client compresses with zstd when it signs in with ChatGPT (UPSTREAM B.3). */
export function plainBody(body: Uint8Array, contentEncoding: string | null): Uint8Array {
  if (contentEncoding === null || contentEncoding === "identity") return body;
  if (contentEncoding !== "zstd") {
    throw invalid(
      "unsupported_content_encoding",
      `The content-encoding "${contentEncoding.slice(0, 32)}" is not supported; send zstd or none.`,
    );
  }
  try {
    return zstdDecompressSync(body, { maxOutputLength: MAX_BODY_BYTES });
  } catch (error) {
    if ((error as { code?: string }).code === "ERR_BUFFER_TOO_LARGE") throw tooLarge();
    throw invalid("invalid_body", "The request body is not valid zstd data.");
  }
}

/** The facts of a Responses request. Throws CodedError 400 when it is no JSON object or names no model. */
export function requestFacts(plain: Uint8Array, header: (name: string) => string | null): RequestFacts {
  const scan = scanTopLevel(plain, WANTED);
  if (!scan.ok) throw invalid("invalid_json", `The request is not valid JSON: ${scan.problem}.`);
  const { fields } = scan;
  const model = asText(fields.get("model"));
  if (model === null)
    throw invalid("missing_model", 'The request names no model: set "model" to a string.', "model");
  if (model.length > MAX_MODEL_CHARS)
    throw invalid("model_not_found", "codex-lb: no model has a name as long as this.", "model");
  const clientMetadata = asRecord(fields.get("client_metadata"));
  const turn = turnMetadata(
    header("x-codex-turn-metadata") ?? asText(clientMetadata?.["x-codex-turn-metadata"]),
  );
  const subagent = header("x-openai-subagent") ?? asText(clientMetadata?.["x-openai-subagent"]);
  return {
    model,
    serviceTier: bounded(asText(fields.get("service_tier"))),
    reasoningEffort: bounded(asText(asRecord(fields.get("reasoning"))?.effort)),
    keys: conversationKeys({
      header,
      fields: {
        previousResponseId: asText(fields.get("previous_response_id")),
        promptCacheKey: asText(fields.get("prompt_cache_key")),
        clientMetadata,
        fileIds: fileIdsIn(plain),
      },
    }),
    sessionId: bounded(header("session-id") ?? header("session_id") ?? asText(clientMetadata?.session_id)),
    threadId: bounded(header("thread-id") ?? asText(clientMetadata?.thread_id)),
    turnId: bounded(asText(turn?.turn_id) ?? asText(clientMetadata?.turn_id)),
    requestKind: requestKind(fields.get("generate"), turn, subagent),
  };
}

/** Identifiers of clients are shown and stored, never longer than this. */
const MAX_ID_CHARS = 128;
/** It goes into the log, the sums per model and the metrics. */
const MAX_MODEL_CHARS = 256;

function bounded(id: string | null): string | null {
  return id === null ? null : id.slice(0, MAX_ID_CHARS);
}

function requestKind(
  generate: unknown,
  turn: Record<string, unknown> | null,
  subagent: string | null,
): string {
  if (generate === false) return "prewarm";
  if (turn?.thread_source === "thread_title") return "title";
  if (subagent === "review" || turn?.subagent_kind === "review") return "review";
  return bounded(asText(turn?.request_kind)) ?? "turn";
}

function turnMetadata(text: string | null): Record<string, unknown> | null {
  if (text === null) return null;
  try {
    return asRecord(JSON.parse(text));
  } catch {
    return null;
  }
}

function invalid(code: string, message: string, param?: string): CodedError {
  return new CodedError(code, message, { status: 400, ...(param ? { param } : {}) });
}
