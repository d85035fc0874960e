/** The paths on which clients open WebSockets: Codex's own, and `/v1/responses` for SDKs. */
import { responsesDialect } from "../core/dialects/responses.ts";
import { type CodedError, openAiErrorBody } from "../core/errors.ts";
import { errorResponse as codexError } from "../proxy/answers.ts";
import type { SocketRelay } from "../proxy/socket.ts";
import {
  codexSocketDialect,
  createV1SocketDialect,
  type SocketDialect,
  type V1SocketPorts,
} from "../proxy/socket-dialect.ts";
import { errorResponse as translatedError } from "../proxy/translated-answers.ts";
import type { Door } from "./access.ts";
import type { Client } from "./locality.ts";
import type { SocketRoute } from "./server.ts";

export const CODEX_RESPONSES = "/backend-api/codex/responses";

/** The one status on which the client turns to HTTP at once and without a word (UPSTREAM D). */
export function noWebSocket(): Response {
  return new Response(
    openAiErrorBody("upgrade_required", "codex-lb: this path is served over HTTP; use POST."),
    {
      status: 426,
      headers: { "content-type": "application/json" },
    },
  );
}

export interface SocketRoutesPorts {
  door: Door;
  sockets: SocketRelay;
  /** WebSockets are switched on. */
  enabled(): boolean;
  v1: V1SocketPorts;
}

/** What a path's clients speak: errors before the socket is open, and then on it. */
interface SocketPath {
  path: string;
  refusal(error: CodedError, requestId: string): Response;
  speech(headers: Headers): { headers: ReadonlyMap<string, string>; dialect: SocketDialect };
}

/** `GET …/responses` with an upgrade: the same relay for every client. */
export function socketRoutes({ door, sockets, enabled, v1 }: SocketRoutesPorts): SocketRoute[] {
  function route({ path, refusal, speech }: SocketPath): SocketRoute {
    function open(request: Request, client: Client): ReturnType<SocketRoute["open"]> {
      if (!enabled()) return noWebSocket();
      const { caller, refused, again } = door(request, client, "websocket");
      const { requestId } = caller.origin;
      if (refused) return refusal(refused, requestId);
      const session = sockets.accept({ ...speech(request.headers), caller: again, first: caller });
      return { session, headers: [...sockets.handshakeHeaders(caller), ["x-request-id", requestId]] };
    }
    return { path, open };
  }
  return [
    route({
      path: CODEX_RESPONSES,
      refusal: (error, requestId) => codexError(error, "codex_stream", { "x-request-id": requestId }),
      speech: (headers) => ({ headers: new Map(headers), dialect: codexSocketDialect }),
    }),
    route({
      path: "/v1/responses",
      refusal: (error, requestId) => translatedError(responsesDialect, error, requestId),
      speech: (headers) => createV1SocketDialect(v1, headers),
    }),
  ];
}
