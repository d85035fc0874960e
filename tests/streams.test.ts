/** Claims about streams through the executable: many at once, silent ones, left ones, and every byte as it came. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import type { Delivery } from "../src/simulator/simulator.ts";
import {
  askTurn,
  requestsInFlight,
  RESPONSES_PATH,
  rowsOnceWritten,
  startPool,
  turnBody,
} from "./harness.ts";
import { AROUND_MS, IDLE_MS, idleStreams } from "./idle-stream.ts";
import { openRaw, type RawClient } from "./raw-client.ts";
import { waitFor } from "./wait.ts";

const MANY_LIMIT_MS = 30_000;

let pool: Awaited<ReturnType<typeof startPool>>;

beforeAll(async () => {
  void idleStreams();
  pool = await startPool({ accounts: 2 });
});

afterEach(() => {
  pool.simulator.clearFaults();
  pool.simulator.clearScripts();
});

afterAll(() => pool?.dispose());

const sha256 = (bytes: Uint8Array) => createHash("sha256").update(bytes).digest("hex");
const turn = (text: string) => JSON.stringify(turnBody(text));
const open = (text: string, stallAfterBytes?: number) =>
  openRaw({ port: pool.service.port, path: RESPONSES_PATH, body: turn(text), stallAfterBytes });

async function nothingIsOpen(): Promise<void> {
  await waitFor("no request is open upstream", () => pool.simulator.counters.openRequests === 0);
  let inFlight = -1;
  await waitFor("no request is in flight", () => {
    void requestsInFlight(pool.service).then((count) => (inFlight = count));
    return inFlight === 0;
  });
}

test("400 streams that are open at once are all served at once", async () => {
  const count = 400;
  pool.simulator.addFault({
    when: { bodyIncludes: "open-400" },
    moment: "after_text",
    act: { kind: "hang" },
    times: null,
  });
  const clients = await Promise.all(Array.from({ length: count }, () => open("open-400")));
  const served = (client: RawClient) => client.text().includes("response.output_text.delta");
  await waitFor("all show text", () => clients.every(served), MANY_LIMIT_MS);
  expect(pool.simulator.counters.openRequests).toBe(count);
  expect(await requestsInFlight(pool.service)).toBe(count);
  for (const client of clients) client.leave();
  await nothingIsOpen();
});

describe("1,000 abrupt disconnects leave no upstream request and no in-flight count behind", () => {
  const BATCH = 100;
  const MOMENTS: [title: string, batches: number, leave: (title: string) => Promise<void>][] = [
    [
      "before upstream answers",
      3,
      async (title) => {
        pool.simulator.addFault({ when: { bodyIncludes: title }, act: { kind: "hang" }, times: null });
        const clients = await openBatch(title);
        await waitFor("all are upstream", () => pool.simulator.counters.openRequests === BATCH);
        for (const client of clients) client.leave();
      },
    ],
    [
      "in the middle of the text",
      3,
      async (title) => {
        pool.simulator.addFault({
          when: { bodyIncludes: title },
          moment: "after_text",
          act: { kind: "hang" },
          times: null,
        });
        const clients = await openBatch(title);
        await waitFor("all are served", () =>
          clients.every((client) => client.text().includes("output_text.delta")),
        );
        for (const client of clients) client.leave();
      },
    ],
    [
      "while the client is behind",
      1,
      async (title) => {
        pool.simulator.addScript({
          when: { bodyIncludes: title },
          turn: { kind: "filled", events: 512, bytesPerEvent: 16_384 },
          times: null,
        });
        const clients = await openBatch(title, 1);
        await waitFor("all are served", () => clients.every((client) => client.received() > 0));
        for (const client of clients) client.leave();
      },
    ],
    [
      "right after sending",
      2,
      async (title) => {
        for (const client of await openBatch(title)) client.leave();
      },
    ],
    [
      "in the middle of the request",
      1,
      async (title) => {
        const headers = { "content-length": "1000000" };
        const clients = await Promise.all(
          Array.from({ length: BATCH }, () =>
            openRaw({ port: pool.service.port, path: RESPONSES_PATH, headers, body: turn(title) }),
          ),
        );
        for (const client of clients) client.leave();
      },
    ],
  ];
  const openBatch = (title: string, stallAfterBytes?: number) =>
    Promise.all(Array.from({ length: BATCH }, () => open(title, stallAfterBytes)));

  test.each(MOMENTS)("%s", async (title, batches, leave) => {
    for (let batch = 0; batch < batches; batch++) {
      await leave(title);
      await nothingIsOpen();
    }
  });

  test("and blame no account", async () => {
    expect((await askTurn(pool.service, "still there?")).status).toBe(200);
    const { accounts } = (await (await fetch(`${pool.service.url}/api/accounts`)).json()) as {
      accounts: { status: string }[];
    };
    expect(accounts.map(({ status }) => status)).toEqual(["active", "active"]);
    await waitFor("the log has those who left", () => {
      const cancelled = pool.service.rows().filter((row) => row["status"] === "cancelled");
      return cancelled.length >= 700;
    });
    expect(pool.service.rows().filter((row) => row["status"] === "error")).toEqual([]);
  });
});

describe("request bytes out are request bytes in", () => {
  const odd = `{ "model" : "gpt-5.5",\r\n\t"stream":true , "store":false, "unknown_field": {"é": 1e2, "n": 1.0}, "input":[{"type":"message","role":"user","content":[{"type":"input_text","text":"naïve \\u00e9 日本語 🎉"}]}] }\n`;
  const large = JSON.stringify(turnBody("x".repeat(1_000_000)));
  const huge = JSON.stringify({ ...turnBody("hi"), client_metadata: { picture: "y".repeat(20_000_000) } });
  const zstd = (text: string) => new Uint8Array(zstdCompressSync(Buffer.from(text)));
  const BODIES: [title: string, body: Uint8Array, headers: Record<string, string>][] = [
    ["JSON with its own blanks, escapes and unknown fields", Buffer.from(odd), {}],
    ["one megabyte", Buffer.from(large), {}],
    ["twenty megabytes", Buffer.from(huge), {}],
    ["compressed with zstd", zstd(odd), { "content-encoding": "zstd" }],
    ["twenty megabytes compressed with zstd", zstd(huge), { "content-encoding": "zstd" }],
  ];

  test.each(BODIES)("%s", async (_title, body, headers) => {
    pool.simulator.clearRequests();
    const response = await fetch(pool.service.url + RESPONSES_PATH, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: body as Uint8Array<ArrayBuffer>,
    });
    expect(response.status).toBe(200);
    await response.bytes();
    const [entry] = pool.simulator.requests.filter(({ route }) => route === "responses");
    expect(entry).toMatchObject({ bodyBytes: body.byteLength, bodySha256: sha256(body) });
  });

  test("sent in chunks of its own, without a length", async () => {
    pool.simulator.clearRequests();
    const body = Buffer.from(odd);
    const request = {
      port: pool.service.port,
      path: RESPONSES_PATH,
      headers: { "transfer-encoding": "chunked" },
    };
    const client = await openRaw(request);
    for (let at = 0; at < body.length; at += 7) {
      const piece = body.subarray(at, at + 7);
      client.write(
        Buffer.concat([Buffer.from(`${piece.length.toString(16)}\r\n`), piece, Buffer.from("\r\n")]),
      );
    }
    client.write("0\r\n\r\n");
    await waitFor("the reply has ended", () => client.ended());
    const [entry] = pool.simulator.requests.filter(({ route }) => route === "responses");
    expect(entry).toMatchObject({ bodyBytes: body.byteLength, bodySha256: sha256(body) });
  });
});

describe("reply bytes out are reply bytes in", () => {
  const event = (type: string, fields: Record<string, unknown>) =>
    `event: ${type}\ndata: ${JSON.stringify({ type, ...fields })}\n\n`;
  const created = event("response.created", { response: { id: "resp_bytes", model: "gpt-5.5" } });
  const text = event("response.output_text.delta", { delta: "naïve – 日本語 – 🎉🎉 – \\u00e9" });
  const usage = { input_tokens: 3, output_tokens: 4, total_tokens: 7 };
  const completed = event("response.completed", { response: { id: "resp_bytes", usage } });
  const plain = created + text.repeat(20) + completed;
  const strange = `: a comment\r\n\r\n${created.replaceAll("\n", "\r\n")}${text}${text.replaceAll("\n", "\r")}event: nobody.knows\ndata: {"type":"nobody.knows"}\ndata:\n\n${completed}data: [DONE]\n\n: after the end`;
  const DELIVERIES: [title: string, body: string, delivery: Delivery][] = [
    ["one byte per chunk", plain, { pieceBytes: 1 }],
    ["one byte per chunk and per read", created + text + completed, { pieceBytes: 1, pieceGapMs: 1 }],
    ["two bytes per chunk, which splits UTF-8", plain, { pieceBytes: 2 }],
    [
      "three bytes per chunk, each its own read",
      created + text + completed,
      { pieceBytes: 3, pieceGapMs: 1 },
    ],
    ["chunks that end inside `data:` lines", plain, { pieceBytes: 101 }],
    ["with a length and no chunks", plain, { framing: "length" }],
    ["ended by closing the connection", plain, { framing: "close" }],
    ["pieces of an unframed reply", plain, { framing: "close", pieceBytes: 5, pieceGapMs: 0 }],
    ["comments, CRLF, CR, unknown events, [DONE], and a rest", strange, { pieceBytes: 11 }],
    ["a large one", created + text.repeat(100_000) + completed, {}],
  ];

  test.each(DELIVERIES)("%s", async (title, body, delivery) => {
    pool.simulator.addScript({ when: { bodyIncludes: title }, turn: { kind: "raw", body }, delivery });
    const { status, bytes } = await askTurn(pool.service, title);
    expect(status).toBe(200);
    const expected = Buffer.from(body);
    expect({ length: bytes.byteLength, sha256: sha256(bytes) }).toEqual({
      length: expected.byteLength,
      sha256: sha256(expected),
    });
  });

  test("and what they say is read all the same: tokens are in the log", async () => {
    const before = pool.service.rows().length;
    pool.simulator.addScript({
      when: { bodyIncludes: "count me" },
      turn: { kind: "raw", body: plain },
      delivery: { pieceBytes: 1 },
    });
    await askTurn(pool.service, "count me");
    const rows = await rowsOnceWritten(pool.service, before + 1);
    expect(rows.at(-1)).toMatchObject({ status: "ok", input_tokens: 3, output_tokens: 4 });
  });
});

test(
  `a stream that is silent for ${IDLE_MS / 1000} s goes on afterwards, before and after its first text`,
  async () => {
    for (const { silenceMs, reply } of await idleStreams()) {
      const { text, ms } = await reply;
      expect(ms).toBeGreaterThan(silenceMs);
      expect(text).toContain("event: response.completed");
      expect(text).not.toContain("response.failed");
    }
  },
  IDLE_MS + AROUND_MS,
);
