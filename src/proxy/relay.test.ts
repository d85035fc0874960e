/** The end of a reply is told once, also to clients that were gone before it began; one that is not whole looks like it. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createDrain } from "./drain.ts";
import type { CommittedReply } from "./http-attempt.ts";
import { followReply, relayReply, type RelayEnd } from "./relay.ts";

function setUp(read: CommittedReply["read"]) {
  const clock = createFakeClock();
  const drain = createDrain(clock);
  const ends: RelayEnd[] = [];
  let cancelled = 0;
  const reply: CommittedReply = {
    transport: "http",
    status: 200,
    headers: [],
    held: [],
    read,
    pause: () => {},
    cancel: () => void cancelled++,
    revoked: false,
    observer: null,
    scanner: null,
    header: () => null,
  };
  const gone = {
    left: () => true,
    onLeave(callback: () => void) {
      callback();
      return () => {};
    },
  };
  const options = { client: gone, clock, drain, onEnd: (end: RelayEnd) => void ends.push(end) };
  return { reply, options, ends, drain, cancelled: () => cancelled };
}

test("a client that left before the reply is relayed ends it at once, and nothing is left open", async () => {
  const { reply, options, ends, drain, cancelled } = setUp(() => null);
  const following = followReply(reply, options);
  expect(following.ended()).toBe(true);
  expect(ends).toEqual(["client_left"]);
  expect(cancelled()).toBe(1);
  expect(drain.active()).toBe(0);
  following.end(
    await following.run(
      () => {},
      () => {},
    ),
  );
  expect(ends).toEqual(["client_left"]);
});

test("and its stream is made all the same", async () => {
  const { reply, options, ends } = setUp(() => null);
  expect(await new Response(relayReply(reply, options)).text()).toBe("");
  expect(ends).toEqual(["client_left"]);
});

test("a reply without events that upstream cuts breaks off before its end, and nothing is printed about it", async () => {
  const child = Bun.spawn([process.execPath, join(import.meta.dir, "fixtures/cut-reply.ts")], {
    stdout: "pipe",
    stderr: "pipe",
  });
  const [got, printed] = await Promise.all([child.stdout.text(), child.stderr.text()]);
  expect(await child.exited).toBe(0);
  expect(got).toContain("200 OK");
  expect(got).toContain("the first half");
  // No last chunk: whoever reads it knows that more was to come.
  expect(got).not.toContain("\r\n0\r\n");
  expect(printed).toBe("");
});
