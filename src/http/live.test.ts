/** Claims about the live feed. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { connect } from "node:net";
import { type RunningService, startService, TEST_ADMIN_TOKEN } from "../testing/running-service.ts";
import { createLiveFeed } from "./live.ts";

let service: RunningService;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.stop());

/** The events of an open feed, one by one. */
async function* events(body: ReadableStream<Uint8Array>) {
  let text = "";
  const decoder = new TextDecoder();
  for await (const chunk of body) {
    text += decoder.decode(chunk, { stream: true });
    for (let end = text.indexOf("\n\n"); end >= 0; end = text.indexOf("\n\n")) {
      const block = text.slice(0, end);
      text = text.slice(end + 2);
      const name = /^event: (.*)$/m.exec(block)?.[1];
      const data = /^data: (.*)$/m.exec(block)?.[1];
      if (name && data) yield { name, data: JSON.parse(data) as Record<string, unknown> };
    }
  }
}

test("a request is seen when it starts, when it has an account, and when it ends; then its account", async () => {
  const reply = await service.admin("/api/live");
  expect(reply.headers.get("content-type")).toBe("text/event-stream");
  const feed = events(reply.body!);
  const next = async () => (await feed.next()).value!;
  const turn = service.turn();
  const seen = [await next(), await next(), await next()];
  expect(seen.map(({ name }) => name)).toEqual(["request_started", "request_started", "request_finished"]);
  expect(seen[0]!.data.accountId).toBeNull();
  expect(service.accountIds).toContain(seen[1]!.data.accountId as string);
  expect(seen[2]!.data).toMatchObject({ requestId: seen[0]!.data.requestId, status: "ok", model: "gpt-5.5" });
  await turn;
  const [id] = service.accountIds;
  await service.adminJson(`/api/accounts/${id}/pause`, { method: "POST" });
  let event = await next();
  while (event.data.accountId !== id || event.data.status !== "paused") event = await next();
  expect(event.name).toBe("account_changed");
  await service.adminJson(`/api/accounts/${id}/reactivate`, { method: "POST" });
  await feed.return(undefined);
});

test("a client that reads nothing is let go; those that read get everything", async () => {
  const live = createLiveFeed();
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => live.open() });
  const stalled = connect(server.port!, "127.0.0.1");
  stalled.pause();
  stalled.write(`GET / HTTP/1.1\r\nhost: x\r\n\r\n`);
  const reader = events((await fetch(server.url)).body!);
  while (live.clients() < 2) await Bun.sleep(1);
  const text = "x".repeat(10_000);
  let sent = 0;
  while (live.clients() === 2 && sent < 20_000) {
    live.publish("request_started", () => ({ number: sent, text }));
    sent++;
    expect((await reader.next()).value!.data.number).toBe(sent - 1);
  }
  expect(live.clients()).toBe(1);
  stalled.destroy();
  live.stop();
  await server.stop(true);
});

test("there is a bound on listeners, and an end for all of them", async () => {
  const live = createLiveFeed();
  const open = Array.from({ length: 64 }, () => live.open());
  expect(() => live.open()).toThrow(expect.objectContaining({ code: "rate_limited", status: 429 }));
  const texts = open.map((reply) => reply.text());
  live.stop();
  expect((await Promise.all(texts)).every((text) => text.startsWith("retry: "))).toBe(true);
  expect(live.clients()).toBe(0);
});

test("a stop of the service ends open feeds instead of waiting for them", async () => {
  const short = await startService({ accounts: [{}] });
  const reply = await fetch(`${short.url}/api/live`, {
    headers: { authorization: `Bearer ${TEST_ADMIN_TOKEN}` },
  });
  const startedAt = performance.now();
  const rest = reply.text();
  await short.stop();
  await rest;
  expect(performance.now() - startedAt).toBeLessThan(900);
});
