/** Every Codex CLI in use, over HTTP and over WebSocket, in front of the executable: it must behave as against ChatGPT itself. */
import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  type ClientTransport,
  CODEX_VERSIONS,
  type CodexHome,
  type CodexVersion,
  createCodexHome,
  keyConfig,
} from "./codex-versions-client.ts";
import { type LogRow, startPool } from "./harness.ts";
import { waitFor } from "./wait.ts";

const RESET_SECONDS = 5 * 3600;
/** What Codex prints when something went wrong that it mended, or could not. */
const TROUBLE = /^(?!.*PATH).*(error|reconnect|warning)/i;

for (const version of Object.keys(CODEX_VERSIONS) as CodexVersion[]) {
  for (const transport of ["http", "websocket"] satisfies ClientTransport[]) {
    describe(`codex ${version} over ${transport}`, () => claims(version, transport));
  }
}

function claims(version: CodexVersion, transport: ClientTransport): void {
  let pool: Awaited<ReturnType<typeof startPool>>;
  let home: CodexHome;
  let seenRows = 0;

  beforeAll(async () => {
    pool = await startPool({ accounts: 2, simulator: { keepBodies: true } });
  });
  afterAll(() => pool?.dispose());
  beforeEach(() => {
    pool.simulator.clearFaults();
    pool.simulator.clearRequests();
    seenRows = pool.service.rows().length;
  });

  function newHome(more = ""): CodexHome {
    home?.dispose();
    home = createCodexHome({
      version,
      config: keyConfig(pool.service.port, { transport, more }),
      env: { CODEX_LB_API_KEY: "any-while-keys-are-not-needed" },
    });
    return home;
  }
  afterAll(() => home?.dispose());

  /** Rows are written a moment after their requests: every test waits for its own, so that the next one starts from there. */
  async function newRows(count: number): Promise<LogRow[]> {
    const rows = await waitFor(`${count} turns in the log`, () => {
      const fresh = pool.service.rows().slice(seenRows);
      return fresh.filter(({ request_kind }) => request_kind !== "prewarm").length >= count && fresh;
    });
    return rows.filter(({ request_kind }) => request_kind !== "prewarm");
  }
  /** Requests for model turns that reached the simulator, prewarms not counted. */
  const turnsSent = () =>
    pool.simulator.requests.filter(
      ({ route, json }) => route === "responses" && (json as { generate?: boolean }).generate !== false,
    );

  async function answer(prompt: string, resume = false): Promise<string> {
    const { exitCode, stdout, stderr } = await home.exec(prompt, { resume });
    expect({ exitCode, stderr: linesOf(stderr, TROUBLE) }).toEqual({ exitCode: 0, stderr: [] });
    return stdout.trim();
  }

  test("a text turn prints the answer; the row says who asked, and over what", async () => {
    newHome();
    expect(await answer("say hello")).toBe("Simulated answer to: say hello");
    const [row] = await newRows(1);
    expect(row).toMatchObject({
      status: "ok",
      request_kind: "turn",
      transport,
      upstream_transport: transport,
      model: "gpt-5.5",
    });
    expect(String(row!.user_agent)).toStartWith(`codex_exec/${version} `);
    expect(row!.session_id).not.toBeNull();
  });

  test("a tool turn runs the command and prints what came of it, on one account", async () => {
    newHome();
    expect(await answer("please run: echo from-the-tool")).toContain("from-the-tool");
    const rows = await newRows(2);
    expect(rows.map(({ status }) => status)).toEqual(["ok", "ok"]);
    expect(new Set(rows.map(({ account_id }) => account_id)).size).toBe(1);
    expect(new Set(rows.map(({ turn_id }) => turn_id)).size).toBe(1);
  });

  test("five turns of one session; the account spent after the third is left without a word", async () => {
    newHome();
    for (let turn = 1; turn <= 3; turn++)
      expect(await answer(`turn ${turn}`, turn > 1)).toBe(`Simulated answer to: turn ${turn}`);
    const first = await newRows(3);
    expect(new Set(first.map(({ account_id }) => account_id)).size).toBe(1);
    const account = turnsSent().at(-1)!.account!;
    pool.simulator.addFault({
      when: { account },
      act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: RESET_SECONDS },
      times: null,
    });
    for (let turn = 4; turn <= 5; turn++)
      expect(await answer(`turn ${turn}`, true)).toBe(`Simulated answer to: turn ${turn}`);
    const rows = await newRows(5);
    expect(rows.at(-1)!.account_id).not.toBe(first[0]!.account_id!);
    expect(new Set(rows.map(({ session_id }) => session_id)).size).toBe(1);
    await reactivate(account);
  });

  test("an account spent in the middle of a turn is left without a word", async () => {
    newHome();
    pool.simulator.addFault({
      when: { bodyIncludes: "function_call_output" },
      act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: RESET_SECONDS },
    });
    expect(await answer("please run: echo on-another-account")).toContain("on-another-account");
    // Over WebSocket the chain is lost with the account: the client is told so, and sends everything again.
    const rows = await newRows(transport === "websocket" ? 3 : 2);
    expect(rows.at(-1)!.status).toBe("ok");
    expect(rows.at(-1)!.account_id).not.toBe(rows[0]!.account_id!);
    await reactivate(turnsSent()[0]!.account!);
  });

  test("a conversation that grows too long is compacted, and goes on", async () => {
    newHome("model_auto_compact_token_limit = 2000");
    expect(await answer("a long story")).toBe("Simulated answer to: a long story");
    expect(await answer("and now?", true)).toBe("Simulated answer to: and now?");
    const kinds = (await newRows(3)).map(({ request_kind }) => request_kind);
    expect(kinds).toContain("compaction");
    const sent = turnsSent().at(-1)!.json as { input: { type: string }[]; previous_response_id?: string };
    // What follows the compaction starts from its item, not from the whole history.
    expect(JSON.stringify(sent.input)).toContain("compaction");
  });

  test("an account that dies in mid-stream costs the client a retry of its own and no error", async () => {
    newHome();
    // Over WebSocket the first request is the prewarm, which has no text.
    const skip = transport === "websocket" ? 1 : 0;
    pool.simulator.addFault({ moment: "after_text", act: { kind: "cut" }, skip });
    const { exitCode, stdout, stderr } = await home.exec("go on");
    expect({ exitCode, stdout: stdout.trim() }).toEqual({
      exitCode: 0,
      stdout: "Simulated answer to: go on",
    });
    // Over HTTP older clients say that they connect again, as they do against ChatGPT itself.
    expect(linesOf(stderr, /^error(?!: Reconnecting)/i)).toEqual([]);
    const rows = await newRows(2);
    expect(rows.map(({ status, error_code }) => [status, error_code])).toEqual([
      ["error", "upstream_cut"],
      ["ok", null],
    ]);
  });

  test("the whole pool spent: one request, and the message says when it resets", async () => {
    newHome();
    pool.simulator.addFault({
      act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: RESET_SECONDS },
      times: null,
    });
    const { exitCode, stdout, stderr } = await home.exec("anything left?");
    expect(exitCode).toBe(1);
    expect(`${stdout}${stderr}`).toContain("All 2 pooled accounts are at their limit, or try again at");
    const rows = await newRows(1);
    expect(rows.map(({ status, error_code }) => [status, error_code])).toEqual([
      ["quota", "usage_limit_reached"],
    ]);
    // One attempt per account, at most: an account known to be spent is not asked.
    expect(turnsSent().length).toBeLessThanOrEqual(2);
  });

  /** Makes a spent account serve again. */
  async function reactivate(account: number): Promise<void> {
    pool.simulator.clearFaults();
    const own = pool.simulator.accounts()[account]!.chatgptAccountId;
    const reply = await fetch(`${pool.service.url}/api/accounts`);
    const { accounts } = (await reply.json()) as {
      accounts: { accountId: string; chatgptAccountId: string }[];
    };
    const { accountId } = accounts.find(({ chatgptAccountId }) => chatgptAccountId === own)!;
    for (const action of ["pause", "reactivate"])
      await fetch(`${pool.service.url}/api/accounts/${accountId}/${action}`, { method: "POST" });
  }
}

function linesOf(text: string, pattern: RegExp): string[] {
  return text.split("\n").filter((line) => pattern.test(line));
}
