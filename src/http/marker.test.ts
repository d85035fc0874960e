/** Claim: a secret goes through everything and stays nowhere but where it must be shown once. Each is distinctive, and searched for. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readdirSync, readFileSync, statSync } from "node:fs";
import { join } from "node:path";
import { generateSync } from "otplib";
import {
  type RunningService,
  startService,
  TEST_ADMIN_TOKEN,
  TURN_BODY,
} from "../testing/running-service.ts";
import { openSocketClient, TERMINAL } from "../testing/socket-client.ts";
import { BEHIND_PROXY, createVisitor, type Visitor } from "../testing/visitor.ts";

const PASSWORD = "MARKER-password-of-the-owner";
const NEW_PASSWORD = "MARKER-second-password-of-the-owner";
const GUEST_PASSWORD = "MARKER-password-of-the-guests";
const WRONG_PASSWORD = "MARKER-password-that-was-guessed";
const BOOTSTRAP = "MARKER-bootstrap-token";
const PROMPT = "MARKER-prompt-of-a-client";
const OUTPUT = "MARKER-output-of-the-model";
const FOREIGN_LOGIN = "MARKER-foreign-login-of-a-client";

let service: RunningService;
let owner: Visitor;
/** What must not be found, by name. */
const secrets = new Map<string, string>();
/** Every answer that was allowed to show one, taken apart from the rest. */
const shown: string[] = [];
/** Every other answer. */
const answers: { of: string; text: string }[] = [];

beforeAll(async () => {
  service = await startService({
    imported: 0,
    env: { ...BEHIND_PROXY, CODEX_LB_DASHBOARD_BOOTSTRAP_TOKEN: BOOTSTRAP },
  });
  secrets.set("admin token", TEST_ADMIN_TOKEN);
  for (const text of [
    PASSWORD,
    NEW_PASSWORD,
    GUEST_PASSWORD,
    WRONG_PASSWORD,
    BOOTSTRAP,
    PROMPT,
    OUTPUT,
    FOREIGN_LOGIN,
  ])
    secrets.set(text, text);
  await importAccounts();
  await signInEveryWay();
  await useTheProxy();
  await failEveryWay();
  await backUp();
}, 60_000);
afterAll(() => service.stop());

async function noted(of: string, reply: Promise<Response>): Promise<Record<string, never>> {
  const text = await (await reply).text();
  answers.push({ of, text });
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

const admin = (path: string, json?: unknown, method?: string) =>
  service.admin(path, { ...(json !== undefined && { json }), ...(method !== undefined && { method }) });

async function importAccounts() {
  const login = service.simulator.issueAuthJson(0);
  for (const [name, token] of Object.entries(login.tokens!))
    if (name !== "account_id") secrets.set(`first ${name}`, token);
  const form = new FormData();
  form.set("auth_json", new File([JSON.stringify(login)], "auth.json"));
  await noted("import", service.admin("/api/accounts/import", { method: "POST", body: form }));
  const pat = service.simulator.issuePatJson(1);
  secrets.set("personal access token", pat.personal_access_token!);
  const second = new FormData();
  second.set("auth_json", new File([JSON.stringify(pat)], "auth.json"));
  await noted("import of a token", service.admin("/api/accounts/import", { method: "POST", body: second }));
  const flow = await noted("login", admin("/api/oauth/start", { forceMethod: "browser" }));
  const { headers } = await fetch(flow.authorizationUrl!, { redirect: "manual" });
  const callbackUrl = headers.get("location")!;
  secrets.set("login code", new URL(callbackUrl).searchParams.get("code")!);
  await noted("callback", admin("/api/oauth/manual-callback", { callbackUrl, flowId: flow.flowId }));
}

async function signInEveryWay() {
  const auth = "/api/dashboard-auth";
  owner = createVisitor(service, { from: "203.0.113.9" });
  const ask = async (method: string, path: string, json?: unknown) => {
    const { body, text } = await owner.ask(method, path, json);
    answers.push({ of: path, text });
    if (owner.cookie !== null) secrets.set(`cookie after ${path}`, owner.cookie);
    return body;
  };
  await ask("POST", `${auth}/password/setup`, { password: PASSWORD, bootstrapToken: BOOTSTRAP });
  await ask("POST", `${auth}/password/change`, { currentPassword: PASSWORD, newPassword: NEW_PASSWORD });
  await ask("PUT", "/api/settings", { guestAccessEnabled: true });
  await ask("PUT", `${auth}/guest-password`, { password: GUEST_PASSWORD });
  await ask("POST", `${auth}/password/login`, { password: WRONG_PASSWORD });

  const setup = await owner.ask("POST", `${auth}/totp/setup/start`, {});
  const secret = setup.body.secret as string;
  const confirmed = await owner.ask("POST", `${auth}/totp/setup/confirm`, {
    secret,
    code: generateSync({ secret }),
  });
  shown.push(setup.text, confirmed.text);
  secrets.set("totp secret", secret);
  for (const [index, code] of (confirmed.body.recoveryCodes as string[]).entries()) {
    secrets.set(`recovery code ${index}`, code);
    secrets.set(`recovery code ${index} without hyphens`, code.replaceAll("-", ""));
  }
  await ask("POST", `${auth}/password/login`, { password: NEW_PASSWORD });
  await ask("POST", `${auth}/totp/verify`, { code: (confirmed.body.recoveryCodes as string[])[0] });
  const guest = createVisitor(service, { from: "203.0.113.10" });
  await guest.ask("POST", `${auth}/password/login`, { password: GUEST_PASSWORD });
  secrets.set("cookie of a guest", guest.cookie!);

  const { accounts } = (await owner.ask("GET", "/api/accounts")).body as {
    accounts: { accountId: string }[];
  };
  for (const { accountId } of accounts) {
    const file = await owner.ask("POST", `/api/accounts/${accountId}/export/auth`, {
      password: NEW_PASSWORD,
    });
    shown.push(file.text);
    const { tokens } = file.body as { tokens?: Record<string, string> };
    for (const [name, token] of Object.entries(tokens ?? {}))
      if (name !== "account_id") secrets.set(`${accountId} ${name}`, token);
  }
}

async function useTheProxy() {
  const created = await admin("/api/api-keys/", { name: "marker" });
  const key = (await created.json()) as { id: string; key: string };
  const regenerated = await admin(`/api/api-keys/${key.id}/regenerate`, {});
  const second = (await regenerated.json()) as { key: string };
  secrets.set("dead key", key.key).set("key", second.key);
  await admin("/api/settings", { apiKeyAuthEnabled: true }, "PUT");
  service.simulator.addScript({ times: null, turn: { kind: "text", text: OUTPUT, reasoning: true } });

  const message = [{ role: "user", content: PROMPT }];
  const input = [{ type: "message", role: "user", content: [{ type: "input_text", text: PROMPT }] }];
  const calls: [string, unknown][] = [
    ["/backend-api/codex/responses", { ...TURN_BODY, instructions: PROMPT, input }],
    ["/v1/responses", { model: "gpt-5.5", input: PROMPT, stream: true }],
    ["/v1/responses", { model: "gpt-5.5", input: PROMPT }],
    ["/v1/chat/completions", { model: "gpt-5.5", messages: message }],
    ["/v1/messages", { model: "gpt-5.5", max_tokens: 100, messages: message }],
  ];
  for (const [path, body] of calls) {
    for (const authorization of [`Bearer ${second.key}`, `Bearer ${key.key}`, `Bearer ${FOREIGN_LOGIN}`]) {
      const headers = { "content-type": "application/json", authorization };
      const reply = await service.fetch(path, { method: "POST", headers, body: JSON.stringify(body) });
      const text = await reply.text();
      if (reply.ok) shown.push(text);
      else answers.push({ of: `${path} refused`, text });
    }
  }
  const socket = await openSocketClient(service.url, { authorization: `Bearer ${second.key}` });
  socket.create({ ...TURN_BODY, input });
  shown.push(...(await socket.nextTexts(...TERMINAL)));
  socket.close();
  for (const path of ["/v1/models", "/v1/usage", "/backend-api/codex/models", "/backend-api/wham/usage"])
    await noted(path, service.fetch(path, { headers: { authorization: `Bearer ${second.key}` } }));
  secrets.set("half of the prompt", PROMPT.slice(0, 16));
}

/** Errors are where things leak: upstream's words, bodies that cannot be read, and requests that quote themselves. */
async function failEveryWay() {
  const headers = { "content-type": "application/json", authorization: `Bearer ${secrets.get("key")}` };
  const post = (path: string, body: string) =>
    noted(path, service.fetch(path, { method: "POST", headers, body }));
  await post("/v1/responses", `{"model": "gpt-5.5", "input": "${PROMPT}`);
  await post("/v1/chat/completions", JSON.stringify({ model: "gpt-5.5", messages: PROMPT }));
  await noted("bad import", admin("/api/accounts/import", { auth_json: secrets.get("key") }));
  await noted("bad key", admin("/api/api-keys/", { name: 1, secret: secrets.get("key") }));
  await noted("bad sign-in", admin("/api/dashboard-auth/password/login", { password: { text: PASSWORD } }));
  await noted(
    "bad callback",
    admin("/api/oauth/manual-callback", { callbackUrl: `?code=${secrets.get("login code")}&state=x` }),
  );
  // Upstream quotes what it refuses; the client may read that, the log may not.
  const quoted = {
    error: { message: `Invalid value: ${PROMPT}`, type: "invalid_request_error", code: PROMPT },
  };
  service.simulator.addFault({ act: { kind: "status", status: 400, body: quoted } });
  service.simulator.addFault({
    moment: "after_created",
    act: { kind: "failed", code: PROMPT, message: PROMPT },
  });
  for (let n = 0; n < 2; n++) {
    const body = JSON.stringify({ ...TURN_BODY, instructions: PROMPT });
    shown.push(
      await (await service.fetch("/backend-api/codex/responses", { method: "POST", headers, body })).text(),
    );
  }
  service.simulator.clearFaults();
}

async function backUp() {
  await noted("backup", admin("/api/backup", {}));
  await service.restart();
}

function filesIn(directory: string): string[] {
  return readdirSync(directory).flatMap((name) => {
    const path = join(directory, name);
    return statSync(path).isDirectory() ? filesIn(path) : [path];
  });
}

/** The names of the secrets that occur in it. */
function found(bytes: Buffer | string): string[] {
  return [...secrets].filter(([, secret]) => bytes.includes(secret)).map(([name]) => name);
}

test("the control: where they must be shown, the search finds them", () => {
  const all = found(shown.join("\n"));
  for (const name of ["totp secret", "recovery code 0", OUTPUT, "personal access token"])
    expect(all).toContain(name);
  expect(secrets.size).toBeGreaterThan(35);
});

test("a stolen data directory, without the key file, holds none of them", () => {
  const files = filesIn(service.dataDir);
  const read = files.filter((path) => !path.endsWith("encryption.key"));
  expect(read.some((path) => path.endsWith("codex-lb.db"))).toBe(true);
  expect(read.some((path) => path.includes("backups"))).toBe(true);
  for (const path of read) expect({ path, found: found(readFileSync(path)) }).toEqual({ path, found: [] });
});

test("the log holds none of them", () => {
  expect(service.lines.length).toBeGreaterThan(8);
  expect(found(service.lines.join(""))).toEqual([]);
});

test("no answer shows one that is not asked for", async () => {
  for (const { of, text } of answers) expect({ of, found: found(text) }).toEqual({ of, found: [] });
});

test("no page, no list, no metric and no document of the admin API shows one", async () => {
  const { paths } = await service.adminJson<{ paths: Record<string, Record<string, unknown>> }>(
    "/api/openapi.json",
  );
  const { accounts } = await service.adminJson<{ accounts: { accountId: string }[] }>("/api/accounts");
  const [key] = await service.adminJson<{ id: string }[]>("/api/api-keys/");
  const readable = Object.entries(paths)
    .filter(([path, methods]) => "get" in methods && path !== "/api/live")
    .map(([path]) => path.replace("{id}", path.includes("api-keys") ? key!.id : accounts[0]!.accountId));
  expect(readable.length).toBeGreaterThan(20);
  for (const path of [...readable, "/metrics", "/", "/accounts", "/api-docs", "/health"]) {
    const text = await (await service.admin(path)).text();
    expect({ path, found: found(text) }).toEqual({ path, found: [] });
  }
});
