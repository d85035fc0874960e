/** Codex's WebSocket through the whole service: what the client sees, what upstream sees, what is recorded. */
import { afterEach, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { connect } from "node:net";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";
import { openSocketClient, type SocketClient, TERMINAL, until } from "../testing/socket-client.ts";

const services: RunningService[] = [];
afterEach(async () => {
  for (const service of services.splice(0)) await service.stop();
});

async function start(options: Parameters<typeof startService>[0] = {}): Promise<RunningService> {
  const service = await startService(options);
  services.push(service);
  return service;
}

const open = (service: RunningService, headers: Record<string, string> = {}) =>
  openSocketClient(service.url, { "session-id": "s1", "thread-id": "t1", ...headers });

const types = (frames: { type: string }[]) => frames.map(({ type }) => type);
const idOf = (frames: Record<string, unknown>[]) => (frames.at(-1)!.response as { id: string }).id;
/** Position of the account that served the last frame. */
const lastAccount = (service: RunningService) =>
  service.simulator.requests.findLast(({ method }) => method === "FRAME")!.account;

async function requestRows(service: RunningService, count: number) {
  type Row = Record<string, unknown> & { requestKind: string; status: string; transport: string };
  for (;;) {
    const { requests } = await service.adminJson<{ requests: Row[] }>("/api/request-logs", { method: "GET" });
    if (requests.length >= count) return requests.toReversed();
    await new Promise((resolve) => setImmediate(resolve));
  }
}

async function turn(client: SocketClient, more: Record<string, unknown> = {}) {
  client.create({ ...TURN_BODY, ...more });
  return client.next(...TERMINAL);
}

describe("a session", () => {
  test("prewarm, turn and follow-up chain on one upstream socket, each one row of the log", async () => {
    const service = await start();
    const client = await open(service);
    const warm = await turn(client, { input: [], generate: false });
    expect(types(warm)).toContain("response.created");
    const first = await turn(client, { previous_response_id: idOf(warm) });
    const second = await turn(client, { previous_response_id: idOf(first) });
    expect(types(second).at(-1)).toBe("response.completed");
    expect(service.simulator.counters.byRoute.websocket).toBe(1);
    const rows = await requestRows(service, 3);
    expect(rows.map(({ requestKind, status, transport }) => [requestKind, status, transport])).toEqual([
      ["prewarm", "ok", "websocket"],
      ["turn", "ok", "websocket"],
      ["turn", "ok", "websocket"],
    ]);
    expect(rows[1]).toMatchObject({ upstreamTransport: "websocket", sessionId: "s1", model: "gpt-5.5" });
    expect(rows[1]!.inputTokens).toBeGreaterThan(0);
  });

  test("upstream gets the client's bytes, and the account's credentials in place of the client's", async () => {
    const service = await start({ accounts: [{}] });
    const client = await open(service, {
      authorization: "Bearer somebody-elses",
      "chatgpt-account-id": "acct-own",
      "openai-beta": "responses_websockets=2026-02-06",
      cookie: "a=b",
      "x-codex-window-id": "t1:0",
    });
    const text = `{"type":"response.create", "model":"gpt-5.5","stream":true,"store":false,\n "unknown":{"é":[1.0,2e3]},"input":[]}`;
    client.send(text);
    await client.next(...TERMINAL);
    const frame = service.simulator.requests.find(({ method }) => method === "FRAME")!;
    expect(frame.bodySha256).toBe(createHash("sha256").update(text).digest("hex"));
    const headers = new Map(frame.headers.map(([name, value]) => [name.toLowerCase(), value]));
    expect(headers.get("authorization")).not.toContain("somebody");
    expect(headers.get("chatgpt-account-id")).toBe(service.simulator.accounts()[0]!.chatgptAccountId);
    expect(headers.get("openai-beta")).toBe("responses_websockets=2026-02-06");
    expect(headers.get("x-codex-window-id")).toBe("t1:0");
    expect(headers.has("cookie")).toBeFalse();
    expect(headers.has("sec-websocket-extensions")).toBeFalse();
  });

  test("an interrupt reaches upstream while the response streams", async () => {
    const service = await start();
    service.simulator.addScript({
      turn: { kind: "filled", events: 100, bytesPerEvent: 5 },
      delivery: { gapMs: 60_000 },
    });
    const client = await open(service);
    client.create(TURN_BODY);
    // It is held back for a while, in case it turns out to be a failure.
    await client.next("codex.rate_limits");
    client.send(
      JSON.stringify({ type: "response.interrupt", response_id: "r", mode: "discard_partial_items" }),
    );
    expect(types(await client.next(...TERMINAL)).at(-1)).toBe("response.completed");
  });

  test("creates sent at once are answered one after the other", async () => {
    const service = await start({ accounts: [{}] });
    const client = await open(service);
    for (let i = 0; i < 5; i++) client.create(TURN_BODY);
    for (let i = 0; i < 5; i++)
      expect(types(await client.next(...TERMINAL)).filter((type) => type === "response.created").length).toBe(
        1,
      );
    expect(service.simulator.counters.byRoute.websocket).toBe(1);
  });

  test("a client that dies takes its upstream socket with it at once, and blames no account", async () => {
    const service = await start({ accounts: [{}] });
    service.simulator.addScript({
      turn: { kind: "filled", events: 1000, bytesPerEvent: 5 },
      delivery: { gapMs: 50 },
    });
    const client = await open(service);
    client.create(TURN_BODY);
    await client.next("response.output_text.delta");
    (client.socket as unknown as { terminate(): void }).terminate();
    await until("upstream's socket ends", () => service.simulator.counters.openWebSockets === 0);
    const [row] = await requestRows(service, 1);
    expect(row).toMatchObject({ status: "cancelled" });
    const { accounts } = await service.adminJson<{ accounts: { status: string }[] }>("/api/accounts");
    expect(accounts[0]!.status).toBe("active");
  });

  test("upstream's close between turns closes the client's socket; its next turn connects anew", async () => {
    const service = await start({ accounts: [{}] });
    const client = await open(service);
    await turn(client);
    service.simulator.dropConnections();
    await client.closed();
    expect(types(await turn(await open(service))).at(-1)).toBe("response.completed");
  });
});

describe("an account that fails before anything is shown is passed over", () => {
  const cases: [name: string, fault: Parameters<RunningService["simulator"]["addFault"]>[0]][] = [
    ["spent", { act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 600 } }],
    ["login lost", { act: { kind: "error", name: "token_revoked" } }],
    ["overloaded twice", { act: { kind: "error", name: "server_is_overloaded" }, times: 2 }],
    ["failed response", { moment: "after_created", act: { kind: "failed", code: "server_error" }, times: 2 }],
    ["reset", { act: { kind: "reset" }, times: 2 }],
    ["closed by code", { moment: "after_created", act: { kind: "end", closeCode: 1011 }, times: 2 }],
    ["handshake 403", { route: "websocket", act: { kind: "error", name: "forbidden" } }],
    [
      "handshake 429",
      { route: "websocket", act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 600 } },
    ],
    [
      "handshake challenge page",
      { route: "websocket", act: { kind: "error", name: "challenge_page" }, times: 2 },
    ],
    ["hour over", { act: { kind: "error", name: "websocket_connection_limit_reached" } }],
    [
      "hour over, elsewhere too",
      { act: { kind: "error", name: "websocket_connection_limit_reached" }, times: 3 },
    ],
  ];
  for (const [name, fault] of cases) {
    test(name, async () => {
      const service = await start();
      service.simulator.addFault(fault);
      const client = await open(service);
      const frames = await turn(client);
      expect(types(frames).at(-1)).toBe("response.completed");
      expect(types(frames).filter((type) => type === "response.created").length).toBe(1);
      expect(service.simulator.counters.faultsFired).toBe(fault.times ?? 1);
    });
  }
});

/** The error after which every version of Codex connects anew and sends its whole input; nothing is shown of it. */
describe("an account that fails in a chain", () => {
  const cases: [name: string, fault: Parameters<RunningService["simulator"]["addFault"]>[0]][] = [
    ["spent", { act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 600 } }],
    ["login lost", { act: { kind: "error", name: "account_deactivated" } }],
    ["overloaded", { act: { kind: "error", name: "server_is_overloaded" } }],
    ["reset", { act: { kind: "reset" } }],
    ["hour over", { act: { kind: "error", name: "websocket_connection_limit_reached" } }],
    ["chain forgotten", { act: { kind: "error", name: "previous_response_not_found" } }],
  ];
  for (const [name, fault] of cases) {
    test(`${name}: the client is told to send everything, and that is served`, async () => {
      const service = await start();
      const client = await open(service);
      const first = await turn(client);
      service.simulator.addFault(fault);
      const frames = await turn(client, { previous_response_id: idOf(first) });
      expect(frames).toEqual([
        expect.objectContaining({
          type: "error",
          status: 400,
          error: expect.objectContaining({ code: "websocket_connection_limit_reached" }),
        }),
      ]);
      expect(types(await turn(await open(service))).at(-1)).toBe("response.completed");
    });
  }

  test("an account found spent between turns is not asked again", async () => {
    const service = await start();
    const client = await open(service);
    const first = await turn(client);
    const spent = lastAccount(service)!;
    await service.adminJson(`/api/accounts/${service.accountIds[spent]}/pause`, { method: "POST" });
    const frames = await turn(client, { previous_response_id: idOf(first) });
    expect(frames[0]).toMatchObject({ error: { code: "websocket_connection_limit_reached" } });
    await turn(await open(service));
    expect(lastAccount(service)).toBe(1 - spent);
  });

  test("what the account cannot read is taken out of a frame without losing its chain", async () => {
    const service = await start();
    const client = await open(service);
    const warm = await turn(client, { input: [], generate: false });
    const foreign = { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAAABhbm90aGVy" };
    const frames = await turn(client, {
      previous_response_id: idOf(warm),
      input: [foreign, ...TURN_BODY.input],
    });
    expect(types(frames).at(-1)).toBe("response.completed");
    expect(service.simulator.counters.byRoute.websocket).toBe(1);
  });

  test("a response id of another socket is unknown", async () => {
    const service = await start();
    const first = await turn(await open(service));
    const frames = await turn(await open(service), { previous_response_id: idOf(first) });
    expect(frames[0]).toMatchObject({ status: 400, error: { code: "websocket_connection_limit_reached" } });
  });
});

describe("after something was shown", () => {
  const cases: [name: string, act: Parameters<RunningService["simulator"]["addFault"]>[0]["act"]][] = [
    ["reset", { kind: "reset" }],
    ["cut", { kind: "cut" }],
    ["closed by code", { kind: "end", closeCode: 1011 }],
    ["spent", { kind: "error_event", code: "usage_limit_reached", status: 429 }],
    ["no quota", { kind: "failed", code: "insufficient_quota" }],
    ["overloaded", { kind: "error_event", code: "server_is_overloaded", status: 503 }],
    ["login lost", { kind: "error_event", code: "token_revoked", status: 401 }],
  ];
  for (const [name, act] of cases) {
    test(`${name}: a failed response, after which the client asks again`, async () => {
      const service = await start();
      service.simulator.addFault({ moment: "after_text", act });
      const client = await open(service);
      const frames = await turn(client);
      expect(types(frames)).toContain("response.output_text.delta");
      expect(frames.at(-1)).toMatchObject({ type: "response.failed" });
      const { code } = (frames.at(-1)!.response as { error: { code: string } }).error;
      // None of the codes that end the client's turn (UPSTREAM E).
      expect(["upstream_cut", "account_failed"]).toContain(code);
      expect(types(await turn(await open(service))).at(-1)).toBe("response.completed");
    });
  }

  test("a spent account is known to be so from then on", async () => {
    const service = await start();
    service.simulator.addFault({
      moment: "after_text",
      act: { kind: "failed", code: "usage_limit_reached", resetsInSeconds: 900 },
    });
    await turn(await open(service));
    const spent = lastAccount(service)!;
    await turn(await open(service));
    expect(lastAccount(service)).toBe(1 - spent);
  });

  test("a fault of the request itself is passed on as it came", async () => {
    const service = await start();
    service.simulator.addFault({
      moment: "after_text",
      act: { kind: "error_event", code: "cyber_policy", status: 400, message: "No." },
    });
    const frames = await turn(await open(service));
    expect(frames.at(-1)).toMatchObject({ type: "error", status: 400 });
  });
});

describe("refusals are frames that the client understands", () => {
  test("the whole pool spent: the reset time, once", async () => {
    const service = await start();
    service.simulator.addFault({
      act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 600 },
      times: null,
    });
    const frames = await turn(await open(service));
    expect(frames).toHaveLength(1);
    expect(frames[0]).toMatchObject({
      type: "error",
      status: 429,
      error: { type: "usage_limit_reached", resets_at: expect.any(Number) },
      headers: { "x-codex-promo-message": "All 2 pooled accounts are at their limit" },
    });
    expect(frames[0]!.error).not.toHaveProperty("plan_type");
    const [row] = await requestRows(service, 1);
    expect(row).toMatchObject({ status: "quota" });
  });

  test("no account: a 400, shown once", async () => {
    const service = await start({ imported: 0 });
    expect((await turn(await open(service)))[0]).toMatchObject({
      type: "error",
      status: 400,
      error: { code: "no_accounts" },
    });
  });

  test("what is no request: a 400 with its code; the socket goes on", async () => {
    const service = await start();
    const client = await open(service);
    client.send('{"type":"response.create","input":[]}');
    expect((await client.next("error"))[0]).toMatchObject({ status: 400, error: { code: "missing_model" } });
    client.send('{"type":"response.create","model":"gpt-5.5"');
    expect((await client.next("error"))[0]).toMatchObject({ status: 400, error: { code: "invalid_json" } });
    // What has no type that is known is upstream's to judge, and nothing runs there.
    client.send("hello");
    expect(types(await turn(client)).at(-1)).toBe("response.completed");
  });

  test("upstream's own refusal of a request comes as it came", async () => {
    const service = await start();
    service.simulator.addFault({ act: { kind: "error", name: "context_length_exceeded" } });
    const frames = await turn(await open(service));
    expect(frames.at(-1)).toMatchObject({
      type: "error",
      status: 400,
      error: { code: "context_length_exceeded" },
    });
  });

  test("where WebSockets are switched off the handshake gets 426", async () => {
    const service = await start();
    await service.adminJson("/api/settings", { method: "PUT", json: { websocketEnabled: false } });
    const reply = await service.fetch("/backend-api/codex/responses", {
      headers: { upgrade: "websocket", connection: "Upgrade" },
    });
    expect(reply.status).toBe(426);
  });
});

describe("what one account says of its quota is not shown", () => {
  test("codex.rate_limits frames tell the pool's", async () => {
    const service = await start({
      accounts: [
        { windows: [{ minutes: 300, usedPercent: 90 }] },
        { windows: [{ minutes: 300, usedPercent: 10 }] },
      ],
    });
    for (const id of service.accountIds)
      await service.adminJson(`/api/accounts/${id}/probe`, { method: "POST" });
    const client = await open(service);
    const frames = await turn(client);
    const limits = frames.find(({ type }) => type === "codex.rate_limits") as unknown as {
      rate_limits: { primary: { used_percent: number } };
    };
    expect(limits.rate_limits.primary.used_percent).toBeGreaterThanOrEqual(49);
    expect(limits.rate_limits.primary.used_percent).toBeLessThanOrEqual(52);
  });
});

describe("large frames", () => {
  test("one above upstream's limit goes by HTTP and comes back as frames, turn state included", async () => {
    const service = await start({ accounts: [{ maxContextTokens: 100_000_000 }] });
    const client = await open(service);
    const image = "A".repeat(17_000_000);
    const input = [
      {
        type: "message",
        role: "user",
        content: [{ type: "input_image", image_url: `data:image/png;base64,${image}` }],
      },
    ];
    client.create({
      ...TURN_BODY,
      input,
      client_metadata: { session_id: "s1", "x-codex-turn-state": "unknown" },
    });
    const frames = await client.next(...TERMINAL);
    expect(types(frames)).toEqual(expect.arrayContaining(["response.metadata", "response.created"]));
    expect(types(frames).at(-1)).toBe("response.completed");
    const sent = service.simulator.requests.find(({ route }) => route === "responses")!;
    expect(sent).toMatchObject({ transport: "http", method: "POST" });
    const [row] = await requestRows(service, 1);
    expect(row).toMatchObject({ status: "ok", transport: "websocket", upstreamTransport: "http" });
    // The chain was made over HTTP: no socket knows it.
    const next = await turn(client, { previous_response_id: idOf(frames) });
    expect(next[0]).toMatchObject({ error: { code: "websocket_connection_limit_reached" } });
  });

  test("where upstream speaks no WebSocket every frame goes by HTTP", async () => {
    const service = await start({ accounts: [{}] });
    service.simulator.addFault({
      route: "websocket",
      act: { kind: "error", name: "upgrade_required" },
      times: null,
    });
    expect(types(await turn(await open(service))).at(-1)).toBe("response.completed");
    expect(service.simulator.counters.byRoute.websocket).toBe(1);
  });
});

test("a client that stops reading stops upstream, and misses nothing when it goes on", async () => {
  const service = await start({ accounts: [{}] });
  const EVENTS = 3_000;
  /** Longer than the last event, which repeats the request's fields. */
  const KEPT_CHARS = 20_000;
  service.simulator.addScript({ turn: { kind: "filled", events: EVENTS, bytesPerEvent: 10_000 } });
  const port = Number(new URL(service.url).port);
  const socket = connect(port, "127.0.0.1");
  const frame = JSON.stringify({ type: "response.create", ...TURN_BODY });
  let received = 0;
  let tail = "";
  socket.on("data", (bytes: Buffer) => {
    received += bytes.length;
    tail = (tail + bytes.toString("latin1")).slice(-KEPT_CHARS);
  });
  socket.write(
    "GET /backend-api/codex/responses HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
  );
  await until("the handshake is answered", () => received > 0);
  const payload = Buffer.from(frame);
  const head = Buffer.from([0x81, 0x80 | 126, payload.length >> 8, payload.length & 0xff, 0, 0, 0, 0]);
  socket.write(Buffer.concat([head, payload]));
  await until("the reply has begun", () => received > 200_000);
  socket.pause();
  const before = process.memoryUsage().rss;
  // Upstream makes 30 MB as fast as it can; it is held up where it stands.
  for (let quiet = 0; quiet < 20; quiet++) await new Promise((resolve) => setTimeout(resolve, 25));
  expect(process.memoryUsage().rss - before).toBeLessThan(25 * 1024 * 1024);
  expect(service.simulator.counters.finished).toBe(0);
  socket.resume();
  await until("the response ends", () => tail.includes("response.completed"));
  expect(received).toBeGreaterThan(EVENTS * 10_000);
  socket.destroy();
  await until("upstream's socket ends", () => service.simulator.counters.openWebSockets === 0);
});

test("a stop lets a running response end, and closes idle sockets", async () => {
  const service = await start({ accounts: [{}], env: { CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS: "10" } });
  const idle = await open(service);
  await turn(idle);
  service.simulator.addScript({
    turn: { kind: "filled", events: 20, bytesPerEvent: 5 },
    delivery: { gapMs: 30 },
  });
  const busy = await open(service);
  busy.create(TURN_BODY);
  await busy.next("response.output_text.delta");
  const stopped = service.restart();
  expect(await idle.closed()).toBe(1001);
  expect(types(await busy.next(...TERMINAL)).at(-1)).toBe("response.completed");
  expect(await busy.closed()).toBe(1001);
  await stopped;
  await until("no socket is left", () => service.simulator.counters.openWebSockets === 0);
});
