/** The claim that no token, key or prompt is in the log or in clear in any file, whatever went right or wrong. */
import { expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  filesBelow,
  RESPONSES_PATH,
  rowsOnceWritten,
  startPool,
  temporaryDirectory,
  turnBody,
} from "./harness.ts";
import { waitFor } from "./wait.ts";

const PROMPT = "prompt-marker-5d1c7e";
const ANSWER = "answer-marker-90af13";
const CLIENT_KEY = "client-key-marker-77b2e4";
const ADMIN_TOKEN = "admin-token-marker-c0ffee";
const UPSTREAM_WORDS = "upstream-words-marker-3e8d52";

test("no token, key, prompt or answer is in the log, nor in clear in any file", async () => {
  const { simulator, service, dispose } = await startPool({
    accounts: 2,
    env: { CODEX_LB_LOG_LEVEL: "debug", CODEX_LB_ADMIN_API_TOKEN: ADMIN_TOKEN },
  });
  const login = simulator.issueAuthJson(1);
  const logins = temporaryDirectory("login");
  writeFileSync(join(logins, "auth.json"), JSON.stringify(login));
  expect((await service.import(join(logins, "auth.json"))).exitCode).toBe(0);

  const ask = async (extra: Record<string, unknown> = {}) => {
    const response = await fetch(service.url + RESPONSES_PATH, {
      method: "POST",
      headers: { "content-type": "application/json", authorization: `Bearer ${CLIENT_KEY}` },
      body: JSON.stringify(turnBody(PROMPT, extra)),
    });
    return response.text();
  };
  simulator.addScript({ turn: { kind: "text", text: ANSWER } });
  expect(await ask()).toContain(ANSWER);
  simulator.addFault({ moment: "after_text", act: { kind: "failed", code: "odd", message: UPSTREAM_WORDS } });
  await ask();
  simulator.addFault({ moment: "after_text", act: { kind: "cut" } });
  await ask();
  simulator.patchAccount(1, { expireAccessTokens: true });
  simulator.patchAccount(0, { login: "token_revoked" });
  await ask();
  await waitFor("a login was renewed", () => simulator.counters.refreshes > 0);
  await ask({ input: `${PROMPT} that is no list` });
  const words = { error: { message: `${UPSTREAM_WORDS} ${PROMPT}`, code: "odd", type: "odd" } };
  for (const status of [400, 403, 500, 503, 429]) {
    simulator.addFault({ act: { kind: "status", status, body: words }, times: 2 });
    await ask();
    simulator.clearFaults();
  }
  await rowsOnceWritten(service, 10);

  const journal = simulator.requests.flatMap(({ headers }) => headers);
  const bearers = journal
    .filter(([name]) => name.toLowerCase() === "authorization")
    .map(([, value]) => value);
  const tokens = new Set([
    ...bearers.map((value) => value.replace("Bearer ", "")),
    ...Object.values(login.tokens!),
  ]);
  tokens.delete(login.tokens!.account_id);
  expect(tokens.size).toBeGreaterThan(4);
  const secrets = [...tokens, PROMPT, ANSWER, CLIENT_KEY, ADMIN_TOKEN, UPSTREAM_WORDS];

  const look = () => {
    const places = filesBelow(service.dataDir).map(({ path, bytes }) => ({
      path,
      text: bytes.toString("latin1"),
    }));
    expect(places.map(({ path }) => path)).toContain(join(service.dataDir, "codex-lb.db"));
    places.push({ path: "the log", text: service.output() });
    for (const { path, text } of places)
      for (const secret of secrets)
        if (text.includes(secret)) throw new Error(`${path} holds ${secret.slice(0, 40)}`);
  };
  look();
  expect(await service.stop()).toBe(0);
  look();
  await dispose();
  rmSync(logins, { recursive: true });
});
