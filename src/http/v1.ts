/** `/v1`: what OpenAI's and Anthropic's SDKs call, each path with the dialect that its clients speak. */
import { chatDialect } from "../core/dialects/chat/dialect.ts";
import { completionsDialect } from "../core/dialects/completions.ts";
import type { Dialect, RequestContext } from "../core/dialects/dialect.ts";
import { messagesDialect } from "../core/dialects/messages/dialect.ts";
import { countTokens } from "../core/dialects/messages/request.ts";
import { responsesDialect } from "../core/dialects/responses.ts";
import { CodedError } from "../core/errors.ts";
import { asList, asRecord } from "../core/json-read.ts";
import { openAiModelList } from "../core/models-catalogue.ts";
import type { Catalogue } from "../pool/catalogue.ts";
import type { RequestBodies } from "../proxy/request-bodies.ts";
import type { Caller } from "../proxy/serve.ts";
import { readJson, type TranslatedRelay } from "../proxy/translated.ts";
import { errorResponse, requestIdHeaders } from "../proxy/translated-answers.ts";
import type { MediaRelay } from "../proxy/translated-media.ts";
import type { Door } from "./access.ts";
import { codexModels } from "./proxy.ts";
import { pathOf, type ProxyRoute } from "./server.ts";

export interface V1Ports {
  door: Door;
  relay: TranslatedRelay;
  compact(request: Request, caller: Caller): Promise<Response>;
  media: MediaRelay;
  bodies: RequestBodies;
  catalogue: Catalogue;
  requestContext(): RequestContext;
}

type Handle = (request: Request, caller: Caller) => Promise<Response> | Response;

const TURNS: [path: string, dialect: Dialect][] = [
  ["/v1/responses", responsesDialect],
  ["/v1/chat/completions", chatDialect],
  ["/v1/completions", completionsDialect],
  ["/v1/messages", messagesDialect],
];

export function v1Routes(ports: V1Ports): ProxyRoute[] {
  const { door, relay, media, bodies } = ports;

  /** Nothing behind the door is reached, and nothing of it told, without a key where one is needed. */
  function route(
    method: string,
    path: string,
    handle: Handle,
    dialect: Dialect = responsesDialect,
  ): ProxyRoute {
    return {
      method,
      path,
      async handle(request, client) {
        const { caller, refused } = door(request, client);
        try {
          if (refused) throw refused;
          return await handle(request, caller);
        } catch (error) {
          if (!(error instanceof CodedError)) throw error;
          return errorResponse(dialect, error, caller.origin.requestId);
        } finally {
          bodies.release(request);
        }
      },
    };
  }

  async function tokens(request: Request, caller: Caller): Promise<Response> {
    const count = countTokens(await readJson(request, bodies), ports.requestContext());
    return Response.json(count, { headers: requestIdHeaders(messagesDialect, caller.origin.requestId) });
  }

  return [
    ...TURNS.map(([path, dialect]) =>
      route("POST", path, (request, caller) => relay(request, dialect, caller), dialect),
    ),
    route("POST", "/v1/responses/compact", ports.compact),
    route("POST", "/v1/messages/count_tokens", tokens, messagesDialect),
    ...["GET", "HEAD"].map((method) =>
      route(method, "/v1/models", (request, caller) => listModels(ports.catalogue, request, caller)),
    ),
    route("GET", "/v1/models/*", (request, caller) => oneModel(ports.catalogue, request, caller)),
    route("POST", "/v1/images/generations", (request, caller) => media.image(request, "generations", caller)),
    route("POST", "/v1/images/edits", (request, caller) => media.image(request, "edits", caller)),
    route("POST", "/v1/audio/transcriptions", media.transcription),
    { method: "OPTIONS", path: "/v1/*", handle: options },
    route("*", "/v1/*", nothingHere),
  ];
}

/** When the entries were made is nowhere said; SDKs want a number. */
const CREATED_SECONDS = 0;

/** OpenAI's list, or Codex's own when its `client_version` is in the query (UPSTREAM H). A key's holder sees what the key may use. */
function listModels(catalogue: Catalogue, request: Request, caller: Caller): Response | Promise<Response> {
  if (new URL(request.url).searchParams.has("client_version")) return codexModels(catalogue, request, caller);
  const { models } = catalogue.merged(caller.key);
  const headers = requestIdHeaders(responsesDialect, caller.origin.requestId);
  return Response.json(openAiModelList(models, CREATED_SECONDS), { headers });
}

function oneModel(catalogue: Catalogue, request: Request, caller: Caller): Response {
  const id = safelyDecoded(pathOf(request.url).slice("/v1/models/".length));
  const list = asList(openAiModelList(catalogue.merged(caller.key).models, CREATED_SECONDS).data);
  const model = list.find((entry) => asRecord(entry)?.id === id);
  if (model === undefined) {
    throw new CodedError("model_not_found", "No account of the pool lists this model. See GET /v1/models.", {
      status: 404,
      param: "model",
    });
  }
  return Response.json(model, { headers: requestIdHeaders(responsesDialect, caller.origin.requestId) });
}

function safelyDecoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

const SERVED = [
  ...TURNS.map(([path]) => path),
  "/v1/responses/compact",
  "/v1/messages/count_tokens",
  "/v1/models",
  "/v1/images/generations",
  "/v1/images/edits",
  "/v1/audio/transcriptions",
];

/** Calls of OpenAI's platform that no ChatGPT login can make. */
const PLATFORM_ONLY =
  /^\/v1\/(embeddings|moderations|audio|images|files|batches|fine_tuning|assistants|threads|vector_stores|uploads|realtime|videos|conversations|evals|containers)(\/|$)/;

/** No cross-origin headers: a page of another origin has no business with a pool on this machine. */
function options(request: Request): Response {
  return new Response(null, { status: 204, headers: { allow: allowed(pathOf(request.url)) } });
}

function allowed(path: string): string {
  return path.startsWith("/v1/models") ? "GET, HEAD, OPTIONS" : "POST, OPTIONS";
}

function nothingHere(request: Request): Response {
  const path = pathOf(request.url);
  if (SERVED.includes(path)) {
    throw new CodedError("method_not_allowed", `codex-lb: ${path} does not take ${request.method}.`, {
      status: 405,
    });
  }
  throw new CodedError(
    "not_found",
    PLATFORM_ONLY.test(path)
      ? "codex-lb: accounts with a ChatGPT login cannot serve this call; an API key at api.openai.com can. The API-key lane of codex-lb takes responses and chat only."
      : `codex-lb: there is nothing at this path. Served are ${SERVED.join(", ")}.`,
    { status: 404 },
  );
}
