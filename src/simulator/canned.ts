/** The pre-encoded reply for measurements: neither the body is read nor anything scripted, so that the simulator is not what is measured. */
import { encodeSse } from "./deliver.ts";
import type { ModelTurns } from "./model-turns.ts";
import { planTurn, readTurnBody, type SimEvent } from "./turns.ts";
import type { Canned } from "./types.ts";
import { bearerToken, type Universe } from "./universe.ts";
import { acceptWebSocket, encodeTextFrame, type SimSocket } from "./websocket.ts";
import { encodeChunk, encodeHead, type HeaderList, type WireRequest } from "./http-message.ts";
import { type WireReply } from "./wire.ts";

const DEFAULT_EVENTS = 80;
const DEFAULT_TOTAL_BYTES = 20_480;
/** Tokens remembered with their account. */
const MAX_KNOWN_TOKENS = 20_000;
const LAST_CHUNK = Buffer.from("0\r\n\r\n");

interface Encoded {
  head: Buffer;
  chunks: Buffer[];
  /** Head and chunks in one. */
  whole: Buffer;
  frames: Buffer[];
  allFrames: Buffer;
  warmFrames: Buffer;
}

export function createCanned(universe: Universe, turns: ModelTurns, canned: Canned) {
  const { tokens, journal, accounts, now, random } = universe;
  const gapMs = canned.gapMs ?? 0;
  const byAccount = new Map<number, Encoded>();
  const known = new Map<string, number>();

  /** Position of the caller's account; null: let the ordinary route refuse. */
  function accountOf(request: WireRequest): number | null {
    const authorization = request.header("authorization") ?? "";
    const found = known.get(authorization);
    if (found !== undefined) return found;
    const verdict = tokens.bearer(bearerToken(request) ?? "");
    if (verdict.kind === "refused") return null;
    if (known.size >= MAX_KNOWN_TOKENS) known.clear();
    known.set(authorization, verdict.account.index);
    return verdict.account.index;
  }

  function encodedFor(index: number, request: WireRequest): Encoded {
    const found = byAccount.get(index);
    if (found !== undefined) return found;
    const encoded = encode(cannedEvents(canned, index), [
      ["content-type", "text/event-stream; charset=utf-8"],
      ["cache-control", "no-cache"],
      ...turns.replyHeaders(accounts[index]!, request, "gpt-5.5"),
    ]);
    byAccount.set(index, encoded);
    return encoded;
  }

  function cannedEvents(spec: Canned, index: number): SimEvent[] {
    const total = spec.events ?? DEFAULT_EVENTS;
    const body = readTurnBody({ model: "gpt-5.5", input: [] });
    const plan = (size: number, events: number) =>
      planTurn({
        body,
        turn: { kind: "filled", events, bytesPerEvent: size },
        account: accounts[index]!,
        random,
        inputTokens: 3500,
        cachedTokens: 2048,
        nowMs: now(),
      });
    const bare = [...plan(1, 1).events()];
    const deltas = Math.max(1, total - (bare.length - 1));
    const spare = bytesOf([...plan(1, deltas).events()]);
    const size = Math.max(1, Math.floor(((spec.totalBytes ?? DEFAULT_TOTAL_BYTES) - spare) / deltas) + 1);
    return [...plan(size, deltas).events()];
  }

  function serveHttp(request: WireRequest, reply: WireReply): boolean {
    const index = accountOf(request);
    if (index === null) return false;
    journal.counters.requests++;
    accounts[index]!.turns++;
    const encoded = encodedFor(index, request);
    if (gapMs > 0) void drip(encoded, reply, index);
    else {
      reply.raw(encoded.whole);
      reply.end();
      journal.counters.finished++;
    }
    return true;
  }

  async function drip(encoded: Encoded, reply: WireReply, index: number): Promise<void> {
    const close = turns.open(accounts[index]!);
    reply.onGone = () => close("gone");
    reply.raw(encoded.head);
    for (const chunk of encoded.chunks) {
      if (!reply.raw(chunk)) await reply.drained();
      await reply.sleep(gapMs);
      if (reply.gone) return close("gone");
    }
    reply.raw(LAST_CHUNK);
    reply.end();
    close("finished");
  }

  function serveSocket(request: WireRequest, reply: WireReply): boolean {
    const index = accountOf(request);
    if (index === null) return false;
    const encoded = encodedFor(index, request);
    journal.counters.openWebSockets++;
    const socket: SimSocket = acceptWebSocket(
      request,
      reply,
      turns.replyHeaders(accounts[index]!, request, null),
      {
        onText(_text, bytes) {
          journal.counters.requests++;
          const prewarm = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).includes(
            '"generate":false',
          );
          if (prewarm) socket.sendEncoded(encoded.warmFrames);
          else if (gapMs > 0) void dripFrames(socket, encoded);
          else socket.sendEncoded(encoded.allFrames);
        },
        onClose: () => void journal.counters.openWebSockets--,
      },
    );
    return true;
  }

  async function dripFrames(socket: SimSocket, encoded: Encoded): Promise<void> {
    for (const frame of encoded.frames) {
      if (!socket.open) return;
      socket.sendEncoded(frame);
      await socket.sleep(gapMs);
    }
  }
  return { serveHttp, serveSocket };
}

export type CannedServer = ReturnType<typeof createCanned>;

function bytesOf(events: SimEvent[]): number {
  return events.reduce((sum, event) => sum + encodeSse(event).length, 0);
}

function encode(events: SimEvent[], headers: HeaderList): Encoded {
  const head = encodeHead(200, headers, "chunked", false);
  const chunks = events.map((event) => encodeChunk(encodeSse(event)));
  const frames = events.map((event) => encodeTextFrame(JSON.stringify(event)));
  const warm = [events[0]!, events.at(-1)!].map((event) => encodeTextFrame(JSON.stringify(event)));
  return {
    head,
    chunks,
    whole: Buffer.concat([head, ...chunks, LAST_CHUNK]),
    frames,
    allFrames: Buffer.concat(frames),
    warmFrames: Buffer.concat(warm),
  };
}
