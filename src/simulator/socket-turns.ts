/** `GET …/codex/responses` with Upgrade: turns over one WebSocket, chained by response ids that only this socket knows. */
import { rateLimitsEvent, type SimAccount } from "./accounts.ts";
import { deliverFrames, stepsOf } from "./deliver.ts";
import { parseObject, placed, type ModelTurns } from "./model-turns.ts";
import { detail, errorFrame, namedError, type WireError } from "./named-errors.ts";
import type { Fault } from "./rules.ts";
import { errorOfAct, sendError, strike } from "./strike.ts";
import { usageBody, type PlannedTurn, type SimEvent, type TurnBody, readTurnBody } from "./turns.ts";
import type { ScriptRule } from "./types.ts";
import { bearerToken, type Universe } from "./universe.ts";
import { acceptWebSocket, type SimSocket } from "./websocket.ts";
import type { HeaderList, WireRequest } from "./http-message.ts";
import type { WireReply } from "./wire.ts";

/** Upstream's life of a socket (UPSTREAM: "60 minutes"). */
const SOCKET_LIFE_MS = 60 * 60 * 1000;
/** Turns waiting on one socket while another runs; Codex never sends more than one. */
const MAX_WAITING_TURNS = 16;
/** Response ids one socket remembers. */
const MAX_CHAIN_IDS = 5000;

export function createSocketTurns(universe: Universe, turns: ModelTurns) {
  const { journal, tokens, rules, now } = universe;

  /** Answers the handshake, with a fault of route "websocket" or with 101. */
  async function handshake(request: WireRequest, reply: WireReply): Promise<void> {
    const verdict = tokens.bearer(bearerToken(request) ?? "");
    const entry = journal.record({
      route: "websocket",
      transport: "websocket",
      method: request.method,
      target: request.target,
      headers: request.headers,
      body: request.body,
      decoded: () => "",
      account: verdict.account?.index ?? null,
    });
    const facts = {
      transport: "websocket" as const,
      account: entry.account,
      model: null,
      bodyText: () => "",
    };
    const fault = rules.takeFault({ route: "websocket", ...facts });
    turns.noteFault(entry, fault);
    if (fault !== null) {
      const details = { nowMs: now(), planType: verdict.account?.planType };
      const outcome = await strike(reply, fault.act, details);
      if (outcome !== "continue") {
        entry.status = outcome;
        return;
      }
    }
    const asked = request.header("chatgpt-account-id");
    if (verdict.kind === "refused") {
      entry.status = sendError(reply, namedError(verdict.error, { nowMs: now() }));
      return;
    }
    if (asked !== undefined && asked !== verdict.account.chatgptAccountId) {
      entry.status = sendError(reply, namedError("forbidden", { nowMs: now() }));
      return;
    }
    entry.status = 101;
    serve(request, reply, verdict.account);
  }

  function serve(request: WireRequest, reply: WireReply, account: SimAccount): void {
    const session: Session = {
      request,
      account,
      openedAtMs: now(),
      chain: new Map(),
      waiting: [],
      running: null,
    };
    journal.counters.openWebSockets++;
    // The model is not known before the first frame.
    const headers: HeaderList = turns.replyHeaders(account, request, null);
    const socket: SimSocket = acceptWebSocket(request, reply, headers, {
      onText: (text, bytes) => onFrame(session, socket, text, bytes),
      onClose: () => {
        journal.counters.openWebSockets--;
        for (const waiting of session.waiting.splice(0)) waiting.drop();
      },
    });
  }

  function onFrame(session: Session, socket: SimSocket, text: string, bytes: Uint8Array): void {
    const entry = journal.record({
      route: "responses",
      transport: "websocket",
      method: "FRAME",
      target: session.request.target,
      headers: session.request.headers,
      body: bytes,
      decoded: () => text,
      account: session.account.index,
    });
    entry.status = 101;
    const raw = parseObject(text);
    if (raw?.["type"] === "response.interrupt") {
      if (session.running !== null) session.running.interrupted = true;
      return socket.wake();
    }
    if (raw?.["type"] === "response.processed") return;
    if (raw?.["type"] !== "response.create" || session.waiting.length >= MAX_WAITING_TURNS) {
      return sendFrame(socket, errorFrame(detail(400, "Unexpected frame")));
    }
    const close = turns.open(session.account);
    session.waiting.push({
      run: async () => {
        const outcome = await turn(session, socket, raw, text, (fault) => turns.noteFault(entry, fault));
        close(outcome);
      },
      drop: () => close("gone"),
    });
    void runWaiting(session);
  }

  async function runWaiting(session: Session): Promise<void> {
    if (session.running !== null) return;
    for (let next = session.waiting.shift(); next !== undefined; next = session.waiting.shift()) {
      session.running = { interrupted: false };
      await next.run();
      session.running = null;
    }
  }

  async function turn(
    session: Session,
    socket: SimSocket,
    raw: Record<string, unknown>,
    text: string,
    onFault: (fault: Fault | null) => void,
  ): Promise<"finished" | "faulted" | "gone"> {
    const { account } = session;
    const body = readTurnBody(raw);
    const facts = {
      route: "responses" as const,
      transport: "websocket" as const,
      account: account.index,
      model: body.model,
      bodyText: () => text,
    };
    const refuse = (error: WireError, headers: HeaderList = []) => {
      sendFrame(socket, errorFrame({ ...error, headers: [...error.headers, ...headers] }));
      return "faulted" as const;
    };
    const fault = placed(rules.takeFault(facts));
    onFault(fault);
    if (fault?.moment === "before_headers") {
      const struck = await strikeFrame(socket, fault, {
        nowMs: now(),
        planType: account.planType,
        model: body.model,
      });
      if (struck !== "continue") return struck;
    }
    if (now() - session.openedAtMs >= SOCKET_LIFE_MS) {
      refuse(namedError("websocket_connection_limit_reached", { nowMs: now() }));
      socket.close(1000);
      return "faulted";
    }
    // The login may have died since the handshake.
    const login = tokens.bearer(bearerToken(session.request) ?? "");
    if (login.kind === "refused" && login.error !== "token_expired")
      return refuse(namedError(login.error, { nowMs: now() }));
    const refusal = turns.refusal(account, { store: false, stream: true, ...raw }, body, "websocket");
    if (refusal !== null) return refuse(refusal.error, refusal.headers);
    const earlierTokens = body.previousResponseId === null ? 0 : session.chain.get(body.previousResponseId);
    if (earlierTokens === undefined)
      return refuse(namedError("previous_response_not_found", { nowMs: now() }));
    return answer({ session, socket, body, text, earlierTokens, script: rules.takeScript(facts), fault });
  }

  async function answer(options: {
    session: Session;
    socket: SimSocket;
    body: TurnBody;
    text: string;
    earlierTokens: number;
    script: ScriptRule;
    fault: Fault | null;
  }) {
    const { session, socket, body, text, earlierTokens, script, fault } = options;
    const { account } = session;
    const planned = turns.plan({
      account,
      body,
      bodyChars: text.length,
      earlierTokens,
      script: script.turn.kind === "raw" ? { kind: "auto" } : script.turn,
    });
    const turnState = script.turnState === undefined ? `ts-${universe.random.hex(16)}` : script.turnState;
    const steps = stepsOf({
      events: socketEvents(planned, body.generate ? rateLimitsEvent(account, now()) : null, turnState),
      responseId: planned.responseId,
      fault: turns.overflow(account, planned) ?? fault,
      gapMs: script.delivery?.gapMs ?? 0,
      nowMs: now(),
    });
    const delivered = await deliverFrames({
      socket,
      steps,
      interrupted: () => session.running?.interrupted ?? false,
      onInterrupt: () => ({
        type: "response.completed",
        response: {
          id: planned.responseId,
          object: "response",
          status: "completed",
          output: [],
          usage: usageBody(planned.usage),
        },
      }),
    });
    if (session.chain.size >= MAX_CHAIN_IDS) session.chain.delete(session.chain.keys().next().value!);
    session.chain.set(
      planned.responseId,
      earlierTokens + Math.ceil(text.length / 4) + planned.usage.outputTokens,
    );
    return delivered;
  }
  return { handshake };
}

interface Session {
  request: WireRequest;
  account: SimAccount;
  openedAtMs: number;
  /** Response ids minted on this socket, with the tokens of the conversation behind each. */
  chain: Map<string, number>;
  waiting: { run: () => Promise<void>; drop: () => void }[];
  running: { interrupted: boolean } | null;
}

function sendFrame(socket: SimSocket, frame: Record<string, unknown>): void {
  socket.send(JSON.stringify(frame));
}

/** Rate limits first, the turn state after `response.created` (captures: ws-server-frames). */
function* socketEvents(
  planned: PlannedTurn,
  rateLimits: Record<string, unknown> | null,
  turnState: string | null,
): Generator<SimEvent> {
  if (rateLimits !== null) yield rateLimits as SimEvent;
  for (const event of planned.events()) {
    yield event;
    if (event.type !== "response.created" || turnState === null) continue;
    yield { type: "response.metadata", headers: { "x-codex-turn-state": turnState }, metadata: {} };
  }
}

async function strikeFrame(
  socket: SimSocket,
  fault: Fault,
  details: { nowMs: number; planType: string; model: string },
): Promise<"continue" | "faulted" | "gone"> {
  const error = errorOfAct(fault.act, details);
  if (error !== null) {
    sendFrame(socket, errorFrame(error));
    return "faulted";
  }
  switch (fault.act.kind) {
    case "delay":
      await socket.sleep(fault.act.delayMs);
      return "continue";
    case "hang":
      // An interrupt wakes a sleep, and only the client's departure ends a hang.
      while (socket.open) await socket.sleep(Number.POSITIVE_INFINITY);
      return "gone";
    case "reset":
      socket.reset();
      return "faulted";
    default:
      socket.cut();
      return "faulted";
  }
}
