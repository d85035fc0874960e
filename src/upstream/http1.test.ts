import { afterEach, describe, expect, test } from "bun:test";
import net from "node:net";
import { systemClock } from "../ports.ts";
import type { WireReply } from "./connection.ts";
import { createHttp1Client, parseOrigin } from "./http1.ts";
import { TransportError } from "./transport-error.ts";

const stops: (() => void)[] = [];
afterEach(() => {
  for (const stop of stops.splice(0)) stop();
});

/** A server that answers each request (read to its blank line and content-length) by `answer`. */
async function serverOf(answer: (socket: net.Socket, count: number) => void): Promise<string> {
  let count = 0;
  const server = net.createServer((socket) => {
    socket.on("error", () => {});
    let got = Buffer.alloc(0);
    socket.on("data", (bytes) => {
      got = Buffer.concat([got, bytes as Buffer]);
      const end = got.indexOf("\r\n\r\n");
      if (end < 0) return;
      const length = Number(/content-length: (\d+)/i.exec(got.toString("latin1", 0, end))?.[1] ?? 0);
      if (got.length < end + 4 + length) return;
      got = got.subarray(end + 4 + length);
      answer(socket, ++count);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  stops.push(() => server.close());
  return `http://127.0.0.1:${(server.address() as net.AddressInfo).port}`;
}

function client() {
  const http = createHttp1Client(systemClock);
  stops.push(() => http.stop());
  return http;
}

function get(http: ReturnType<typeof client>, url: string, body: Uint8Array | null = null) {
  const { origin } = parseOrigin(url);
  const length = body ? `content-length: ${body.byteLength}\r\n` : "";
  const head = `${body ? "POST" : "GET"} / HTTP/1.1\r\nhost: ${origin.host}\r\n${length}\r\n`;
  return http.send({ origin, head, body, connectTimeoutMs: 2_000 });
}

async function text(reply: WireReply): Promise<string> {
  const parts: Uint8Array[] = [];
  for (;;) {
    const bytes = await reply.read();
    if (bytes === null) return Buffer.concat(parts).toString();
    parts.push(bytes);
  }
}

describe("replies are read whatever their framing", () => {
  const cases: [name: string, wire: string, body: string, reused: boolean][] = [
    ["content-length", "HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello", "hello", true],
    ["empty", "HTTP/1.1 204 No Content\r\n\r\n", "", true],
    [
      "chunked with extension and trailer",
      "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n5;x=1\r\nhello\r\n3\r\n wé\r\n0\r\nx-t: 1\r\n\r\n",
      "hello wé",
      true,
    ],
    ["until close", "HTTP/1.0 200 OK\r\n\r\nhello", "hello", false],
    [
      "after 100 Continue",
      "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
      "ok",
      true,
    ],
    ["connection: close", "HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\nok", "ok", false],
  ];
  for (const [name, wire, body, reused] of cases) {
    for (const pieceBytes of [1, 3, 10_000]) {
      test(`${name}, in pieces of ${pieceBytes}`, async () => {
        const url = await serverOf((socket) => {
          const bytes = Buffer.from(wire.replace("wé", "wé").replace("3\r\n wé", "4\r\n wé"));
          void (async () => {
            for (let at = 0; at < bytes.length; at += pieceBytes) {
              socket.write(bytes.subarray(at, at + pieceBytes));
              await new Promise((resolve) => setImmediate(resolve));
            }
            if (!reused) socket.end();
          })();
        });
        const http = client();
        expect(await text(await get(http, url).reply)).toBe(body);
        if (reused) expect(http.openConnections()).toBe(1);
        expect(await text(await get(http, url).reply)).toBe(body);
      });
    }
  }
});

test("a request body of many megabytes arrives whole", async () => {
  const body = Buffer.alloc(20 * 1024 * 1024, "ab");
  const url = await serverOf((socket) => socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"));
  expect(await text(await get(client(), url, body).reply)).toBe("ok");
});

test("a 32 MB reply comes out byte for byte", async () => {
  const sent = Buffer.from(crypto.getRandomValues(new Uint8Array(65_536)));
  const hash = new Bun.CryptoHasher("sha256");
  const url = await serverOf((socket) => {
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${sent.length * 512}\r\n\r\n`);
    let left = 512;
    const more = () => {
      while (left > 0) if ((left--, !socket.write(sent))) return;
    };
    socket.on("drain", more);
    more();
  });
  const expected = new Bun.CryptoHasher("sha256");
  for (let i = 0; i < 512; i++) expected.update(sent);
  const reply = await get(client(), url).reply;
  for (let bytes = await reply.read(); bytes !== null; bytes = await reply.read()) hash.update(bytes);
  expect(hash.digest("hex")).toBe(expected.digest("hex"));
});

test("a kept connection that the server closed meanwhile costs no error", async () => {
  const url = await serverOf((socket, count) => {
    if (count === 2) socket.destroy();
    else socket.write("HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok");
  });
  const http = client();
  expect(await text(await get(http, url).reply)).toBe("ok");
  expect(await text(await get(http, url).reply)).toBe("ok");
});

describe("failures name their phase", () => {
  async function failure(exchange: { reply: Promise<WireReply> }): Promise<string> {
    try {
      await text(await exchange.reply);
      return "none";
    } catch (error) {
      return error instanceof TransportError ? error.phase : String(error);
    }
  }
  test("refused", async () => {
    expect(await failure(get(client(), "http://127.0.0.1:1"))).toBe("connect");
  });
  test("closed before headers", async () => {
    const url = await serverOf((socket) => socket.destroy());
    expect(await failure(get(client(), url))).toBe("headers");
  });
  test("not HTTP", async () => {
    const url = await serverOf((socket) => socket.write("SSH-2.0-x\r\n\r\n"));
    expect(await failure(get(client(), url))).toBe("headers");
  });
  test("cut in the body", async () => {
    const url = await serverOf((socket) => socket.end("HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhel"));
    expect(await failure(get(client(), url))).toBe("body");
  });
  test("bad chunk size", async () => {
    const url = await serverOf((socket) =>
      socket.write("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n"),
    );
    expect(await failure(get(client(), url))).toBe("body");
  });
  test("cancelled while connecting", async () => {
    // Takes the connection and says nothing, so that the TLS handshake never ends.
    const { promise: arrived, resolve } = Promise.withResolvers<net.Socket>();
    const server = net.createServer(resolve);
    await new Promise<void>((listening) => void server.listen(0, "127.0.0.1", listening));
    stops.push(() => server.close());
    const http = client();
    const exchange = get(http, `https://127.0.0.1:${(server.address() as net.AddressInfo).port}`);
    const outcome = exchange.reply.catch((error: unknown) => error);
    const socket = await arrived;
    const closed = new Promise((done) =>
      socket
        .on("close", done)
        .on("error", () => {})
        .resume(),
    );
    exchange.cancel();
    expect(await outcome).toMatchObject({ phase: "connect", code: "cancelled" });
    await closed;
    expect(http.openConnections()).toBe(0);
  });
  test("cancelled while waiting", async () => {
    const { promise: arrived, resolve } = Promise.withResolvers<net.Socket>();
    const url = await serverOf(resolve);
    const http = client();
    const exchange = get(http, url);
    const outcome = failure(exchange);
    const socket = await arrived;
    const closed = new Promise((done) => socket.on("close", done));
    exchange.cancel();
    expect(await outcome).toBe("headers");
    await closed;
    expect(http.openConnections()).toBe(0);
  });
});

test("a stalled reader stops the server", async () => {
  let wrote = 0;
  const url = await serverOf((socket) => {
    const piece = Buffer.alloc(65_536);
    socket.write(`HTTP/1.1 200 OK\r\ncontent-length: ${piece.length * 1024}\r\n\r\n`);
    const more = () => {
      for (;;) {
        wrote += piece.length;
        if (!socket.write(piece)) return;
      }
    };
    socket.on("drain", more);
    more();
  });
  const exchange = get(client(), url);
  const reply = await exchange.reply;
  await reply.read();
  let before = -1;
  // The kernel's buffers fill within a few turns; then nothing moves any more.
  while (before !== wrote) {
    before = wrote;
    await Bun.sleep(50);
  }
  expect(wrote).toBeLessThan(16 * 1024 * 1024);
  exchange.cancel();
});
