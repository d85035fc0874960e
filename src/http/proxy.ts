/** The proxy's paths: who asks, and which relay serves it. */
import { CodedError } from "../core/errors.ts";
import type { Clock } from "../ports.ts";
import { errorResponse } from "../proxy/answers.ts";
import type { RelayRequest } from "../proxy/responses.ts";
import type { Caller } from "../proxy/serve.ts";
import type { ProxyAccess } from "./access.ts";
import type { Client } from "./locality.ts";
import { pathOf, type ProxyRoute } from "./server.ts";

export interface ProxyRoutesPorts {
  relay: RelayRequest;
  access: ProxyAccess;
  clock: Clock;
  newRequestId(): string;
}

export function proxyRoutes({ relay, access, clock, newRequestId }: ProxyRoutesPorts): ProxyRoute[] {
  function callerOf(request: Request, client: Client): Caller {
    return {
      origin: {
        requestId: newRequestId(),
        receivedAtMs: clock.now(),
        receivedAt: clock.monotonic(),
        route: pathOf(request.url),
        transport: "http",
        apiKeyId: null,
        apiKeyName: null,
        userAgent: request.headers.get("user-agent"),
        clientIp: client.ip,
      },
      allowedAccountIds: null,
      budget: null,
    };
  }

  async function responses(request: Request, client: Client): Promise<Response> {
    const caller = callerOf(request, client);
    try {
      access.admitWithoutKey(client);
      return await relay(request, { path: "/codex/responses", observe: true }, caller);
    } catch (error) {
      if (!(error instanceof CodedError)) throw error;
      return errorResponse(error, "codex_stream", { "x-request-id": caller.origin.requestId });
    }
  }

  return [{ method: "POST", path: "/backend-api/codex/responses", handle: responses }];
}
