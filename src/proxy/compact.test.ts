/** Claims about the usage that the old compaction's JSON reply names: read from a copy, in whatever pieces, and bounded. */
import { expect, test } from "bun:test";
import { MAX_OBSERVED_EVENT_BYTES } from "../core/sse.ts";
import { observeUsage } from "./compact.ts";
import type { CommittedReply } from "./http-attempt.ts";

const USAGE = { input_tokens: 70, output_tokens: 30, total_tokens: 100 };

function replyOf(pieces: Uint8Array[]): CommittedReply {
  const left: (Uint8Array | null)[] = [...pieces, null];
  return {
    transport: "http",
    status: 200,
    headers: [],
    held: [],
    // By turns at once and later, as a connection gives them.
    read: () => (left.length % 2 === 0 ? left.shift()! : Promise.resolve(left.shift()!)),
    pause: () => {},
    cancel: () => {},
    revoked: false,
    observer: null,
    scanner: null,
    header: () => null,
  };
}

const json = (output: string) =>
  Buffer.from(JSON.stringify({ id: "resp_1", output: [output], usage: USAGE }));
const whole = json("ü");
const large = json("x".repeat(MAX_OBSERVED_EVENT_BYTES));

test.each([
  ["in one piece", [whole], USAGE],
  [
    "in pieces that split a letter",
    [whole.subarray(0, 28), whole.subarray(28, 29), whole.subarray(29)],
    USAGE,
  ],
  ["no JSON", [Buffer.from("<html>")], undefined],
  ["nothing", [], undefined],
  ["larger than is looked at", [large.subarray(0, 1_000), large.subarray(1_000)], undefined],
] as const)("%s", async (_name, pieces, usage) => {
  const reply = replyOf([...pieces]);
  observeUsage(reply);
  const came: Uint8Array[] = [];
  for (let bytes = await reply.read(); bytes !== null; bytes = await reply.read()) came.push(bytes);
  expect(Buffer.concat(came).equals(Buffer.concat([...pieces]))).toBe(true);
  expect(reply.observer?.summary().usage as typeof USAGE | undefined).toEqual(usage);
});
