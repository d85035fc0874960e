/** Turns over HTTP: the shape of the answers, refusals, quota, the prompt cache, faults at each moment, slow readers. */
import { describe, expect, test } from "bun:test";
import { join } from "node:path";
import {
  eventsOf,
  headersOf,
  postTurn,
  rawTurn,
  startSimulator,
  turnBody,
  until,
  type AnyEvent,
} from "./test-support.ts";
import type { FaultAct, FaultMoment } from "./types.ts";

const fixture = (name: string) => Bun.file(join(import.meta.dir, "fixtures", name)).text();

/** Every path of keys in a value, array positions left out. */
function paths(value: unknown, prefix = ""): string[] {
  if (typeof value !== "object" || value === null) return [prefix];
  const inside = Array.isArray(value)
    ? value.flatMap((one) => paths(one, prefix))
    : Object.entries(value).flatMap(([name, one]) => paths(one, `${prefix}.${name}`));
  return [prefix, ...inside];
}

describe("the answer", () => {
  test.each([
    ["sse-text-turn-accepted.txt", turnBody("hi")],
    [
      "sse-tool-call-accepted.txt",
      turnBody("please run: echo hello", { include: ["reasoning.encrypted_content"] }),
    ],
    ["sse-compaction-accepted.txt", turnBody("hi", { input: [{ type: "compaction_trigger" }] })],
  ])("holds every field of the capture %s, in its order of events", async (name, body) => {
    const simulator = await startSimulator();
    const captured = eventsOf(await fixture(name));
    const ours = eventsOf(await (await postTurn(simulator, body)).text());
    let at = 0;
    for (const event of captured) {
      const found = ours.findIndex(
        (one, index) => index >= at && one.type === event.type && one.item?.type === event.item?.type,
      );
      expect(found, event.type).toBeGreaterThanOrEqual(at);
      expect(paths(ours[found])).toEqual(expect.arrayContaining(paths(event)));
      at = found + 1;
    }
  });

  test("is the given bytes for a raw script, also in one-byte pieces", async () => {
    const simulator = await startSimulator();
    const body = `${await fixture("sse-text-turn-accepted.txt")}: ünïcode ✓\n\n`;
    simulator.addScript({ turn: { kind: "raw", body }, times: null, delivery: { pieceBytes: 1 } });
    expect(await (await postTurn(simulator, turnBody("hi"))).text()).toBe(body);
    const raw = rawTurn(simulator, turnBody("hi"));
    await until(() => raw.received.endsWith("0\r\n\r\n"));
    expect(raw.received).toContain(`1\r\ne\r\n1\r\nv\r\n1\r\ne\r\n`);
    raw.socket.destroy();
  });

  test("quotes the output of a tool, offers the client's own shell tool and fills a schema", async () => {
    const simulator = await startSimulator({ keepBodies: true });
    const textOf = async (body: Record<string, unknown>) => {
      const events = eventsOf(await (await postTurn(simulator, body)).text());
      return events.at(-1)!.response.output.at(-1);
    };
    const tools = [{ type: "function", name: "exec_command" }];
    const call = await textOf(turnBody("please run: echo hello", { tools }));
    expect([call.name, call.arguments]).toEqual(["exec_command", '{"cmd":"echo hello"}']);
    const output = { type: "function_call_output", call_id: call.call_id, output: "hello from the shell" };
    expect((await textOf(turnBody("", { input: [call, output] }))).content[0].text).toContain(
      "hello from the shell",
    );
    const schema = {
      type: "object",
      properties: { a: { type: "string" }, n: { type: "array", items: { enum: [7] } } },
    };
    const format = { type: "json_schema", name: "x", schema };
    expect(JSON.parse((await textOf(turnBody("x", { text: { format } }))).content[0].text)).toEqual({
      a: "simulated",
      n: [7],
    });
  });

  test("is the same for a zstd body, and the journal keeps what came", async () => {
    const simulator = await startSimulator({ keepBodies: true });
    const body = Bun.zstdCompressSync(JSON.stringify(turnBody("packed")));
    const headers = { ...headersOf(simulator), "content-encoding": "zstd" };
    const reply = await fetch(`${simulator.urls.backendBaseUrl}/codex/responses`, {
      method: "POST",
      headers,
      body,
    });
    expect(await reply.text()).toContain("Simulated answer to: packed");
    const [entry] = simulator.requests;
    expect(entry).toMatchObject({ route: "responses", account: 0, status: 200, bodyBytes: body.length });
    expect(entry!.bodySha256).toBe(new Bun.CryptoHasher("sha256").update(body).digest("hex"));
    expect(entry!.json).toMatchObject({ model: "gpt-5.5" });
  });
});

describe("upstream's refusals", () => {
  test.each<[string, Record<string, unknown>, number, string]>([
    ["no stream", { stream: false }, 400, "Stream must be set to true"],
    ["stored", { store: true }, 400, "Store must be set to false"],
    ["sampling parameters", { temperature: 1 }, 400, "Unsupported parameter: temperature"],
    ["an unknown model", { model: "gpt-0" }, 400, "The 'gpt-0' model is not supported"],
    [
      "a chain over HTTP",
      { previous_response_id: "resp_1" },
      400,
      "Unsupported parameter: previous_response_id",
    ],
  ])("%s", async (_what, more, status, text) => {
    const simulator = await startSimulator();
    const reply = await postTurn(simulator, turnBody("hi", more));
    expect([reply.status, await reply.text()]).toEqual([status, expect.stringContaining(text)]);
  });

  test("a foreign account id is 403, a dead login says which way it died", async () => {
    const simulator = await startSimulator({ accounts: [{}, {}] });
    const foreign = { ...headersOf(simulator), "chatgpt-account-id": "acct-other" };
    expect((await postTurn(simulator, turnBody("hi"), foreign)).status).toBe(403);
    const headers = headersOf(simulator, 1);
    for (const login of ["token_invalidated", "token_revoked", "account_deactivated"] as const) {
      simulator.patchAccount(1, { login });
      const reply = await postTurn(simulator, turnBody("hi"), headers);
      expect([reply.status, ((await reply.json()) as AnyEvent).error.code]).toEqual([401, login]);
    }
    simulator.patchAccount(1, { login: "deactivated_workspace" });
    expect((await postTurn(simulator, turnBody("hi"), headers)).status).toBe(402);
  });

  test("ciphertext is read by the account that minted it and by no other", async () => {
    const simulator = await startSimulator({ accounts: [{}, {}] });
    const body = turnBody("hi", { include: ["reasoning.encrypted_content"] });
    const events = eventsOf(await (await postTurn(simulator, body)).text());
    const item = events.find((event) => event.item?.type === "reasoning")!.item;
    const replay = turnBody("again", { input: [item, { type: "message", role: "user", content: "again" }] });
    expect((await postTurn(simulator, replay)).status).toBe(200);
    const refused = await postTurn(simulator, replay, headersOf(simulator, 1));
    expect([refused.status, ((await refused.json()) as AnyEvent).error.code]).toEqual([
      400,
      "invalid_encrypted_content",
    ]);
  });
});

test("a prompt above the account's context fails after response.created", async () => {
  const simulator = await startSimulator({ accounts: [{ maxContextTokens: 50 }] });
  const events = eventsOf(await (await postTurn(simulator, turnBody("x".repeat(400)))).text());
  expect(events.map((event) => event.type)).toEqual(["response.created", "response.failed"]);
  expect(events[1]!.response.error.code).toBe("context_length_exceeded");
});

test("a window fills with use, refuses when it is full, and is empty after its reset", async () => {
  const windows = [{ minutes: 300, usedPercent: 99, percentPer1kTokens: 100 }];
  const simulator = await startSimulator({ accounts: [{ windows, planType: "pro" }] });
  const first = await postTurn(simulator, turnBody("x".repeat(500)));
  expect(first.headers.get("x-codex-primary-window-minutes")).toBe("300");
  expect(first.headers.get("x-codex-secondary-window-minutes")).toBeNull();
  await first.text();
  const spent = await postTurn(simulator, turnBody("hi"));
  const { error } = (await spent.json()) as AnyEvent;
  expect([spent.status, error.type, error.plan_type]).toEqual([429, "usage_limit_reached", "pro"]);
  expect(spent.headers.get("x-codex-primary-used-percent")).toBe("100");
  simulator.advance(300 * 60_000);
  expect((await postTurn(simulator, turnBody("hi"))).status).toBe(200);
});

test("the prompt cache grows with the conversation, on the same account only", async () => {
  const simulator = await startSimulator({ accounts: [{}, {}] });
  const cached = async (account: number, length: number) => {
    const body = turnBody("x".repeat(length), { prompt_cache_key: "thread" });
    const events = eventsOf(await (await postTurn(simulator, body, headersOf(simulator, account))).text());
    return events.at(-1)!.response.usage.input_tokens_details.cached_tokens as number;
  };
  expect(await cached(0, 8000)).toBe(0);
  const second = await cached(0, 16_000);
  expect(second).toBeGreaterThanOrEqual(1920);
  expect(await cached(0, 24_000)).toBeGreaterThan(second);
  expect(await cached(1, 24_000)).toBe(0);
});

describe("faults", () => {
  const moments: FaultMoment[] = ["before_headers", "first_event", "after_created", "after_text"];
  const acts: [FaultAct, "fin" | "reset"][] = [
    [{ kind: "cut" }, "fin"],
    [{ kind: "reset" }, "reset"],
  ];
  for (const moment of moments) {
    for (const [act, ended] of acts) {
      test(`${act.kind} at ${moment} ends the connection by ${ended} with exactly what came before`, async () => {
        const simulator = await startSimulator();
        simulator.addFault({ moment, act });
        const raw = rawTurn(simulator, turnBody("hi"));
        await until(() => raw.ended !== null);
        expect(raw.ended).toBe(ended);
        expect({
          head: raw.received.startsWith("HTTP/1.1 200"),
          created: raw.received.includes("response.created"),
          text: raw.received.includes("output_text.delta"),
          completed: raw.received.includes("response.completed"),
        }).toEqual({
          head: moment !== "before_headers",
          created: moment === "after_created" || moment === "after_text",
          text: moment === "after_text",
          completed: false,
        });
        await until(() => simulator.counters.openSockets === 0);
        expect(simulator.counters).toMatchObject({ openRequests: 0, faultsFired: 1, aborted: 0 });
      });
    }
  }

  test("half a status line", async () => {
    const simulator = await startSimulator();
    simulator.addFault({ act: { kind: "partial_status_line" } });
    const raw = rawTurn(simulator, turnBody("hi"));
    await until(() => raw.ended === "fin");
    expect(raw.received).toBe("HTTP/1.1 2");
  });

  test.each(moments)(
    "a hang at %s lasts until the client leaves, and leaves nothing open",
    async (moment) => {
      const simulator = await startSimulator();
      simulator.addFault({ moment, act: { kind: "hang" } });
      const raw = rawTurn(simulator, turnBody("hi"));
      await until(() => simulator.counters.faultsFired === 1);
      if (moment === "after_text") await until(() => raw.received.includes("output_text.delta"));
      raw.socket.destroy();
      await until(() => simulator.counters.openRequests === 0 && simulator.counters.openSockets === 0);
      expect(simulator.counters.aborted).toBe(1);
    },
  );

  test("failed events carry their code; rules count, skip and choose by account and text", async () => {
    const simulator = await startSimulator({ accounts: [{}, {}] });
    simulator.addFault({
      act: { kind: "failed", code: "server_is_overloaded" },
      when: { account: 1 },
      skip: 1,
      times: 2,
    });
    simulator.addFault({ act: { kind: "error", name: "challenge_page" }, when: { bodyIncludes: "needle" } });
    const outcome = async (account: number, text: string) => {
      const reply = await postTurn(simulator, turnBody(text), headersOf(simulator, account));
      return reply.status === 200 ? eventsOf(await reply.text()).at(-1)!.response.error?.code : reply.status;
    };
    expect(await outcome(0, "hay")).toBeUndefined();
    expect(await outcome(1, "hay")).toBeUndefined();
    expect(await outcome(1, "hay")).toBe("server_is_overloaded");
    expect(await outcome(0, "needle")).toBe(403);
    expect(await outcome(1, "hay")).toBe("server_is_overloaded");
    expect(await outcome(1, "hay")).toBeUndefined();
  });

  test("the same seed makes the same storm", async () => {
    const run = async () => {
      const simulator = await startSimulator({ seed: 7 });
      simulator.setStorm({
        probability: 0.5,
        faults: [
          { moment: "before_headers", act: { kind: "error", name: "server_error" } },
          { moment: "before_headers", act: { kind: "error", name: "rate_limit_exceeded" } },
        ],
        oddDelivery: true,
      });
      const statuses: number[] = [];
      for (let at = 0; at < 30; at++) {
        const reply = await postTurn(simulator, turnBody("hi"));
        await reply.text();
        statuses.push(reply.status);
      }
      return statuses;
    };
    const first = await run();
    expect(await run()).toEqual(first);
    expect(new Set(first)).toEqual(new Set([200, 500, 429]));
  });
});

test("a reader that stalls on 64 MB holds the simulator back, not in memory", async () => {
  const simulator = await startSimulator();
  simulator.addScript({ turn: { kind: "filled", events: 1024, bytesPerEvent: 65_536 }, times: null });
  const before = process.memoryUsage().rss;
  const stalled = Array.from({ length: 20 }, () => rawTurn(simulator, turnBody("hi")));
  for (const one of stalled) one.socket.pause();
  await until(() => simulator.counters.openRequests === 20);
  expect(await (await postTurn(simulator, turnBody("hi"))).text()).toContain("response.completed");
  expect(simulator.counters.openRequests).toBe(20);
  // 20 replies are 1.3 GB; kernel buffers do not count here, one reader's text does.
  expect(process.memoryUsage().rss - before).toBeLessThan(700 * 1024 * 1024);
  for (const one of stalled) one.socket.destroy();
  await until(() => simulator.counters.openRequests === 0 && simulator.counters.openSockets <= 1);
  expect(simulator.counters.aborted).toBe(20);
});

test("the canned reply is a whole turn of about the asked size", async () => {
  const simulator = await startSimulator();
  simulator.setCanned({});
  const text = await (await postTurn(simulator, turnBody("hi"))).text();
  const events = eventsOf(text);
  expect([events.length, events[0]!.type, events.at(-1)!.type]).toEqual([
    80,
    "response.created",
    "response.completed",
  ]);
  expect(Math.abs(text.length - 20_480)).toBeLessThan(400);
  simulator.setCanned({ events: 12, gapMs: 1 });
  expect(eventsOf(await (await postTurn(simulator, turnBody("hi"))).text())).toHaveLength(12);
  expect(simulator.counters.openRequests).toBe(0);
});
