/** Turns over a WebSocket: prewarm, chains, interrupts, error frames, limits, and what closes. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { openSocket, startSimulator, turnBody, until } from "./test-support.ts";

const TERMINAL = ["response.completed", "error"];
const types = (frames: { type: string }[]) => frames.map((frame) => frame.type);

test("prewarm, turn and follow-up answer with the captured frames, chained on the socket", async () => {
  const simulator = await startSimulator();
  const client = await openSocket(simulator);
  const captured = (await Bun.file(
    join(import.meta.dir, "fixtures/ws-server-frames-accepted.json"),
  ).json()) as {
    frames: { type: string }[];
  }[];
  client.create({ ...turnBody(""), input: [], generate: false });
  const warm = await client.next(...TERMINAL);
  expect(types(warm).filter((type) => type !== "response.metadata")).toEqual(types(captured[0]!.frames));
  const warmId = warm[0]!.response.id as string;
  client.create({ ...turnBody("hi"), previous_response_id: warmId });
  const turn = await client.next(...TERMINAL);
  const wanted = types(captured[1]!.frames);
  expect(types(turn).filter((type) => wanted.includes(type))).toEqual(wanted);
  expect(turn.find((frame) => frame.type === "response.metadata")!.headers["x-codex-turn-state"]).toStartWith(
    "ts-",
  );
  client.create({ ...turnBody("more"), previous_response_id: turn.at(-1)!.response.id });
  const second = (await client.next(...TERMINAL)).at(-1)!;
  expect(second.response.usage.input_tokens).toBeGreaterThan(turn.at(-1)!.response.usage.input_tokens);
  client.socket.close();
  await until(() => simulator.counters.openWebSockets === 0 && simulator.counters.openSockets === 0);
});

test("a response id is unknown on every other socket", async () => {
  const simulator = await startSimulator({ accounts: [{}, {}] });
  const first = await openSocket(simulator);
  first.create(turnBody("hi"));
  const id = (await first.next(...TERMINAL)).at(-1)!.response.id as string;
  for (const account of [0, 1]) {
    const other = await openSocket(simulator, account);
    other.create({ ...turnBody("hi"), previous_response_id: id });
    expect((await other.next(...TERMINAL)).at(-1)).toMatchObject({
      type: "error",
      status: 400,
      error: { code: "previous_response_not_found" },
    });
  }
});

test("an interrupt ends the running response and the socket goes on", async () => {
  const simulator = await startSimulator();
  simulator.addScript({
    turn: { kind: "filled", events: 100, bytesPerEvent: 5 },
    delivery: { gapMs: 60_000 },
  });
  const client = await openSocket(simulator);
  client.create(turnBody("hi"));
  await client.next("codex.rate_limits");
  client.socket.send(
    JSON.stringify({ type: "response.interrupt", response_id: "x", mode: "discard_partial_items" }),
  );
  expect(types(await client.next("response.completed"))).not.toContain("response.output_item.done");
  client.create(turnBody("hi"));
  expect((await client.next(...TERMINAL)).at(-1)!.type).toBe("response.completed");
});

test("a spent account answers an error frame with status and headers", async () => {
  const simulator = await startSimulator({
    accounts: [{ windows: [{ minutes: 10_080, usedPercent: 100 }] }],
  });
  const client = await openSocket(simulator);
  client.create(turnBody("hi"));
  const frame = (await client.next("error")).at(-1)!;
  expect(frame).toMatchObject({ status: 429, error: { type: "usage_limit_reached", plan_type: "plus" } });
  expect(frame.headers["x-codex-primary-used-percent"]).toBe("100");
});

test("after 60 minutes the next turn gets the limit frame, and the socket closes", async () => {
  const simulator = await startSimulator();
  const client = await openSocket(simulator);
  simulator.advance(60 * 60_000);
  client.create(turnBody("hi"));
  expect((await client.next("error")).at(-1)).toMatchObject({
    status: 400,
    error: { code: "websocket_connection_limit_reached" },
  });
  await until(() => client.closeCode !== null);
});

test("a message above 16,777,216 bytes closes with 1009; one just below is answered", async () => {
  const simulator = await startSimulator({ accounts: [{ windows: [], maxContextTokens: 1e9 }] });
  const client = await openSocket(simulator);
  const envelope = JSON.stringify({ type: "response.create", ...turnBody("") }).length;
  client.create(turnBody("x".repeat(16_777_216 - envelope)));
  expect((await client.next(...TERMINAL)).at(-1)!.type).toBe("response.completed");
  client.create(turnBody("x".repeat(16_777_216 - envelope + 1)));
  await until(() => client.closeCode !== null);
  expect(client.closeCode).toBe(1009);
});

test("a refused handshake, a reset mid-turn and a client that vanishes leave nothing open", async () => {
  const simulator = await startSimulator();
  simulator.addFault({ route: "websocket", act: { kind: "error", name: "upgrade_required" } });
  const refused = await openSocket(simulator);
  await until(() => refused.closeCode !== null);
  expect(simulator.requests.at(-1)).toMatchObject({ route: "websocket", status: 426 });

  simulator.addFault({ moment: "after_text", act: { kind: "reset" } });
  const reset = await openSocket(simulator);
  reset.create(turnBody("hi"));
  await until(() => reset.closeCode !== null);
  expect(types(reset.frames)).toContain("response.output_text.delta");
  expect(types(reset.frames)).not.toContain("response.completed");

  simulator.addFault({ moment: "after_created", act: { kind: "hang" } });
  const vanishing = await openSocket(simulator);
  vanishing.create(turnBody("hi"));
  vanishing.create(turnBody("waits behind the first"));
  await vanishing.next("response.created");
  await until(() => simulator.counters.openRequests === 2);
  vanishing.socket.terminate();
  await until(() => simulator.counters.openSockets === 0);
  expect(simulator.counters).toMatchObject({ openRequests: 0, openWebSockets: 0, aborted: 2 });
});
