/** Claims about bodies: what all of them together may take up, and how long one may take to come. */
import { connect, type Socket } from "node:net";
import { zstdCompressSync } from "node:zlib";
import { afterEach, describe, expect, test } from "bun:test";
import { type Clock, systemClock } from "../ports.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";
import {
  BODY_GRACE_MS,
  createRequestBodies,
  MAX_BODY_BYTES,
  MAX_HELD_BODY_BYTES,
  MIN_BODY_BYTES_PER_MS,
  WATCH_EVERY_MS,
} from "./request-bodies.ts";
import { readJson } from "./translated.ts";

const MIB = 1024 * 1024;
const FULL = MAX_HELD_BODY_BYTES / MAX_BODY_BYTES;

/** A request whose body comes as the test sends it. */
function slowRequest(announced: number | null) {
  let source!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (controller) => void (source = controller) });
  const headers = announced === null ? undefined : { "content-length": String(announced) };
  return {
    request: new Request("http://127.0.0.1/", { method: "POST", body, headers }),
    send: (bytes: number) => source.enqueue(new Uint8Array(bytes)),
    end: () => source.close(),
  };
}

/** What a read has come to so far. */
function watched(reading: Promise<Uint8Array>) {
  const seen: { bytes: number | null; code: string | null } = { bytes: null, code: null };
  reading.then(
    ({ byteLength }) => (seen.bytes = byteLength),
    (error: { code: string }) => (seen.code = error.code),
  );
  return seen;
}

/** Until all that can happen without the clock has happened. */
const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("all that is held at once", () => {
  test("has room for so many announced bodies and no more, until one is released", async () => {
    const bodies = createRequestBodies(createFakeClock());
    const first = slowRequest(MAX_BODY_BYTES);
    watched(bodies.read(first.request));
    for (let count = 1; count < FULL; count++) watched(bodies.read(slowRequest(MAX_BODY_BYTES).request));
    expect(bodies.heldBytes()).toBe(MAX_HELD_BODY_BYTES);

    const refused = bodies.read(slowRequest(1).request);
    expect(refused).rejects.toMatchObject({ code: "server_busy", status: 503, retryAfterSeconds: 5 });
    bodies.release(first.request);
    expect(bodies.heldBytes()).toBe(MAX_HELD_BODY_BYTES - MAX_BODY_BYTES);
    const late = slowRequest(3);
    const read = bodies.read(late.request);
    late.send(3);
    late.end();
    expect((await read).byteLength).toBe(3);
    bodies.release(late.request);
    bodies.release(late.request);
    expect(bodies.heldBytes()).toBe(MAX_HELD_BODY_BYTES - MAX_BODY_BYTES);
  });

  test("a body without a length counts as it comes", async () => {
    const bodies = createRequestBodies(createFakeClock());
    for (let count = 1; count < FULL; count++) watched(bodies.read(slowRequest(MAX_BODY_BYTES).request));
    watched(bodies.read(slowRequest(MAX_BODY_BYTES - MIB).request));
    const chunked = slowRequest(null);
    const read = watched(bodies.read(chunked.request));
    chunked.send(MIB);
    await settled();
    expect([bodies.heldBytes(), read.code]).toEqual([MAX_HELD_BODY_BYTES, null]);
    chunked.send(1);
    await settled();
    expect(read.code).toBe("server_busy");
    bodies.release(chunked.request);
    expect(bodies.heldBytes()).toBe(MAX_HELD_BODY_BYTES - MIB);
  });

  test("a packed body that is unpacked for good counts as what it unpacks to", async () => {
    const bodies = createRequestBodies(createFakeClock());
    const packed = zstdCompressSync(JSON.stringify("x".repeat(2 * MIB)));
    const headers = { "content-length": String(packed.byteLength), "content-encoding": "zstd" };
    const ask = () => new Request("http://127.0.0.1/", { method: "POST", body: packed, headers });
    const asked = ask();
    expect(await readJson(asked, bodies)).toHaveLength(2 * MIB);
    expect(bodies.heldBytes()).toBe(2 * MIB + 2);
    bodies.release(asked);
    for (let count = 1; count < FULL; count++) watched(bodies.read(slowRequest(MAX_BODY_BYTES).request));
    watched(bodies.read(slowRequest(MAX_BODY_BYTES - MIB).request));
    expect(readJson(ask(), bodies)).rejects.toMatchObject({ code: "server_busy" });
  });
});

describe("a body that does not come", () => {
  const lengths: [name: string, announced: number | null, dueMs: number][] = [
    ["short", 1_000, BODY_GRACE_MS + 1_000 / MIN_BODY_BYTES_PER_MS],
    ["long", 10 * MIB, BODY_GRACE_MS],
    ["without a length", null, BODY_GRACE_MS],
  ];
  test.each(lengths)("is given up: %s", async (_name, announced, dueMs) => {
    const clock = createFakeClock();
    const bodies = createRequestBodies(clock);
    const read = watched(bodies.read(slowRequest(announced).request));
    clock.advance(dueMs - 1);
    await settled();
    expect(read.code).toBeNull();
    clock.advance(1 + WATCH_EVERY_MS);
    await settled();
    expect(read.code).toBe("request_timeout");
    clock.advance(WATCH_EVERY_MS);
    expect(clock.pendingTimers()).toBe(0);
  });

  test.each([10 * MIB, null])("has the longer the more of it has come (announced: %p)", async (announced) => {
    const clock = createFakeClock();
    const slow = slowRequest(announced);
    const read = watched(createRequestBodies(clock).read(slow.request));
    slow.send(2 * MIB);
    await settled();
    clock.advance(BODY_GRACE_MS + (2 * MIB) / MIN_BODY_BYTES_PER_MS - 1);
    await settled();
    expect(read.code).toBeNull();
    clock.advance(1 + WATCH_EVERY_MS);
    await settled();
    expect(read.code).toBe("request_timeout");
  });

  test.each([10 * MIB, null])("is read to its end at the slowest pace (announced: %p)", async (announced) => {
    const clock = createFakeClock();
    const slow = slowRequest(announced);
    const read = watched(createRequestBodies(clock).read(slow.request));
    const piece = MIB / 4;
    for (let sent = 0; sent < 10 * MIB; sent += piece) {
      clock.advance(piece / MIN_BODY_BYTES_PER_MS);
      slow.send(piece);
      await settled();
    }
    slow.end();
    await settled();
    expect(read).toEqual({ bytes: 10 * MIB, code: null });
    clock.advance(WATCH_EVERY_MS);
    expect(clock.pendingTimers()).toBe(0);
  });
});

describe("in the client's own words, and in the log", () => {
  const services: RunningService[] = [];
  const sockets: Socket[] = [];
  afterEach(async () => {
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const service of services.splice(0)) await service.stop();
  });

  async function start(clock: Clock = systemClock): Promise<RunningService> {
    const service = await startService({ accounts: [{}], ports: { clock } });
    services.push(service);
    return service;
  }

  /** Announces a body, sends its first byte, and waits. `answered`: something came; `reply` has all that came once the connection is closed. */
  function stall(service: RunningService, path: string, bytes: number) {
    const socket = connect(Number(new URL(service.url).port), "127.0.0.1");
    sockets.push(socket);
    socket.write(
      `POST ${path} HTTP/1.1\r\nhost: 127.0.0.1\r\ncontent-type: application/json\r\ncontent-length: ${bytes}\r\n\r\n{`,
    );
    let text = "";
    const reply = Promise.withResolvers<string>();
    const answered = Promise.withResolvers<void>();
    socket.on("data", (data) => {
      text += String(data);
      answered.resolve();
    });
    socket.on("error", () => {});
    socket.on("close", () => reply.resolve(text));
    return { answered: answered.promise, reply: reply.promise };
  }

  async function codesOf(service: RunningService, count: number): Promise<unknown[]> {
    for (;;) {
      const { requests } = await service.adminJson<{ requests: Record<string, unknown>[] }>(
        "/api/request-logs",
        { method: "GET" },
      );
      if (requests.length >= count) return requests.map(({ errorCode }) => errorCode);
      await settled();
    }
  }

  const chat = { model: "gpt-5.5", messages: [{ role: "user", content: "hello" }] };
  const paths: [path: string, body: object, busy: number, busyWords: string][] = [
    ["/backend-api/codex/responses", TURN_BODY, 503, '"code":"server_busy"'],
    ["/v1/responses", { model: "gpt-5.5", input: "hello" }, 503, '"code":"server_busy"'],
    ["/v1/chat/completions", chat, 503, '"code":"server_busy"'],
    ["/v1/messages", { ...chat, max_tokens: 9 }, 529, '"type":"overloaded_error"'],
  ];

  test("no room: 503 with a time to try again, and room again when those before have left", async () => {
    const service = await start();
    const stalled = Array.from({ length: FULL + 1 }, () =>
      stall(service, "/backend-api/codex/responses", MAX_BODY_BYTES),
    );
    async function ask(path: string, body: object) {
      const headers = { "content-type": "application/json" };
      const reply = await service.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
      return { status: reply.status, retryAfter: reply.headers.get("retry-after"), text: await reply.text() };
    }
    // One more than there is room for: when it is refused, the others are in.
    await Promise.race(stalled.map(({ answered }) => answered));
    for (const [path, body, status, words] of paths) {
      const reply = await ask(path, body);
      expect(reply).toMatchObject({ status, retryAfter: "5" });
      expect(reply.text).toContain(words);
    }
    for (const socket of sockets.splice(0)) socket.destroy();
    for (const [path, body] of paths) while ((await ask(path, body)).status !== 200);
    const count = (codes: unknown[], code: string) => codes.filter((one) => one === code).length;
    let codes = await codesOf(service, 1);
    while (count(codes, "client_left") < FULL || count(codes, "server_busy") < paths.length)
      codes = await codesOf(service, 1);
  });

  test("too slow: 408, after which the connection is closed", async () => {
    const hundredfold: Clock = {
      ...systemClock,
      monotonic: () => systemClock.monotonic() * 100,
      schedule: (delayMs, task) => systemClock.schedule(delayMs / 100, task),
    };
    const service = await start(hundredfold);
    const replies = await Promise.all(
      [1_000, 2 * MIB].flatMap((bytes) => paths.map(([path]) => stall(service, path, bytes).reply)),
    );
    for (const reply of replies) {
      expect(reply).toStartWith("HTTP/1.1 408");
      expect(reply.toLowerCase()).toContain("connection: close");
      expect(reply).toContain("the request's body came too slowly");
    }
    expect(replies[0]).toContain('"code":"request_timeout"');
    expect(await codesOf(service, replies.length)).toEqual(replies.map(() => "request_timeout"));
  });
});
