/** Codex's own HTTP calls: the request's bytes go out as they came in, and the reply's come back the same way. */
import type { Clock } from "../ports.ts";
import {
  errorResponse,
  refusalResponse,
  type ReplyHeaders,
  type Surface,
  upstreamResponse,
} from "./answers.ts";
import { readJsonBody, type RequestFacts, requestFacts } from "./client-request.ts";
import type { ClientView } from "./client-view.ts";
import type { Drain } from "./drain.ts";
import type { ClientPresence } from "./engine.ts";
import { relayReply } from "./relay.ts";
import type { RequestBodies } from "./request-bodies.ts";
import { type AnswerShape, type Caller, refuseUnread, type Serving } from "./serve.ts";

export interface RelayPorts {
  serving: Serving;
  bodies: RequestBodies;
  clock: Clock;
  drain: Drain;
  view: ClientView;
}

export interface UpstreamTarget {
  /** Upstream's path below its base, with query. */
  path: string;
  /** The reply is a Responses event stream. */
  observe: boolean;
}

export type RelayRequest = (request: Request, target: UpstreamTarget, caller: Caller) => Promise<Response>;

/** `POST …/responses` and its kin: a JSON body that names a model. */
export function createResponsesRelay(ports: RelayPorts): RelayRequest {
  const { serving } = ports;
  return async (request, target, caller) => {
    const surface: Surface = target.observe ? "codex_stream" : "codex";
    const client = presenceOf(request.signal);
    let body: Uint8Array;
    let facts: RequestFacts | null = null;
    try {
      const sent = await readJsonBody(request, ports.bodies);
      body = sent.body;
      facts = requestFacts(sent.plain, (name) => request.headers.get(name));
    } catch (error) {
      return refuseUnread(serving, { request, caller, error }, (coded) =>
        errorResponse(coded, surface, { "x-request-id": caller.origin.requestId }),
      );
    }
    return serving.serve({
      caller,
      facts,
      client,
      method: request.method,
      path: target.path,
      headers: request.headers,
      body,
      contentEncoding: request.headers.get("content-encoding"),
      observe: target.observe,
      shape: verbatim(ports, { surface, client, caller }),
    });
  };
}

/** Upstream's reply as it came, with what its headers say of one account replaced. */
export function verbatim(
  ports: Pick<RelayPorts, "clock" | "drain" | "view">,
  { surface, client, caller }: { surface: Surface; client: ClientPresence; caller: Caller },
): AnswerShape {
  return {
    refusal: (refusal, headers) => refusalResponse(refusal, surface, headers),
    upstream: upstreamResponse,
    reply(reply, headers, onEnd) {
      const stream = relayReply(reply, { client, clock: ports.clock, drain: ports.drain, onEnd });
      const shown = ports.view.headers(reply.headers, caller);
      return new Response(stream, { status: reply.status, headers: withOurs(shown, headers) });
    },
  };
}

function withOurs(replyHeaders: [string, string][], ours: ReplyHeaders): [string, string][] {
  const headers = replyHeaders.filter(([name]) => ours[name] === undefined);
  for (const name in ours) headers.push([name, ours[name]!]);
  return headers;
}

/** The client's side of a request, from the signal that Bun aborts when the connection closes. */
export function presenceOf(signal: AbortSignal): ClientPresence {
  /** Ours, behind one listener of the signal's: its own cost more to add and to remove. */
  const callbacks = new Set<() => void>();
  let listening = false;
  return {
    left: () => signal.aborted,
    onLeave(callback) {
      if (signal.aborted) {
        callback();
        return () => {};
      }
      if (!listening) {
        listening = true;
        signal.addEventListener("abort", () => callbacks.forEach((leave) => leave()), { once: true });
      }
      callbacks.add(callback);
      return () => void callbacks.delete(callback);
    },
  };
}
