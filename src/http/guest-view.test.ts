/** Claims about what guests see: every e-mail address masked, also one that two chunks cut apart. */
import { expect, test } from "bun:test";
import { maskEmails, maskForGuests } from "./guest-view.ts";

test.each([
  ['{"email":"alice@example.com"}', '{"email":"a…@example.com"}'],
  [
    "Jörg <jörg.müller+codex@sub.example.co.uk>, b@example.com",
    "Jörg <j…@sub.example.co.uk>, b…@example.com",
  ],
  ["no address: @codex-lb, a@b, 5 @ 3", "no address: @codex-lb, a@b, 5 @ 3"],
])("%p is seen as %p", (text, seen) => expect(maskEmails(text)).toBe(seen));

test("a stream is masked line by line, and its end is not lost", async () => {
  const pieces = ['data: {"email":"ali', "ce@exam", 'ple.com"}\n\ndata: b', "ob@example.com"];
  const body = new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });
  const reply = await maskForGuests(new Response(body, { headers: { "content-type": "text/event-stream" } }));
  expect(await reply.text()).toBe('data: {"email":"a…@example.com"}\n\ndata: b…@example.com');
});

test("what is no text stays as it is", async () => {
  const reply = await maskForGuests(
    new Response("alice@example.com", { headers: { "content-type": "image/png" } }),
  );
  expect(await reply.text()).toBe("alice@example.com");
});
