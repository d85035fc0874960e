/** Codex's own paths: who asks, and which relay serves it. */
import { CodedError } from "../core/errors.ts";
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

  return [{ method: "POST", path: "/backend-api/codex/responses", handle: responses }];
}
