import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import net from "node:net";
import { systemClock, systemRandom } from "../ports.ts";
import { createHttp1Client, parseOrigin } from "./http1.ts";
import { TransportError } from "./transport-error.ts";
import { createWebSocketClient, type UpstreamSocket } from "./websocket.ts";
import { encodeClientFrame } from "./websocket-frames.ts";

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

interface Peer {
  socket: net.Socket;
  head: string;
  /** What came after the handshake. */
  received(): Buffer;
}

/** A server that writes `answer(key)` to a handshake and hands its connection over. */
async function serverOf(
  answer: (accept: string) => string,
  onOpen: (peer: Peer) => void = () => {},
): Promise<string> {
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    let got = Buffer.alloc(0);
    let head = "";
    socket.on("data", (bytes) => {
      got = Buffer.concat([got, bytes as Buffer]);
      if (head !== "") return;
      const end = got.indexOf("\r\n\r\n");
      if (end < 0) return;
      head = got.toString("latin1", 0, end);
      got = got.subarray(end + 4);
      const key = /sec-websocket-key: (\S+)/.exec(head)?.[1] ?? "";
      const accept = createHash("sha1").update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest("base64");
      socket.write(answer(accept));
      onOpen({ socket, head, received: () => got });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

const accepted = (accept: string) =>
  `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\nx-models-etag: e1\r\n\r\n`;

function dial(url: string) {
  const http = createHttp1Client(systemClock);
  stops.push(() => http.stop());
  const { origin } = parseOrigin(url);
  const head = `GET /codex/responses HTTP/1.1\r\nhost: ${origin.host}\r\nauthorization: Bearer t\r\n\r\n`;
  return createWebSocketClient({ http, random: systemRandom }).dial({
    origin,
    head,
    connectTimeoutMs: 2_000,
  });
}

async function open(onOpen: (peer: Peer) => void): Promise<UpstreamSocket> {
  const answer = await dial(await serverOf(accepted, onOpen)).answer;
  if (answer.kind !== "open") throw new Error("rejected");
  return answer.socket;
}

/** A server's frame: unmasked. */
function frame(first: number, payload: Uint8Array | string): Buffer {
  const body = Buffer.from(payload as string);
  const head =
    body.length < 126
      ? Buffer.from([first, body.length])
      : body.length < 65_536
        ? Buffer.from([first, 126, body.length >> 8, body.length & 0xff])
        : Buffer.concat([
            Buffer.from([first, 127, 0, 0, 0, 0]),
            Buffer.from([24, 16, 8, 0].map((shift) => body.length >> shift)),
          ]);
  return Buffer.concat([head, body]);
}

async function messages(socket: UpstreamSocket): Promise<string[]> {
  const all: string[] = [];
  for (;;) {
    const message = await socket.receive();
    if (message === null) return all;
    all.push(message.toString("utf8"));
  }
}

test("the handshake carries our headers, no extension, and its answer's headers are readable", async () => {
  let head = "";
  const socket = await open((peer) => {
    ({ head } = peer);
    peer.socket.end();
  });
  expect(socket.headers.get("x-models-etag")).toBe("e1");
  expect(head).toStartWith("GET /codex/responses HTTP/1.1\r\nhost: ");
  expect(head).toContain("\r\nauthorization: Bearer t\r\n");
  expect(head).toContain("\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\n");
  expect(head.toLowerCase()).not.toContain("extensions");
});

test("a rejected handshake gives status, headers and body", async () => {
  const body = '{"error":{"type":"usage_limit_reached"}}';
  const url = await serverOf(
    () => `HTTP/1.1 429 Too Many Requests\r\nretry-after: 7\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
  );
  const answer = await dial(url).answer;
  if (answer.kind !== "rejected") throw new Error("opened");
  expect(answer.reply.status).toBe(429);
  expect(answer.reply.headers.get("retry-after")).toBe("7");
  expect(Buffer.from((await answer.reply.read())!).toString()).toBe(body);
});

test("a server that answers with the wrong proof is none", async () => {
  const url = await serverOf(() => accepted("bm90IHRoZSBrZXk="));
  const error = await dial(url).answer.catch((cause: unknown) => cause);
  expect(error).toBeInstanceOf(TransportError);
  expect((error as TransportError).code).toBe("not_websocket");
});

describe("messages are whole however their bytes arrive", () => {
  const long = "é".repeat(400);
  const huge = "x".repeat(300_000);
  const wire = Buffer.concat([
    frame(0x81, "one"),
    frame(0x81, ""),
    frame(0x01, "tw"),
    frame(0x89, "ping"),
    frame(0x80, "o"),
    frame(0x81, long),
    frame(0x81, huge),
    frame(0x82, "binary"),
    frame(0x88, Buffer.concat([Buffer.from([0x03, 0xe8]), Buffer.from("bye")])),
  ]);
  const wanted = ["one", "", "two", long, huge, "binary"];
  for (const pieceBytes of [1, 7, 1_000, wire.length]) {
    test(`in pieces of ${pieceBytes} bytes`, async () => {
      let peer!: Peer;
      const socket = await open((opened) => {
        peer = opened;
        opened.socket.setNoDelay(true);
        // One-byte pieces of the start; the rest at once, or it would take 300,000 packets.
        let at = 0;
        const next = () => {
          const end = pieceBytes === 1 && at > 1_000 ? wire.length : Math.min(at + pieceBytes, wire.length);
          opened.socket.write(wire.subarray(at, end));
          at = end;
          if (at < wire.length) setImmediate(next);
        };
        next();
      });
      expect(await messages(socket)).toEqual(wanted);
      expect(socket.ended()).toEqual({ code: 1000, reason: "bye" });
      expect(unmasked(peer.received())[0]).toEqual({ opcode: 10, text: "ping" });
    });
  }
});

/** The client's frames in `bytes`. */
function unmasked(bytes: Buffer): { opcode: number; text: string }[] {
  const frames = [];
  let at = 0;
  while (at + 6 <= bytes.length) {
    expect(bytes[at + 1]! & 0x80).toBe(0x80);
    const short = bytes[at + 1]! & 0x7f;
    const length =
      short < 126
        ? short
        : short === 126
          ? bytes.readUInt16BE(at + 2)
          : Number(bytes.readBigUInt64BE(at + 2));
    const maskAt = at + (short < 126 ? 2 : short === 126 ? 4 : 10);
    const payload = Buffer.from(bytes.subarray(maskAt + 4, maskAt + 4 + length));
    for (let i = 0; i < payload.length; i++) payload[i]! ^= bytes[maskAt + (i & 3)]!;
    frames.push({ opcode: bytes[at]! & 0x0f, text: payload.toString() });
    at = maskAt + 4 + length;
  }
  return frames;
}

test("frames of every length class are masked and come out as they went in", () => {
  for (const length of [0, 1, 2, 3, 4, 5, 125, 126, 127, 65_535, 65_536, 65_539]) {
    const text = "abcdefg".repeat(Math.ceil(length / 7)).slice(0, length);
    const encoded = encodeClientFrame(1, Buffer.from(text), new Uint8Array([1, 2, 3, 250]));
    expect(unmasked(Buffer.from(encoded))).toEqual([{ opcode: 1, text }]);
  }
});

describe("what breaks the protocol ends the socket with the code that says so", () => {
  const cases: [name: string, wire: Buffer, code: number][] = [
    ["a masked frame", Buffer.from(encodeClientFrame(1, Buffer.from("x"), new Uint8Array(4))), 1002],
    ["a reserved bit", frame(0xc1, "x"), 1002],
    ["a continuation of nothing", frame(0x80, "x"), 1002],
    ["a message inside a message", Buffer.concat([frame(0x01, "a"), frame(0x81, "b")]), 1002],
    ["an unknown opcode", frame(0x83, "x"), 1002],
    ["a fragmented ping", frame(0x09, "x"), 1002],
    ["a message of terabytes", Buffer.from([0x81, 127, 0, 0, 4, 0, 0, 0, 0, 0]), 1009],
  ];
  for (const [name, wire, code] of cases) {
    test(name, async () => {
      const socket = await open((peer) => void peer.socket.write(wire));
      expect(await messages(socket)).toEqual([]);
      expect(socket.ended()!.code).toBe(code);
    });
  }
});

test("an end without a close frame is 1006, an orderly one and a reset alike", async () => {
  for (const end of [(peer: Peer) => peer.socket.end(), (peer: Peer) => peer.socket.resetAndDestroy()]) {
    const socket = await open((peer) => void end(peer));
    expect(await messages(socket)).toEqual([]);
    expect(socket.ended()!.code).toBe(1006);
  }
});

test("a reader that stops stops the sender", async () => {
  let written = 0;
  const piece = frame(0x81, "x".repeat(60_000));
  const TOTAL = 400;
  const socket = await open((peer) => {
    const next = () => {
      while (written < TOTAL) {
        written++;
        if (!peer.socket.write(piece)) {
          peer.socket.once("drain", next);
          return;
        }
      }
      peer.socket.end(frame(0x88, Buffer.from([0x03, 0xe8])));
    };
    next();
  });
  await socket.receive();
  // The sender has filled what lies between: nothing moves any more.
  let before = -1;
  while (before !== written) {
    before = written;
    await Bun.sleep(50);
  }
  // 24 MB in all; the kernel's buffers hold some of it, we do not.
  expect(written).toBeLessThan(TOTAL / 2);
  expect((await messages(socket)).length).toBe(TOTAL - 1);
});

test("a sender is told when the other side does not read, and when it does again", async () => {
  let peer!: Peer;
  const socket = await open((opened) => {
    peer = opened;
    opened.socket.pause();
  });
  const message = Buffer.alloc(1024 * 1024, "y");
  let sent = 1;
  while (socket.send(message)) sent++;
  const drained = socket.drained();
  peer.socket.resume();
  await drained;
  socket.close(1000);
  await new Promise((resolve) => peer.socket.once("close", resolve));
  const frames = unmasked(peer.received());
  expect(frames.filter(({ opcode }) => opcode === 1).length).toBe(sent);
  expect(frames.every(({ opcode, text }) => opcode !== 1 || text === message.toString())).toBeTrue();
});
