/** Claims about requests that are wrong: each gets an OpenAI-shaped 4xx, blames no account, and costs bounded memory. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { zstdCompressSync } from "node:zlib";
import { residentBytes, RESPONSES_PATH, rowsOnceWritten, startPool, turnBody } from "./harness.ts";
import { beginLongSilence } from "./idle-stream.ts";
import { openRaw, requestHead } from "./raw-client.ts";
import { waitFor } from "./wait.ts";

const MEBIBYTE = 1024 * 1024;
/** The largest body that is read, and what reading one may take for a moment: as it came, joined, and one plain copy. */
const MAX_BODY_BYTES = 128 * MEBIBYTE;
const MEMORY_LIMIT_BYTES = 4 * MAX_BODY_BYTES;

let pool: Awaited<ReturnType<typeof startPool>>;

beforeAll(async () => {
  beginLongSilence();
  pool = await startPool({ accounts: 2 });
});

afterAll(() => pool?.dispose());

interface BadRequest {
  headers: Record<string, string>;
  pieces(): Iterable<Uint8Array>;
}

function whole(body: Uint8Array | string, headers: Record<string, string> = {}): BadRequest {
  const bytes = Buffer.from(body as string);
  return { headers: { "content-length": String(bytes.length), ...headers }, pieces: () => [bytes] };
}

/** 200 MB of blanks, announced or not. */
function huge(chunked: boolean): BadRequest {
  const block = Buffer.alloc(MEBIBYTE, " ");
  const piece = chunked ? Buffer.concat([Buffer.from("100000\r\n"), block, Buffer.from("\r\n")]) : block;
  return {
    headers: chunked ? { "transfer-encoding": "chunked" } : { "content-length": String(200 * MEBIBYTE) },
    *pieces() {
      for (let sent = 0; sent < 200; sent++) yield piece;
      if (chunked) yield Buffer.from("0\r\n\r\n");
    },
  };
}

const good = JSON.stringify(turnBody("hi"));
const deep = `{"model":"gpt-5.5","input":${"[".repeat(5000)}${"]".repeat(5000)}}`;
const bomb = zstdCompressSync(Buffer.alloc(1024 * MEBIBYTE));

const BAD: [title: string, request: () => BadRequest, code: string][] = [
  ["nothing", () => whole(""), "invalid_json"],
  ["truncated JSON", () => whole(good.slice(0, -20)), "invalid_json"],
  ["JSON that goes on after its end", () => whole(`${good}}`), "invalid_json"],
  ["a list", () => whole("[]"), "invalid_json"],
  ["bytes that are no text", () => whole(new Uint8Array([0, 255, 254, 1])), "invalid_json"],
  ["JSON nested 5,000 deep", () => whole(deep), "invalid_json"],
  ["no model", () => whole('{"input":[]}'), "missing_model"],
  ["a model that is no text", () => whole('{"model":7,"input":[]}'), "missing_model"],
  ["plain text", () => whole(good, { "content-type": "text/plain" }), "unsupported_content_type"],
  [
    "a form",
    () => whole("a=b", { "content-type": "application/x-www-form-urlencoded" }),
    "unsupported_content_type",
  ],
  [
    "an encoding nobody sends",
    () => whole(good, { "content-encoding": "gzip" }),
    "unsupported_content_encoding",
  ],
  ["bytes that are no zstd", () => whole(good, { "content-encoding": "zstd" }), "invalid_body"],
  [
    "truncated zstd",
    () => whole(zstdCompressSync(Buffer.from(good)).subarray(0, -4), { "content-encoding": "zstd" }),
    "invalid_json",
  ],
  [
    "32 KB of zstd that stand for 1 GB",
    () => whole(bomb, { "content-encoding": "zstd" }),
    "payload_too_large",
  ],
  ["200 MB with a length", () => huge(false), "payload_too_large"],
  ["200 MB in chunks", () => huge(true), "payload_too_large"],
];

describe("is answered with an OpenAI-shaped 4xx on a connection that goes on", () => {
  test.each(BAD)("%s", async (_title, request, code) => {
    const { headers, pieces } = request();
    const { port } = pool.service;
    const client = await openRaw({ port, path: RESPONSES_PATH, headers });
    let most = 0;
    for (const piece of pieces()) {
      client.write(piece);
      await waitFor("the piece is sent", () => {
        most = Math.max(most, residentBytes(pool.service.pid));
        return client.unsentBytes() === 0;
      });
    }
    const body = await waitFor("an answer", () => /\r\n\r\n(\{.*\})$/.exec(client.text())?.[1]);
    expect(client.status()).toBe(400);
    expect(JSON.parse(body)).toEqual({
      error: expect.objectContaining({ code, type: "invalid_request_error", message: expect.any(String) }),
    });
    expect(most).toBeLessThan(MEMORY_LIMIT_BYTES);

    const before = client.received();
    client.write(requestHead({ port, path: RESPONSES_PATH, body: good }) + good);
    await waitFor("a reply to the next request on it", () => client.received() > before && client.ended());
    expect(client.text()).toContain("response.completed");
    client.leave();
  });

  test("and none is held against an account or reached it", async () => {
    const rows = await rowsOnceWritten(pool.service, 2 * BAD.length);
    const refused = rows.filter((row) => row["status"] === "error");
    expect(refused.map((row) => row["error_code"])).toEqual(BAD.map(([, , code]) => code));
    expect(refused.every((row) => row["account_id"] === null && row["attempts"] === "[]")).toBe(true);
    expect(pool.simulator.counters.byRoute["responses"]).toBe(BAD.length);
    const reply = await fetch(`${pool.service.url}/api/accounts`);
    const { accounts } = (await reply.json()) as { accounts: { status: string }[] };
    expect(accounts.map(({ status }) => status)).toEqual(["active", "active"]);
  });
});
