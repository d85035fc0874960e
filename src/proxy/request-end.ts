/** How a request ended, for its record: what each way of ending comes to as status, code and words of ours. */
import type { RequestStatus, Transport } from "../core/record.ts";
import type { Refusal } from "../core/refusal.ts";
import { estimateTokenUsage, type TokenUsage } from "../core/usage-tokens.ts";
import type { Trace } from "./engine.ts";
import type { HeldSoFar } from "./http-attempt.ts";
import type { RequestEnd } from "./record.ts";
import type { RelayEnd, RelayTimes } from "./relay.ts";
import type { ObservedReply } from "./serve.ts";

export function endOf(fields: Partial<RequestEnd> & Pick<RequestEnd, "endedAt">): RequestEnd {
  return {
    status: "error",
    errorCode: null,
    errorMessage: null,
    upstreamStatusCode: null,
    firstTokenAt: null,
    upstreamTransport: null,
    estimatedUsage: null,
    ...fields,
  };
}

export function refusedEnd(refusal: Refusal): Pick<RequestEnd, "status" | "errorCode" | "errorMessage"> {
  let status: RequestStatus = "error";
  if (refusal.code === "usage_limit_reached") status = "quota";
  else if (refusal.status === 429) status = "rate_limit";
  return { status, errorCode: refusal.code, errorMessage: refusal.message };
}

/** What is known of the request when its reply ends without a word on its usage. */
export interface AskedFor {
  bodyBytes: number;
  /** Its conversation was on the same account before. */
  continued: boolean;
}

export function relayEnd(
  how: RelayEnd,
  times: RelayTimes,
  { reply, asked }: { reply: ObservedReply; asked: AskedFor },
): RequestEnd {
  const base = endOf({
    endedAt: times.endedAt,
    estimatedUsage: unconfirmedUsage(how, times, asked),
    firstTokenAt: times.firstTokenAt,
    upstreamStatusCode: reply.status,
    upstreamTransport: reply.transport,
  });
  const summary = reply.observer?.summary();
  if (summary?.terminal === "failed") {
    return {
      ...base,
      errorCode: summary.errorCode,
      errorMessage: "OpenAI ended the response with a failure.",
    };
  }
  if (summary?.terminal) return { ...base, status: "ok", errorCode: summary.errorCode };
  switch (how) {
    case "completed":
      return { ...base, status: "ok" };
    case "client_left":
      return { ...base, status: "cancelled", errorCode: "client_left" };
    case "cut":
      return {
        ...base,
        errorCode: "upstream_cut",
        errorMessage: "The connection to OpenAI broke before the end.",
      };
    case "drained":
      return { ...base, errorCode: "server_shutdown", errorMessage: "codex-lb was stopped before the end." };
    case "revoked":
      return {
        ...base,
        errorCode: "invalid_api_key",
        errorMessage: "The API key was revoked before the end.",
      };
  }
}

/** The same for a reply that was held to be whole, when it ended before anything of it was handed on. */
export function heldEnd(
  how: "client_left" | "drained" | "revoked",
  held: HeldSoFar,
  { transport, asked }: { transport: Transport; asked: AskedFor },
): Partial<RequestEnd> {
  return {
    estimatedUsage: unconfirmedUsage(how, held, asked),
    firstTokenAt: held.firstTokenAt,
    upstreamTransport: transport,
  };
}

/**
 * Upstream tells the usage at the end only. Whoever leaves before has had the output so far, and a limit that counted nothing for
 * it would hold for nobody who leaves in time. What upstream or we broke off is not charged.
 */
function unconfirmedUsage(
  how: RelayEnd,
  { firstTokenAt, streamedBytes = 0 }: Pick<RelayTimes, "firstTokenAt" | "streamedBytes">,
  asked: AskedFor,
): TokenUsage | null {
  if (firstTokenAt === null || (how !== "client_left" && how !== "revoked")) return null;
  return estimateTokenUsage({ ...asked, streamedBytes });
}

/** Milliseconds per stage up to the moment the reply's head is sent (W3C Server-Timing). */
export function serverTiming(trace: Trace, firstByteMs: number): string {
  const attemptsMs = trace.attempts.reduce((sum, attempt) => sum + attempt.ms, 0);
  const oursMs = Math.max(0, firstByteMs - attemptsMs - trace.queueMs);
  const part = (name: string, ms: number) => `${name};dur=${ms.toFixed(2)}`;
  return [
    part("queue", trace.queueMs),
    part("select", trace.selectMs),
    part("refresh", trace.refreshMs),
    part("connect", trace.connectMs ?? 0),
    part("first-byte", firstByteMs),
    part("ours", oursMs),
  ].join(", ");
}
