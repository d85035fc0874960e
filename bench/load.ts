/** The load: `wrk` for throughput, raw sockets for latency and for many slow streams. Runs pinned to the load's core. */
import { rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOAD_CORE, run } from "./processes.ts";
import { RESPONSES_PATH } from "./targets.ts";

/**
 * The prompt cache key of every body made here, to be replaced by the conversation's own: conversations that share one
 * would all be kept on one account, and nothing would be selected.
 */
const CACHE_KEY = "01a1f6c8-1bf4-73c2-9faa-000000000000";
const CACHE_KEY_STEM = CACHE_KEY.slice(0, 24);

/** The body as conversation number `session` sends it: as long as the others. */
export function bodyOfSession(body: string, session: number): string {
  return body.replace(CACHE_KEY, `${CACHE_KEY_STEM}${String(session).padStart(12, "0")}`);
}

/** A body as the Codex client sends it, padded to about `bytes`. */
export function requestBody(bytes: number): string {
  const body = {
    model: "gpt-5.5",
    input: [{ type: "message", role: "user", content: [{ type: "input_text", text: "" }] }],
    tools: [],
    tool_choice: "auto",
    parallel_tool_calls: false,
    reasoning: { effort: "medium" },
    store: false,
    stream: true,
    include: ["reasoning.encrypted_content"],
    prompt_cache_key: CACHE_KEY,
  };
  const text = 'the quick brown fox said "hello" to the lazy dog. ';
  const missing = Math.max(0, bytes - JSON.stringify(body).length);
  // As JSON the quotes take two characters each, so the text is that much shorter.
  const encoded = JSON.stringify(text).length - 2;
  body.input[0]!.content[0]!.text = text.repeat(Math.floor(missing / encoded));
  return JSON.stringify(body);
}

/** What is asked: the same bytes for whoever answers. */
export interface Payload {
  path: string;
  body: string;
  /** A whole reply is at least as long; a shorter one is a failure that came with status 200. */
  minReplyBytes: number;
}

/** Codex's own request, `bodyBytes` long, answered with the canned events of `REPLY`. */
export function responsesPayload(bodyBytes: number): Payload {
  return { path: RESPONSES_PATH, body: requestBody(bodyBytes), minReplyBytes: REPLY.totalBytes * 0.95 };
}

/** The reply of a turn of the usual length: what `canned` is set to. */
export const REPLY = { events: 80, totalBytes: 20_480 };

export interface Throughput {
  requestsPerSecond: number;
  failures: number;
}

/** Conversations that take turns, unless a scenario says otherwise. */
const SESSIONS = 500;
/** A slow gateway's requests are no time-outs. */
const WRK_TIMEOUT_SECONDS = 30;

/** `connections` kept connections, as fast as they go, for `seconds`. Sessions rotate, as many users do. */
export async function throughput(
  target: { origin: string; headers: Record<string, string> },
  load: { connections: number; seconds: number; payload: Payload; sessions?: number },
): Promise<Throughput> {
  const { path, body, minReplyBytes } = load.payload;
  const sessions = load.sessions ?? SESSIONS;
  const script = join(tmpdir(), `codex-lb-bench-${process.pid}.lua`);
  const headers = Object.entries({ "content-type": "application/json", ...target.headers })
    .map(([name, value]) => `  ["${name}"] = "${value}",`)
    .join("\n");
  writeFileSync(
    script,
    `local body = ${luaString(body)}
local bodies = {}
for session = 0, ${sessions - 1} do
  bodies[session] = string.gsub(body, "${CACHE_KEY.replaceAll("-", "%-")}", string.format("${CACHE_KEY_STEM}%012d", session), 1)
end
local count = 0
local headers = {\n${headers}\n}
request = function()
  count = count + 1
  local session = count % ${sessions}
  headers["session-id"] = "session-" .. session
  headers["thread-id"] = headers["session-id"]
  return wrk.format("POST", "${path}", headers, bodies[session])
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d %d\\n", summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout,
    summary.bytes))
end
`,
  );
  const seconds = `-d${load.seconds}s`;
  const command = ["wrk", "-t1", `-c${load.connections}`, seconds, "--timeout", `${WRK_TIMEOUT_SECONDS}s`];
  const output = await run([...command, "-s", script, target.origin], LOAD_CORE).finally(() =>
    rmSync(script),
  );
  const result = /RESULT (\d+) (\d+) (\d+) (\d+)/.exec(output);
  if (!result) throw new Error(`wrk: ${output}`);
  const [requests, micros, failures, bytes] = result.slice(1).map(Number) as [number, number, number, number];
  const areWhole = bytes >= requests * minReplyBytes;
  return {
    requestsPerSecond: requests / (micros / 1e6),
    failures: areWhole ? failures : Math.max(1, requests),
  };
}

function luaString(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

export interface Timing {
  firstByteMs: number;
  endMs: number;
  /** Status 200, and the event that ends a whole reply. */
  ok: boolean;
}

/** One kept connection that sends one request after another. */
export interface Client {
  request(): Promise<Timing>;
  close(): void;
}

const END_OF_CHUNKS = Buffer.from("\r\n0\r\n\r\n");
/** The last event of a canned reply is shorter. */
const TAIL_BYTES = 4_096;
/** Nothing here takes as long; without it, an answer that never comes would hang the run. */
const REPLY_LIMIT_MS = 60_000;

/** Reads one reply, in chunks or with a length: null until its end, and then whether it was a whole, good one. */
export function replyReader(): (bytes: Buffer) => null | { ok: boolean } {
  let head: Buffer | null = Buffer.alloc(0);
  let status = 0;
  let left: number | null = null;
  let tail: Buffer = Buffer.alloc(0);
  return (bytes) => {
    let body = bytes;
    if (head) {
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return null;
      const text = head.toString("latin1", 0, end);
      status = Number(text.slice(9, 12));
      const length = /content-length: (\d+)/i.exec(text)?.[1];
      left = length === undefined ? null : Number(length);
      body = head.subarray(end + 4);
      head = null;
    }
    tail =
      body.length >= TAIL_BYTES
        ? body.subarray(-TAIL_BYTES)
        : Buffer.concat([tail, body]).subarray(-TAIL_BYTES);
    if (left !== null) left -= body.length;
    const isOver = left === null ? tail.subarray(-END_OF_CHUNKS.length).equals(END_OF_CHUNKS) : left <= 0;
    if (!isOver) return null;
    return { ok: status === 200 && (tail.includes('"response.completed"') || tail.includes("[DONE]")) };
  };
}

/** One request at a time, each read to its end. `sessions` of them take turns. */
export async function connectClient(
  target: { origin: string; headers: Record<string, string> },
  { payload, sessions = 1 }: { payload: Payload; sessions?: number },
): Promise<Client> {
  const url = new URL(target.origin);
  const wires = Array.from({ length: sessions }, (_, session) =>
    Buffer.from(requestHead(target, payload, `session-${session}`) + bodyOfSession(payload.body, session)),
  );
  let turn = 0;
  let read = replyReader();
  let unsent = Buffer.alloc(0);
  let sentAt = 0;
  let firstByteAt = 0;
  let pending: { resolve(timing: Timing): void; reject(error: Error): void } | null = null;
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      data(_socket, bytes) {
        const now = performance.now();
        if (firstByteAt === 0) firstByteAt = now;
        const end = read(bytes);
        if (end === null) return;
        pending?.resolve({ firstByteMs: firstByteAt - sentAt, endMs: now - sentAt, ok: end.ok });
        pending = null;
      },
      // What the kernel did not take at once of a large body.
      drain: (self) => void (unsent = unsent.subarray(Math.max(0, self.write(unsent)))),
      close: () => pending?.reject(new Error("the connection was closed")),
    },
  });
  socket.setNoDelay(true);
  return {
    async request() {
      const wire = wires[turn++ % sessions]!;
      const { promise, resolve, reject } = Promise.withResolvers<Timing>();
      pending = { resolve, reject };
      read = replyReader();
      firstByteAt = 0;
      sentAt = performance.now();
      unsent = wire.subarray(Math.max(0, socket.write(wire)));
      const limit = setTimeout(() => reject(new Error("no whole reply came")), REPLY_LIMIT_MS);
      return promise.finally(() => clearTimeout(limit));
    },
    close: () => socket.terminate(),
  };
}

export function requestHead(
  target: { origin: string; headers: Record<string, string> },
  { path, body }: { path: string; body: string },
  session: string,
): string {
  const headers = { ...target.headers, "content-type": "application/json", "session-id": session };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${path} HTTP/1.1\r\nhost: ${new URL(target.origin).host}\r\n${lines.join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n`;
}

export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function sorted(values: readonly number[]): number[] {
  return values.toSorted((a, b) => a - b);
}

export function median(values: readonly number[]): number {
  return quantile(sorted(values), 0.5);
}
