/** Codex's own paths: who asks, and which relay serves it. */
import { CodedError } from "../core/errors.ts";
import { type Catalogue, clientVersionOf } from "../pool/catalogue.ts";
import { errorResponse, type Surface } from "../proxy/answers.ts";
import type { RequestBodies } from "../proxy/request-bodies.ts";
import type { RelayRequest } from "../proxy/responses.ts";
import type { Caller } from "../proxy/serve.ts";
import { notFound, type SideCalls } from "../proxy/side-calls.ts";
import type { Door } from "./access.ts";
import { pathOf, type ProxyRoute } from "./server.ts";
import { CODEX_RESPONSES, noWebSocket } from "./sockets.ts";

export interface ProxyRoutesPorts {
  door: Door;
  relay: RelayRequest;
  calls: SideCalls;
  bodies: RequestBodies;
  catalogue: Catalogue;
}

type Handle = (request: Request, caller: Caller) => Promise<Response> | Response;

const BACKEND = "/backend-api";
/** Where the client looks for the account's own calls, with and without `/backend-api` in its `chatgpt_base_url` (UPSTREAM A.3). */
const ACCOUNT_CALLS = ["/backend-api/wham/", "/api/codex/"];
/**
 * The same calls for a client that keeps its ChatGPT login and is to see the pool's quota: its `chatgpt_base_url` is
 * `http://<other name of this machine>/pooled/backend-api`. Only whoever writes this path gets the answer with which such a
 * client starts over plain http; anywhere else it would lead the client around the pool (UPSTREAM A.1).
 */
const POOLED_CALLS = "/pooled/backend-api/wham/";

export function proxyRoutes({ door, relay, calls, bodies, catalogue }: ProxyRoutesPorts): ProxyRoute[] {
  function route(method: string, path: string, handle: Handle, surface: Surface = "codex"): ProxyRoute {
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
          return errorResponse(error, surface, { "x-request-id": caller.origin.requestId });
        } finally {
          bodies.release(request);
        }
      },
    };
  }
  const relayed: Handle = (request, caller) => calls.relay(request, upstreamPath(request.url), caller);

  return [
    route(
      "POST",
      CODEX_RESPONSES,
      (request, caller) => relay(request, { path: "/codex/responses", observe: true }, caller),
      "codex_stream",
    ),
    { method: "GET", path: CODEX_RESPONSES, handle: noWebSocket },
    route("POST", `${CODEX_RESPONSES}/compact`, calls.compact),
    route("GET", "/backend-api/codex/models", (request, caller) => codexModels(catalogue, request, caller)),
    ...["/backend-api", "/pooled/backend-api"].map((base): ProxyRoute => ({
      method: "POST",
      path: `${base}/codex/analytics-events/*`,
      handle: (request, client) => calls.analytics(door(request, client).caller),
    })),
    // Tells nothing but what the caller said: it must work before any key is set up, or the client does not start.
    ...[...ACCOUNT_CALLS, POOLED_CALLS].map((prefix): ProxyRoute => ({
      method: "GET",
      path: `${prefix}accounts/check`,
      handle: (request, client) =>
        calls.accountsCheck(request, door(request, client).caller, { overHttp: prefix === POOLED_CALLS }),
    })),
    ...[...ACCOUNT_CALLS, POOLED_CALLS].map((prefix) =>
      route("*", `${prefix}*`, (request, caller) =>
        calls.account(request, pathOf(request.url).slice(prefix.length), caller),
      ),
    ),
    route("*", "/backend-api/codex/*", relayed),
    route("POST", "/backend-api/files", relayed),
    route("*", "/backend-api/files/*", relayed),
    route("POST", "/backend-api/transcribe", relayed),
    ...["/backend-api/*", "/pooled/*"].map((path): ProxyRoute => ({
      method: "*",
      path,
      handle: (request, client) => notFound(door(request, client).caller),
    })),
  ];
}

/** Upstream's path below its base, with query. */
function upstreamPath(url: string): string {
  const path = pathOf(url);
  return url.slice(url.indexOf(path) + BACKEND.length);
}

/** Codex's own list, for the version that the client says it has. */
export async function codexModels(catalogue: Catalogue, request: Request, caller: Caller): Promise<Response> {
  const asked = new URL(request.url).searchParams.get("client_version");
  const version = clientVersionOf(asked) ?? clientVersionOf(caller.origin.userAgent);
  const { models: entries, etag } = await catalogue.forVersion(version, caller.key);
  const headers = { "x-request-id": caller.origin.requestId, etag };
  if (request.headers.get("if-none-match") === etag) return new Response(null, { status: 304, headers });
  return Response.json({ models: entries }, { headers });
}
