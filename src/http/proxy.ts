/** Codex's own paths: who asks, and which relay serves it. */
import { CodedError, openAiErrorBody } from "../core/errors.ts";
import { errorResponse } from "../proxy/answers.ts";
import type { RelayRequest } from "../proxy/responses.ts";
import type { Door } from "./access.ts";
import type { Client } from "./locality.ts";
import type { ProxyRoute } from "./server.ts";

export interface ProxyRoutesPorts {
  door: Door;
  relay: RelayRequest;
}

export function proxyRoutes({ door, relay }: ProxyRoutesPorts): ProxyRoute[] {
  async function responses(request: Request, client: Client): Promise<Response> {
    const { caller, refused } = door(request, client);
    try {
      if (refused) throw refused;
      return await relay(request, { path: "/codex/responses", observe: true }, caller);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return errorResponse(error, "codex_stream", { "x-request-id": caller.origin.requestId });
    }
  }

  return [
    { method: "POST", path: "/backend-api/codex/responses", handle: responses },
    { method: "GET", path: "/backend-api/codex/responses", handle: noWebSocket },
  ];
}

/** The one status on which the client turns to HTTP at once and without a word (UPSTREAM D). */
function noWebSocket(): Response {
  return new Response(
    openAiErrorBody("upgrade_required", "codex-lb: this path is served over HTTP; use POST."),
    {
      status: 426,
      headers: { "content-type": "application/json" },
    },
  );
}
