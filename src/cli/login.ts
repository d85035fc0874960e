/** `codex-lb login`: adds an account by logging in at OpenAI, with a code from any device or with this machine's browser. */
import { createInterface } from "node:readline";
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { asText, type JsonRecord } from "../core/json-read.ts";
import { newAccount } from "../core/new-account.ts";
import { createCallbackListener } from "../http/login-callback.ts";
import { createLoginFlows, type LoginMethod } from "../pool/login-flows.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/open.ts";
import { ORIGINATOR, userAgentOf } from "../upstream/json-call.ts";
import { BROWSER_REDIRECT_URI, createOauth } from "../upstream/oauth.ts";
import { VERSION } from "../version.ts";
import { openWorkplace, type ServiceClient } from "./service.ts";

/** What the person has to do, wherever the login runs. */
interface StartedLogin {
  id: string;
  authorizationUrl: string | null;
  listening: boolean;
  verificationUrl: string | null;
  userCode: string | null;
}

type LoginState = { done: false } | { done: true; accountId: string } | { done: true; problem: string };

/** Logins as the command needs them: in the running service, or here. */
interface LoginPlace {
  start(method: LoginMethod | null): Promise<StartedLogin>;
  state(id: string): Promise<LoginState>;
  callback(id: string, callbackUrl: string): Promise<void>;
  describe(accountId: string): Promise<string>;
  close(): Promise<void>;
}

/** How often the person's progress is looked at; the issuer is asked at its own pace. */
const LOOK_EVERY_MS = 1_000;

/** Resolves with the exit code. `input` null: nobody can paste the browser's address. */
export async function loginCommand(
  method: LoginMethod | null,
  config: Config,
  ports: Ports,
  input: NodeJS.ReadableStream | null = process.stdin,
): Promise<number> {
  const workplace = openWorkplace(config, ports);
  const place =
    workplace.kind === "service"
      ? loginInService(workplace.service)
      : loginHere(workplace.store, config, ports);
  try {
    const login = await place.start(method);
    process.stdout.write(whatToDo(login));
    const lines =
      login.authorizationUrl === null || input === null ? null : pastedLines(place, login.id, input);
    const state = await finished(place, login.id);
    lines?.close();
    if ("problem" in state) throw new CodedError("login_failed", state.problem);
    process.stdout.write(`Added ${await place.describe(state.accountId)}.\n`);
    return 0;
  } finally {
    await place.close();
  }
}

async function finished(place: LoginPlace, id: string): Promise<Extract<LoginState, { done: true }>> {
  for (;;) {
    const state = await place.state(id);
    if (state.done) return state;
    await Bun.sleep(LOOK_EVERY_MS);
  }
}

function whatToDo({ authorizationUrl, listening, verificationUrl, userCode }: StartedLogin): string {
  if (authorizationUrl === null) {
    return `\nOn any device, open\n\n    ${verificationUrl}\n\nand enter the code\n\n    ${userCode}\n\nWaiting …\n`;
  }
  const after = listening
    ? "Waiting … If the browser runs on another machine, paste the address of the page at which it ends, and press Enter.\n"
    : "Then paste the address of the page at which the browser ends (it may say that it cannot be reached), and press Enter.\n";
  return `\nOpen this address in a browser and log in:\n\n    ${authorizationUrl}\n\n${after}`;
}

function pastedLines(place: LoginPlace, id: string, input: NodeJS.ReadableStream) {
  const lines = createInterface({ input });
  lines.on("line", (line) => {
    if (line.trim() === "") return;
    place.callback(id, line).catch((error: Error) => process.stderr.write(`${error.message}\n`));
  });
  return lines;
}

function loginInService(service: ServiceClient): LoginPlace {
  return {
    async start(method) {
      const reply = await service.call("POST", "/api/oauth/start", { forceMethod: method });
      return {
        id: asText(reply.flowId) ?? "",
        authorizationUrl: asText(reply.authorizationUrl),
        listening: reply.callbackListening === true,
        verificationUrl: asText(reply.verificationUrl),
        userCode: asText(reply.userCode),
      };
    },
    async state(id) {
      const reply = await service.call("GET", `/api/oauth/status?flowId=${encodeURIComponent(id)}`);
      if (reply.status === "pending") return { done: false };
      if (reply.status === "success") return { done: true, accountId: asText(reply.accountId) ?? "" };
      return { done: true, problem: asText(reply.errorMessage) ?? "The login failed." };
    },
    async callback(id, callbackUrl) {
      await service.call("POST", "/api/oauth/manual-callback", { callbackUrl, flowId: id });
    },
    async describe(accountId) {
      const { accounts } = await service.call("GET", "/api/accounts");
      const found = (accounts as JsonRecord[]).find((account) => account.accountId === accountId);
      return `${asText(found?.email) ?? accountId} (${asText(found?.planType) ?? "unknown plan"})`;
    },
    close: () => Promise.resolve(),
  };
}

function loginHere(store: Store, config: Config, { fetch, clock, random, log }: Ports): LoginPlace {
  const names = { originator: ORIGINATOR, userAgent: userAgentOf(VERSION) };
  const logins = createLoginFlows({
    oauth: createOauth({ issuerUrl: config.authBaseUrl, names, ports: { fetch, clock, random } }),
    importer: {
      importLogin: (login) => store.accounts.put(newAccount(login, clock.now()), login.credentials).account,
    },
    pool: { get: () => null },
    listener: createCallbackListener({
      redirectUri: BROWSER_REDIRECT_URI,
      arrived: (callbackUrl) => logins.callback(callbackUrl, null),
      log,
    }),
    ended: () => {},
    clock,
    random,
    log,
  });
  return {
    start: (method) => logins.start({ method, accountId: null }),
    async state(id) {
      const { end } = logins.get(id);
      if (end === null) return { done: false };
      return end.status === "success"
        ? { done: true, accountId: end.accountId }
        : { done: true, problem: end.message };
    },
    async callback(id, callbackUrl) {
      await logins.callback(callbackUrl, id);
    },
    async describe(accountId) {
      const found = store.accounts.loadAll().find(({ account }) => account.id === accountId)?.account;
      return `${found?.email ?? accountId} (${found?.planType ?? "unknown plan"})`;
    },
    async close() {
      await logins.stop();
      store.close();
    },
  };
}
