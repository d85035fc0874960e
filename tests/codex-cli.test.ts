/** Claims about the real Codex CLI in front of the executable, with the simulator behind it. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { createSimulator, type JournalEntry, type Simulator } from "../src/simulator/simulator.ts";
import { chatgptLoginConfig, codexExec, documentedConfig } from "./codex.ts";
import { rowsOnceWritten, startPool } from "./harness.ts";
import { beginLongSilence } from "./idle-stream.ts";

const CLIENT_KEY = "the-key-of-the-client-which-stays-here";

let pool: Awaited<ReturnType<typeof startPool>>;
/** The ChatGPT that the client's own login belongs to. */
let ownChatgpt: Simulator;
let rowsBefore = 0;

beforeAll(async () => {
  beginLongSilence();
  pool = await startPool({ accounts: 2, simulator: { keepBodies: true } });
  ownChatgpt = createSimulator({
    seed: 7,
    accounts: [
      {
        chatgptAccountId: "acct-of-the-client",
        chatgptUserId: "user-of-the-client",
        workspaceBackendOrigin: "https://chatgpt.com",
      },
    ],
  });
  await ownChatgpt.start();
});

beforeEach(() => {
  pool.simulator.clearRequests();
  rowsBefore = pool.service.rows().length;
});

afterAll(async () => {
  await pool?.dispose();
  await ownChatgpt?.stop();
});

const header = (entry: JournalEntry, name: string) =>
  entry.headers.find(([candidate]) => candidate.toLowerCase() === name)?.[1];

const modelTurns = () =>
  pool.simulator.requests.filter(({ route }) => route === "responses" || route === "websocket");

function withKey(prompt: string) {
  const config = documentedConfig(pool.service.port);
  return codexExec({ config, prompt, env: { CODEX_LB_API_KEY: CLIENT_KEY } });
}

function expectPoolIdentity(entries: readonly JournalEntry[], secrets: string[]): void {
  for (const entry of entries) {
    const wire = JSON.stringify(entry);
    for (const secret of secrets) expect(wire).not.toContain(secret);
  }
  for (const entry of modelTurns()) {
    expect(entry.account).not.toBeNull();
    const { chatgptAccountId } = pool.simulator.accounts()[entry.account!]!;
    expect(header(entry, "chatgpt-account-id")).toBe(chatgptAccountId);
  }
}

describe("codex exec with the documented block", () => {
  test("prints the answer; upstream sees a token of the pool and never the client's key; the log has one row", async () => {
    const { exitCode, stdout, stderr } = await withKey("say hello to the pool");
    expect(stderr).not.toContain("Reconnecting");
    expect({ exitCode, answer: stdout.trim() }).toEqual({
      exitCode: 0,
      answer: "Simulated answer to: say hello to the pool",
    });
    expectPoolIdentity(pool.simulator.requests, [CLIENT_KEY]);
    const turns = modelTurns().filter(
      ({ json }) => json && (json as { generate?: boolean }).generate !== false,
    );
    expect(turns).toHaveLength(1);
    // The prewarm of the socket, and the turn.
    const rows = (await rowsOnceWritten(pool.service, rowsBefore + 2)).slice(rowsBefore);
    const turnRows = rows.filter((row) => row["request_kind"] === "turn");
    expect(turnRows).toEqual([
      expect.objectContaining({
        status: "ok",
        model: "gpt-5.5",
        error_code: null,
        route: "/backend-api/codex/responses",
      }),
    ]);
    expect(turnRows[0]!["input_tokens"]).toBeGreaterThan(1000);
  });

  test("a tool-call turn runs the command and prints what came of it, on one account", async () => {
    const { exitCode, stdout } = await withKey("please run: echo hello-from-the-tool");
    expect(exitCode).toBe(0);
    expect(stdout).toContain("The command printed:");
    expect(stdout).toContain("hello-from-the-tool");
    const rows = (await rowsOnceWritten(pool.service, rowsBefore + 3)).slice(rowsBefore);
    const turns = rows.filter((row) => row["request_kind"] === "turn");
    expect(turns.map((row) => row["status"])).toEqual(["ok", "ok"]);
    expect(new Set(turns.map((row) => row["account_id"])).size).toBe(1);
    expect(new Set(turns.map((row) => row["session_id"])).size).toBe(1);
  });
});

describe("codex exec with a ChatGPT login of its own", () => {
  test("its token stays out of the pool's traffic, and its zstd body is passed on as it is", async () => {
    const login = ownChatgpt.issueAuthJson(0);
    const config = chatgptLoginConfig(pool.service.port, Number(new URL(ownChatgpt.urls.origin).port));
    const { exitCode, stdout, stderr } = await codexExec({
      config,
      login,
      prompt: "keep my login out of it",
    });
    expect(stderr).not.toContain("Reconnecting");
    expect({ exitCode, answer: stdout.trim() }).toEqual({
      exitCode: 0,
      answer: "Simulated answer to: keep my login out of it",
    });
    const own = [
      login.tokens!.access_token,
      login.tokens!.refresh_token,
      login.tokens!.id_token,
      "acct-of-the-client",
    ];
    expectPoolIdentity(pool.simulator.requests, own);
    const turn = modelTurns().find(({ transport }) => transport === "http")!;
    expect(header(turn, "content-encoding")).toBe("zstd");
    expect((turn.json as { model: string }).model).toBe("gpt-5.5");
    expect(ownChatgpt.counters.byRoute["responses"]).toBeUndefined();
  });
});
