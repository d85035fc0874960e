/** Sends a planned turn: events become SSE bytes or WebSocket frames, with pauses, odd pieces and faults at their moment. */
import type { Fault } from "./rules.ts";
import type { SimEvent } from "./turns.ts";
import type { Delivery, FaultAct } from "./types.ts";
import type { SimSocket } from "./websocket.ts";
import { encodeChunk, type HeaderList } from "./http-message.ts";
import { type WireReply } from "./wire.ts";

/** Events are gathered up to this size before a write, when nothing asks for pauses. */
const BATCH_BYTES = 64 * 1024;
/** Lets the other side read what was sent before an RST throws it away. */
const RESET_SETTLE_MS = 30;
/** Promised by a content-length that a cut body never reaches. */
const MISSING_BYTES = 1000;
const DEFAULT_CLOSE_CODE = 1011;

export type Step =
  | { kind: "event"; event: SimEvent }
  | { kind: "pause"; ms: number }
  | { kind: "end"; how: "clean" | "unfinished" | "cut" | "reset" | "hang"; closeCode: number };

/** How a delivery went: to its proper end, broken by a fault, or left by the client. */
export type Delivered = "finished" | "faulted" | "gone";

/** The events with the fault worked in; always ends with an "end" step. */
export function* stepsOf(options: {
  events: Iterable<SimEvent>;
  responseId: string;
  fault: Fault | null;
  gapMs: number;
  nowMs: number;
}): Generator<Step> {
  const { events, responseId, fault, gapMs, nowMs } = options;
  let pending = fault === null || fault.moment === "before_headers" ? null : fault;
  let isFirst = true;
  const strike = (): Step[] => {
    const act = pending!.act;
    pending = null;
    return faultSteps(act, responseId, nowMs);
  };
  for (const event of events) {
    const terminal = event.type === "response.completed";
    if (pending !== null && (isFirst ? pending.moment === "first_event" : terminal)) {
      const steps = strike();
      yield* steps;
      if (steps.at(-1)!.kind === "end") return;
    }
    if (!isFirst && gapMs > 0) yield { kind: "pause", ms: gapMs };
    isFirst = false;
    yield { kind: "event", event };
    const reached =
      pending !== null &&
      (pending.moment === "after_created"
        ? event.type === "response.created"
        : event.type === "response.output_text.delta");
    if (reached) {
      const steps = strike();
      yield* steps;
      if (steps.at(-1)!.kind === "end") return;
    }
  }
  yield { kind: "end", how: "clean", closeCode: 1000 };
}

function faultSteps(act: FaultAct, responseId: string, nowMs: number): Step[] {
  const end = (how: Extract<Step, { kind: "end" }>["how"], closeCode = DEFAULT_CLOSE_CODE): Step => ({
    kind: "end",
    how,
    closeCode,
  });
  const event = (value: SimEvent): Step => ({ kind: "event", event: value });
  switch (act.kind) {
    case "delay":
      return [{ kind: "pause", ms: act.delayMs }];
    case "failed": {
      const resets =
        act.resetsInSeconds === undefined
          ? {}
          : {
              resets_at: Math.floor(nowMs / 1000) + act.resetsInSeconds,
              resets_in_seconds: act.resetsInSeconds,
            };
      const plan = act.planType === undefined ? {} : { plan_type: act.planType };
      const error = {
        code: act.code,
        message: act.message ?? `simulated ${act.code ?? "failure"}`,
        ...plan,
        ...resets,
      };
      return [
        event({
          type: "response.failed",
          response: { id: responseId, object: "response", status: "failed", error },
        }),
        end("clean"),
      ];
    }
    case "incomplete": {
      const response = {
        id: responseId,
        object: "response",
        status: "incomplete",
        incomplete_details: { reason: act.reason },
      };
      return [event({ type: "response.incomplete", response }), end("clean")];
    }
    case "error_event": {
      const status = act.status === undefined ? {} : { status: act.status };
      const error = { type: "server_error", code: act.code, message: act.message ?? `simulated ${act.code}` };
      return [event({ type: "error", ...status, error }), end("clean")];
    }
    case "reset":
      return [{ kind: "pause", ms: RESET_SETTLE_MS }, end("reset")];
    case "cut":
    case "partial_status_line":
    case "error":
    case "status":
      // The head is out: what has no meaning any more is a cut.
      return [end("cut")];
    case "hang":
      return [end("hang")];
    case "end":
      return [end("unfinished", act.closeCode)];
  }
}

export function encodeSse(event: SimEvent): Buffer {
  return Buffer.from(`event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`);
}

/** Streams the steps as the body of `reply`. */
export async function deliverSse(options: {
  reply: WireReply;
  headers: HeaderList;
  steps: Iterable<Step>;
  delivery: Delivery;
}): Promise<Delivered> {
  const { reply, headers, steps, delivery } = options;
  const bytes = (function* () {
    for (const step of steps) yield step.kind === "event" ? encodeSse(step.event) : step;
  })();
  return deliverBody({ reply, headers, parts: bytes, delivery });
}

type Part = Uint8Array | Exclude<Step, { kind: "event" }>;

export async function deliverBody(options: {
  reply: WireReply;
  headers: HeaderList;
  parts: Iterable<Part>;
  delivery: Delivery;
}): Promise<Delivered> {
  const { reply, headers, parts, delivery } = options;
  const framing = delivery.framing ?? "chunked";
  const writer = createBodyWriter(reply, headers, delivery);
  if (framing !== "length") reply.head(200, headers, framing);
  for (const part of parts) {
    if (reply.gone) return "gone";
    if (part instanceof Uint8Array) await writer.add(part);
    else if (part.kind === "pause") {
      await writer.flush();
      await reply.sleep(part.ms);
    } else {
      const complete = part.how === "clean" || part.how === "unfinished";
      await writer.finish(complete);
      return endReply(reply, part.how);
    }
  }
  throw new Error("a delivery must end with an end step");
}

async function endReply(reply: WireReply, how: Extract<Step, { kind: "end" }>["how"]): Promise<Delivered> {
  if (reply.gone) return "gone";
  switch (how) {
    case "clean":
    case "unfinished":
      reply.end();
      return how === "clean" ? "finished" : "faulted";
    case "cut":
      reply.cut();
      return "faulted";
    case "reset":
      reply.reset();
      return "faulted";
    case "hang":
      await reply.sleep(Number.POSITIVE_INFINITY);
      return "gone";
  }
}

/** Gathers event bytes into writes, or splits them into pieces, as the delivery says. */
function createBodyWriter(reply: WireReply, headers: HeaderList, delivery: Delivery) {
  const { pieceBytes, pieceGapMs = 0, framing = "chunked" } = delivery;
  const wrap = (bytes: Uint8Array) => (framing === "chunked" ? encodeChunk(bytes) : bytes);
  let waiting: Uint8Array[] = [];
  let waitingBytes = 0;

  async function add(bytes: Uint8Array): Promise<void> {
    if (framing === "length") {
      waiting.push(bytes);
      waitingBytes += bytes.length;
      return;
    }
    if (pieceBytes !== undefined) return addPieces(bytes, pieceBytes);
    await put(wrap(bytes));
  }
  async function addPieces(bytes: Uint8Array, size: number): Promise<void> {
    for (let at = 0; at < bytes.length && !reply.gone; at += size) {
      await put(wrap(bytes.subarray(at, at + size)));
      if (pieceGapMs > 0) {
        await flush();
        await reply.sleep(pieceGapMs);
      }
    }
  }
  async function put(encoded: Uint8Array): Promise<void> {
    waiting.push(encoded);
    waitingBytes += encoded.length;
    if (waitingBytes >= BATCH_BYTES) await flush();
  }
  async function flush(): Promise<void> {
    if (waiting.length === 0 || framing === "length") return;
    const all = waiting.length === 1 ? waiting[0]! : Buffer.concat(waiting);
    waiting = [];
    waitingBytes = 0;
    if (!reply.raw(all)) await reply.drained();
  }
  async function finish(complete: boolean): Promise<void> {
    if (framing !== "length") return flush();
    reply.head(200, headers, { length: waitingBytes + (complete ? 0 : MISSING_BYTES) });
    if (!reply.raw(Buffer.concat(waiting))) await reply.drained();
    waiting = [];
  }
  return { add, flush, finish };
}

/** Streams the steps as text frames. `interrupted` is asked between events. */
export async function deliverFrames(options: {
  socket: SimSocket;
  steps: Iterable<Step>;
  interrupted: () => boolean;
  onInterrupt: () => SimEvent;
}): Promise<Delivered> {
  const { socket, steps, interrupted, onInterrupt } = options;
  for (const step of steps) {
    if (!socket.open) return "gone";
    if (interrupted()) {
      socket.send(JSON.stringify(onInterrupt()));
      return "finished";
    }
    switch (step.kind) {
      case "event":
        if (!socket.send(JSON.stringify(step.event))) await socket.drained();
        break;
      case "pause":
        await socket.sleep(step.ms);
        break;
      case "end":
        return endFrames(socket, step);
    }
  }
  throw new Error("a delivery must end with an end step");
}

async function endFrames(socket: SimSocket, step: Extract<Step, { kind: "end" }>): Promise<Delivered> {
  switch (step.how) {
    case "clean":
      return "finished";
    case "unfinished":
      socket.close(step.closeCode);
      return "faulted";
    case "cut":
      socket.cut();
      return "faulted";
    case "reset":
      socket.reset();
      return "faulted";
    case "hang":
      while (socket.open) await socket.sleep(Number.POSITIVE_INFINITY);
      return "gone";
  }
}
