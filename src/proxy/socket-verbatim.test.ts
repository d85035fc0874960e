/** The captured conversations of the real client, played through the service: every frame comes out as it went in, in its order. */
import { afterEach, expect, test } from "bun:test";
import type { ServerWebSocket } from "bun";
import { join } from "node:path";
import { startService } from "../testing/running-service.ts";
import { openSocketClient, type SocketClient, until } from "../testing/socket-client.ts";

const stops: (() => Promise<unknown>)[] = [];
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
});

interface Step {
  conn: number;
  dir?: "client->server" | "server->client";
  /** What the client sent. */
  frame?: Record<string, unknown>;
  /** What the server answered. */
  type?: string;
  ev?: "ws-open" | "close";
}

async function captured(name: string): Promise<Step[]> {
  const file = Bun.file(join(import.meta.dir, `fixtures/ws-frames-${name}.json`));
  return ((await file.json()) as { frames: Step[] }).frames;
}

/** A server's frame of that type, written as no serialiser of ours would write it. */
function serverFrame(
  type: string,
  { responseId, turnState, count }: { responseId: string; turnState: string; count: number },
): string {
  const response = `"response" : {"id":"${responseId}","usage":{"input_tokens":1.0,"output_tokens":2e0,"total_tokens":3}}`;
  switch (type) {
    case "error":
      // The captured one, `previous_response_not_found`, is given a form that older clients understand too.
      return `{"type":"error", "status":400,"error":{"code":"context_length_exceeded","message":"née"},"n":${count}}`;
    case "codex.rate_limits":
      return `{"type":"codex.rate_limits","n":${count}}`;
    case "response.created":
    case "response.completed":
      return `{ "type":"${type}", ${response} ,"n":${count}}`;
    case "response.metadata":
      return `{"type":"response.metadata","headers":{"x-codex-turn-state":"${turnState}"},"metadata":{} ,"n":${count}}`;
    default:
      return `{"type":"${type}","delta":"a\\u00e9\\n é 🙂","n":1.50, "nested":{"b":[1 ,2],"a":null}, "count":${count}}`;
  }
}

/** An upstream that does as it is told. */
function startUpstream() {
  const received: string[] = [];
  let socket: ServerWebSocket<undefined> | null = null;
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch(request, bun) {
      if (request.headers.get("upgrade") === "websocket" && bun.upgrade(request, { data: undefined }))
        return undefined;
      return Response.json({ detail: "Not Found" }, { status: 404 });
    },
    websocket: {
      open: (opened) => void (socket = opened),
      message: (_socket, message) => void received.push(String(message)),
    },
  });
  stops.push(() => server.stop(true));
  return {
    url: `http://127.0.0.1:${server.port}/backend-api`,
    received,
    send: (text: string) => void socket!.sendText(text),
  };
}

const NAMES = [
  "tool-turn",
  "turnstate-metadata",
  "multi-turn-compaction",
  "steer-interrupt",
  "previous-response-not-found",
];
for (const name of NAMES) {
  test(name, async () => {
    const upstream = startUpstream();
    const service = await startService({
      accounts: [{}],
      env: { CODEX_LB_UPSTREAM_BASE_URL: upstream.url },
    });
    stops.push(() => service.stop());
    const clients = new Map<number, SocketClient>();
    const steps = await captured(name);
    const answers = answersOf(steps);
    const expected: string[] = [];
    let creates = 0;
    let sent = 0;
    for (const [at, step] of steps.entries()) {
      if (step.ev === "ws-open") clients.set(step.conn, await openSocketClient(service.url));
      const client = clients.get(step.conn);
      if (step.frame) {
        const text = JSON.stringify(step.frame).replace('"model"', ' "model"');
        if (step.frame.type === "response.create") creates++;
        client!.send(text);
        await until("upstream has the frame", () => upstream.received.length > sent);
        sent++;
        expect(upstream.received.at(-1)).toBe(text);
      } else if (step.dir === "server->client") {
        const text = serverFrame(step.type!, { ...answers[creates - 1]!, count: at });
        upstream.send(text);
        if (step.type !== "codex.rate_limits") expected.push(text);
        // The next step of the client comes after it has seen this one.
        if (steps[at + 1]?.dir !== "server->client") {
          await until("the client has all", () => shown(client!).length === expected.length);
          expect(shown(client!)).toEqual(expected);
        }
      } else if (step.ev === "close") {
        client!.close();
        expected.length = 0;
      }
    }
  });
}

/** What the client has got, without the quota frames: they tell the pool's quota instead. */
function shown(client: SocketClient): string[] {
  return client.texts.filter((text) => !text.includes("codex.rate_limits"));
}

/** What each create is answered with: the response id and turn state that the next one names. */
function answersOf(steps: Step[]): { responseId: string; turnState: string }[] {
  const creates = steps.filter(({ frame }) => frame?.type === "response.create");
  return creates.map((_, at) => {
    const next = creates[at + 1]?.frame;
    const metadata = next?.client_metadata as Record<string, unknown> | undefined;
    return {
      responseId: textOr(next?.previous_response_id, `resp_${at}`),
      turnState: textOr(metadata?.["x-codex-turn-state"], `ts-${at}`),
    };
  });
}

function textOr(value: unknown, otherwise: string): string {
  return typeof value === "string" ? value : otherwise;
}
