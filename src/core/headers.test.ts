/** Claims about what a relayed request's head can hold. */
import { expect, test } from "bun:test";
import { upstreamHead } from "./headers.ts";

function headWith(headers: [string, string][]): string {
  return upstreamHead({
    method: "POST",
    target: "/backend-api/codex/responses",
    host: "chatgpt.com",
    headers,
    identity: { bearer: "b", chatgptAccountId: "a", routingOverride: null, cookie: "c=1", drop: null },
    bodyBytes: 0,
  });
}

test.each(["a\r\nx-planted: 1", "a\nb", "a\rb", "a\0b", "a\u010d\u010ax-planted: 1", "a\u2028b", "a\x7fb"])(
  "a value that could end its line (%j) is left out, and nothing else with it",
  (value) => {
    const head = headWith([
      ["session-id", value],
      ["thread-id", "t\xe9"],
    ]);
    expect(Buffer.from(head, "latin1").toString("latin1").split("\r\n")).toEqual([
      "POST /backend-api/codex/responses HTTP/1.1",
      "host: chatgpt.com",
      "thread-id: t\xe9",
      "authorization: Bearer b",
      "chatgpt-account-id: a",
      "cookie: c=1",
      "content-length: 0",
      "",
      "",
    ]);
  },
);

test("who asked, and with what, is not told upstream", () => {
  const names = ["authorization", "cookie", "x-lb-key", "x-forwarded-for", "x-client-ip", "x-forwarded-user"];
  const head = headWith(names.map((name) => [name, "of-the-client"]));
  expect(head).not.toContain("of-the-client");
});
