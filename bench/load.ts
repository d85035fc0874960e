/** The load: `wrk` for throughput, raw sockets for latency and for many slow streams. Runs pinned to the load's core. */
import { writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LOAD_CORE, run } from "./processes.ts";
import { RESPONSES_PATH, type Target } from "./targets.ts";

/** A body as the Codex client sends it, padded to `bytes`. */
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
    prompt_cache_key: "01a1f6c8-1bf4-73c2-9faa-a5420df44460",
  };
  const text = 'the quick brown fox said "hello" to the lazy dog. ';
  const missing = bytes - JSON.stringify(body).length;
  let filling = "";
  while (JSON.stringify(filling).length < missing) filling += text;
  body.input[0]!.content[0]!.text = filling.slice(
    0,
    Math.floor((filling.length * missing) / JSON.stringify(filling).length),
  );
  return JSON.stringify(body);
}

export interface Throughput {
  requestsPerSecond: number;
  failures: number;
}

/** `connections` kept connections, as fast as they go, for `seconds`. Sessions rotate, as many users do. */
export async function throughput(
  target: Target,
  {
    connections,
    seconds,
    bodyBytes,
    path = RESPONSES_PATH,
    body = requestBody(bodyBytes),
  }: {
    connections: number;
    seconds: number;
    bodyBytes: number;
    path?: string;
    body?: string;
  },
): Promise<Throughput> {
  const script = join(tmpdir(), `codex-lb-bench-${process.pid}.lua`);
  const headers = Object.entries({ "content-type": "application/json", ...target.headers })
    .map(([name, value]) => `  ["${name}"] = "${value}",`)
    .join("\n");
  writeFileSync(
    script,
    `local body = ${luaString(body)}
local count = 0
local headers = {\n${headers}\n}
request = function()
  count = count + 1
  headers["session-id"] = "session-" .. (count % 500)
  headers["thread-id"] = headers["session-id"]
  return wrk.format("POST", "${path}", headers, body)
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %d %d %d\\n", summary.requests, summary.duration,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.status + summary.errors.timeout))
end
`,
  );
  const output = await run(
    ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "-s", script, target.origin],
    LOAD_CORE,
  );
  const result = /RESULT (\d+) (\d+) (\d+)/.exec(output);
  if (!result) throw new Error(`wrk: ${output}`);
  return { requestsPerSecond: Number(result[1]) / (Number(result[2]) / 1e6), failures: Number(result[3]) };
}

function luaString(text: string): string {
  return `"${text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n")}"`;
}

export interface Timing {
  firstByteMs: number;
  endMs: number;
}

/** One kept connection that sends one request after another. */
export interface Client {
  request(): Promise<Timing>;
  close(): void;
}

const END_OF_CHUNKS = Buffer.from("\r\n0\r\n\r\n");

/** Notices the end of a reply, whether it comes in chunks or with a length. */
export function replyEnd(): (bytes: Buffer) => boolean {
  let head: Buffer | null = Buffer.alloc(0);
  let left: number | null = null;
  let tail = Buffer.alloc(0);
  return (bytes) => {
    let body = bytes;
    if (head) {
      head = Buffer.concat([head, bytes]);
      const end = head.indexOf("\r\n\r\n");
      if (end < 0) return false;
      const length = /content-length: (\d+)/i.exec(head.toString("latin1", 0, end))?.[1];
      left = length === undefined ? null : Number(length);
      body = head.subarray(end + 4);
      head = null;
    }
    if (left !== null) return (left -= body.length) <= 0;
    tail = Buffer.concat([tail, body]).subarray(-END_OF_CHUNKS.length);
    return tail.equals(END_OF_CHUNKS);
  };
}

/** One request at a time, each read to its end. */
export async function connectClient(target: Target, bodyBytes: number): Promise<Client> {
  const url = new URL(target.origin);
  const body = requestBody(bodyBytes);
  const wire = Buffer.from(requestHead(target, body.length) + body);
  let isEnd = replyEnd();
  let sentAt = 0;
  let firstByteAt = 0;
  let finish: ((timing: Timing) => void) | null = null;
  let fail: ((error: Error) => void) | null = null;
  const socket = await Bun.connect({
    hostname: url.hostname,
    port: Number(url.port),
    socket: {
      data(_socket, bytes) {
        if (firstByteAt === 0) firstByteAt = performance.now();
        if (isEnd(bytes)) finish?.({ firstByteMs: firstByteAt - sentAt, endMs: performance.now() - sentAt });
      },
      close: () => fail?.(new Error("the connection was closed")),
    },
  });
  socket.setNoDelay(true);
  return {
    request() {
      return new Promise((resolve, reject) => {
        finish = resolve;
        fail = reject;
        isEnd = replyEnd();
        firstByteAt = 0;
        sentAt = performance.now();
        socket.write(wire);
      });
    },
    close: () => socket.terminate(),
  };
}

export function requestHead(target: Target, bodyBytes: number, session = "session-1"): string {
  const headers = { ...target.headers, "content-type": "application/json", "session-id": session };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${RESPONSES_PATH} HTTP/1.1\r\nhost: ${new URL(target.origin).host}\r\n${lines.join("")}content-length: ${bodyBytes}\r\n\r\n`;
}

export function quantile(sorted: readonly number[], part: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * part))] ?? Number.NaN;
}

export function median(values: readonly number[]): number {
  return quantile(
    values.toSorted((a, b) => a - b),
    0.5,
  );
}
