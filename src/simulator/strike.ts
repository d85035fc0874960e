/** Faults that strike before a reply has begun, on any HTTP route. */
import { encodeError, namedError, type ErrorDetails, type WireError } from "./named-errors.ts";
import type { FaultAct } from "./types.ts";
import type { HeaderList } from "./http-message.ts";
import type { WireReply } from "./wire.ts";

export function sendError(reply: WireReply, error: WireError, headers: HeaderList = []): number {
  const encoded = encodeError(error);
  reply.send(error.status, [...encoded.headers, ...headers], encoded.body);
  return error.status;
}

export function sendJson(reply: WireReply, status: number, body: unknown, headers: HeaderList = []): number {
  reply.send(status, [["content-type", "application/json"], ...headers], JSON.stringify(body));
  return status;
}

/** The error that an act stands for, or null when it is no error with a status. */
export function errorOfAct(act: FaultAct, details: ErrorDetails): WireError | null {
  if (act.kind === "error") {
    const { resetsInSeconds = details.resetsInSeconds, retryAfterSeconds } = act;
    return namedError(act.name, { ...details, resetsInSeconds, retryAfterSeconds });
  }
  if (act.kind === "status") {
    return { status: act.status, headers: Object.entries(act.headers ?? {}), body: act.body };
  }
  return null;
}

/** Does what the act says. "continue": it was only a delay, answer as usual. Otherwise the status sent, or null for none. */
export async function strike(
  reply: WireReply,
  act: FaultAct,
  details: ErrorDetails,
  headers: HeaderList = [],
): Promise<"continue" | number | null> {
  const error = errorOfAct(act, details);
  if (error !== null) return sendError(reply, error, headers);
  switch (act.kind) {
    case "delay":
      await reply.sleep(act.delayMs);
      return "continue";
    case "reset":
      reply.reset();
      return null;
    case "hang":
      await reply.sleep(Number.POSITIVE_INFINITY);
      return null;
    case "partial_status_line":
      reply.raw(Buffer.from("HTTP/1.1 2"));
      reply.cut();
      return null;
    default:
      reply.cut();
      return null;
  }
}
