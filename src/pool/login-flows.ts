/** Logins under way: started here, finished by a person in a browser somewhere, each with a deadline and an end that says why. */
import type { Account, Credentials } from "../core/account.ts";
import { isEqualInConstantTime } from "../core/api-key.ts";
import { accountIdOf, type ChatGptLogin } from "../core/credentials.ts";
import { CodedError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import type { Clock, Log, Random, Timer } from "../ports.ts";
import type { BrowserLogin, DevicePoll, DeviceStart, ExchangeResult, Oauth } from "../upstream/oauth.ts";

export type LoginMethod = "browser" | "device";

export interface LoginFlow {
  readonly id: string;
  readonly method: LoginMethod;
  readonly startedAtMs: number;
  readonly expiresAtMs: number;
  /** The account that is to log in again; null: whichever account it turns out to be. */
  readonly accountId: string | null;
  /** For the browser. */
  readonly authorizationUrl: string | null;
  readonly callbackUrl: string | null;
  /** Whether the callback reaches us by itself; otherwise the address is pasted. */
  readonly listening: boolean;
  /** For the device. */
  readonly verificationUrl: string | null;
  readonly userCode: string | null;
  readonly intervalSeconds: number | null;
  readonly end: LoginEnd | null;
}

/** How a flow ended. */
export type LoginEnd =
  { status: "success"; accountId: string } | { status: "error"; code: string; message: string };

export interface LoginFlows {
  /** `method` null: the device code, and the browser where OpenAI offers none. Throws CodedError. */
  start(wish: { method: LoginMethod | null; accountId: string | null }): Promise<LoginFlow>;
  /** null: the latest. Throws `login_flow_not_found` (404). */
  get(id: string | null): LoginFlow;
  /** Asks now, without waiting for the next poll. */
  poll(id: string): Promise<LoginFlow>;
  /** The address at which the browser arrived, from the listener or pasted. `id` null: the flow that its state belongs to. */
  callback(callbackUrl: string, id: string | null): Promise<LoginFlow>;
  cancel(id: string): LoginFlow;
  /** Ends what is under way. */
  stop(): Promise<void>;
}

/** The listener for the browser's way back; open while a browser login runs. */
export interface CallbackListener {
  /** False when the port is taken, by another program's login for example. */
  open(): boolean;
  close(): Promise<void>;
}

export interface LoginFlowsPorts {
  oauth: Pick<
    Oauth,
    "startBrowserLogin" | "exchangeCode" | "startDeviceLogin" | "pollDeviceLogin" | "exchangeDeviceCode"
  >;
  importer: { importLogin(login: ChatGptLogin, options: { again: boolean }): Pick<Account, "id"> };
  pool: { get(id: string): Account | null };
  listener: CallbackListener;
  /** Told how each one ended. */
  ended(flow: LoginFlow, end: LoginEnd): void;
  clock: Clock;
  random: Random;
  log: Log;
}

/** A person logs in one or two accounts at a time; a script that starts hundreds is a mistake. */
const MAX_UNDER_WAY = 16;
/** How an ended flow went can be asked for this long. */
const REMEMBER_ENDED_MS = 15 * 60_000;
const MAX_REMEMBERED = 64;
/** OpenAI's own page gives up at about this time. */
const BROWSER_LIMIT_MS = 15 * 60_000;
/** After a failure that says nothing about the login. */
const MAX_RETRY_MS = 60_000;

interface OpenFlow extends LoginFlow {
  end: LoginEnd | null;
  browser: BrowserLogin | null;
  device: Extract<DeviceStart, { outcome: "started" }> | null;
  timers: Timer[];
  /** What runs now, so that a code is redeemed once. */
  work: Promise<void> | null;
}

export function createLoginFlows(ports: LoginFlowsPorts): LoginFlows {
  const { oauth, importer, pool, listener, clock, random, log } = ports;
  const flows = new Map<string, OpenFlow>();

  const underWay = () => [...flows.values()].filter((flow) => flow.end === null);
  const waitsForBrowser = () => underWay().some((flow) => flow.browser !== null);

  function forgetOld(): void {
    const ended = [...flows.values()].filter((flow) => flow.end !== null);
    for (const flow of ended.slice(0, Math.max(0, ended.length - MAX_REMEMBERED))) flows.delete(flow.id);
    for (const flow of ended) {
      if (clock.now() - flow.expiresAtMs > REMEMBER_ENDED_MS) flows.delete(flow.id);
    }
  }

  function open(
    fields: Pick<OpenFlow, "browser" | "device" | "accountId" | "expiresAtMs" | "listening">,
  ): OpenFlow {
    const { browser, device } = fields;
    const flow: OpenFlow = {
      ...fields,
      id: `login_${Buffer.from(random.bytes(12)).toString("hex")}`,
      method: browser === null ? "device" : "browser",
      startedAtMs: clock.now(),
      authorizationUrl: browser?.authorizationUrl ?? null,
      callbackUrl: browser?.redirectUri ?? null,
      verificationUrl: device?.verificationUrl ?? null,
      userCode: device?.userCode ?? null,
      intervalSeconds: device?.intervalSeconds ?? null,
      end: null,
      timers: [],
      work: null,
    };
    flows.set(flow.id, flow);
    after(flow, flow.expiresAtMs - clock.now(), () => {
      finish(flow, failed("login_expired", "Nobody finished this login in time. Start it again."));
    });
    return flow;
  }

  function after(flow: OpenFlow, delayMs: number, task: () => void): void {
    flow.timers.push(clock.schedule(delayMs, task));
  }

  function finish(flow: OpenFlow, end: LoginEnd): void {
    if (flow.end !== null) return;
    flow.end = end;
    for (const timer of flow.timers) timer.cancel();
    flow.browser = null;
    flow.device = null;
    if (!waitsForBrowser()) void listener.close();
    ports.ended(flow, end);
    if (end.status === "success") log.info("login finished", { flow: flow.id, account: end.accountId });
    else log.warn("login ended", { flow: flow.id, code: end.code });
  }

  async function startDevice(account: Account | null): Promise<OpenFlow> {
    const device = await oauth.startDeviceLogin();
    if (device.outcome !== "started") throw notStarted(device);
    const accountId = account?.id ?? null;
    const flow = open({
      browser: null,
      device,
      accountId,
      expiresAtMs: device.expiresAtMs,
      listening: false,
    });
    pollLater(flow, device.intervalSeconds * 1000);
    return flow;
  }

  function startBrowser(account: Account | null): OpenFlow {
    const browser = oauth.startBrowserLogin(
      account === null ? {} : { workspaceId: account.chatgptAccountId },
    );
    const expiresAtMs = clock.now() + BROWSER_LIMIT_MS;
    return open({
      browser,
      device: null,
      accountId: account?.id ?? null,
      expiresAtMs,
      listening: listener.open(),
    });
  }

  function pollLater(flow: OpenFlow, delayMs: number): void {
    after(flow, delayMs, () => void pollOnce(flow));
  }

  /** One poll at a time; the next one is scheduled when this one brought nothing. */
  function pollOnce(flow: OpenFlow): Promise<void> {
    const { device } = flow;
    if (flow.end !== null || device === null) return Promise.resolve();
    flow.work ??= (async () => {
      const poll = await oauth.pollDeviceLogin(device);
      if (flow.end === null) await takePoll(flow, poll, device.intervalSeconds * 1000);
    })().finally(() => {
      flow.work = null;
    });
    return flow.work;
  }

  async function takePoll(flow: OpenFlow, poll: DevicePoll, intervalMs: number): Promise<void> {
    switch (poll.outcome) {
      case "pending":
        return pollLater(flow, intervalMs);
      case "transient":
        return pollLater(flow, Math.min(MAX_RETRY_MS, Math.max(intervalMs, poll.retryAfterMs ?? 0)));
      case "rejected":
        return finish(flow, failed(poll.code, poll.message));
      case "authorized":
        return take(flow, await oauth.exchangeDeviceCode(poll));
    }
  }

  /** The issuer's answer to the code: into the pool, when it is the login that was asked for. */
  function take(flow: OpenFlow, result: ExchangeResult): void {
    if (flow.end !== null) return;
    switch (result.outcome) {
      case "rejected":
        return finish(flow, failed(result.code, result.message));
      case "transient":
        return finish(
          flow,
          failed("upstream_unavailable", `OpenAI could not be reached (${result.code}). Start again.`),
        );
      case "login":
        return finish(flow, imported(flow, result.login));
    }
  }

  function imported(flow: OpenFlow, login: ChatGptLogin): LoginEnd {
    if (flow.accountId !== null && accountIdOf(login.identity) !== flow.accountId)
      return failed("login_wrong_account", wrongAccount(login, pool.get(flow.accountId)));
    try {
      const account = importer.importLogin(login, { again: flow.accountId !== null });
      return { status: "success", accountId: account.id };
    } catch (error) {
      if (error instanceof CodedError) return failed(error.code, error.message);
      log.error("login could not be stored", { flow: flow.id, error: (error as Error).message });
      return failed(
        "login_not_stored",
        "The login went well, but could not be stored. The log of codex-lb says why.",
      );
    }
  }

  function found(id: string): OpenFlow {
    const flow = flows.get(id);
    if (flow) return flow;
    throw new CodedError(
      "login_flow_not_found",
      "There is no such login, or it ended a while ago. Start it again.",
      {
        status: 404,
      },
    );
  }

  async function redeem(flow: OpenFlow, browser: BrowserLogin, code: Secret): Promise<void> {
    const { codeVerifier, redirectUri } = browser;
    // A code works once: whatever comes of it, this flow is not tried again.
    flow.work ??= oauth
      .exchangeCode({ code, codeVerifier, redirectUri })
      .then((result) => take(flow, result));
    await flow.work;
  }

  return {
    async start({ method, accountId }) {
      forgetOld();
      const account = accountId === null ? null : pool.get(accountId);
      if (accountId !== null && account === null)
        throw new CodedError("account_not_found", "There is no such account in the pool.", { status: 404 });
      if (underWay().length >= MAX_UNDER_WAY) {
        throw new CodedError(
          "too_many_logins",
          "Many logins are under way. Finish or cancel one of them first.",
          {
            status: 429,
            retryAfterSeconds: 60,
          },
        );
      }
      if (method === "browser") return startBrowser(account);
      try {
        return await startDevice(account);
      } catch (error) {
        // Some workspaces switch device codes off.
        if (method === null && error instanceof CodedError && error.code === "device_login_refused")
          return startBrowser(account);
        throw error;
      }
    },
    get(id) {
      if (id !== null) return found(id);
      const latest = [...flows.values()].at(-1);
      return latest ?? found("");
    },
    async poll(id) {
      const flow = found(id);
      await pollOnce(flow);
      return flow;
    },
    async callback(callbackUrl, id) {
      const answer = readCallback(callbackUrl);
      const flow = id === null ? ownerOf(answer.state, underWay()) : found(id);
      const { browser } = flow;
      if (flow.end !== null || browser === null) return flow;
      if (!isEqualInConstantTime(answer.state, browser.state)) throw otherLogin();
      if (answer.code === null)
        finish(flow, failed("login_refused", `OpenAI did not log you in (${answer.error}).`));
      else await redeem(flow, browser, answer.code);
      return flow;
    },
    cancel(id) {
      const flow = found(id);
      finish(flow, failed("login_cancelled", "This login was cancelled."));
      return flow;
    },
    async stop() {
      const work = underWay().flatMap((flow) => flow.work ?? []);
      for (const flow of underWay()) finish(flow, failed("login_cancelled", "codex-lb was stopped."));
      await Promise.allSettled(work);
      await listener.close();
    },
  };
}

/** Logs out at OpenAI. Throws `login_not_revoked` (502); what has no refresh token (a personal access token) is not revoked so. */
export async function revokeLogin(oauth: Pick<Oauth, "revoke">, credentials: Credentials): Promise<void> {
  if (credentials.kind !== "chatgpt" || credentials.refreshToken === null) {
    throw new CodedError(
      "login_not_revoked",
      "This login cannot be revoked from here; end it in OpenAI's settings, then delete the account without revoking.",
      { status: 409 },
    );
  }
  const result = await oauth.revoke(credentials.refreshToken);
  if (result.outcome === "revoked") return;
  throw new CodedError(
    "login_not_revoked",
    `OpenAI did not confirm the log-out (${result.code}). Nothing was changed; try again, or delete the account without revoking.`,
    { status: 502 },
  );
}

/** Far longer than any code and state. */
const MAX_CALLBACK_CHARS = 8192;

/** What a browser's address says when it comes back; the host does not matter, the query alone will do. */
function readCallback(callbackUrl: string): { state: string; code: Secret | null; error: string } {
  const text = callbackUrl.trim();
  const query = new URLSearchParams(text.slice(text.indexOf("?") + 1).replace(/#.*$/, ""));
  const state = query.get("state");
  const code = query.get("code");
  const error = query.get("error");
  if (text.length > MAX_CALLBACK_CHARS || !state || (!code && !error)) {
    throw new CodedError(
      "invalid_callback_url",
      "This is not the address at which the login ends. Copy it whole from the browser's address bar; it contains `code=` and `state=`.",
      { status: 400, param: "callbackUrl" },
    );
  }
  // OpenAI's own word for it, without whatever else a link may put there.
  return {
    state,
    code: code ? new Secret(code) : null,
    error: /^\w{1,40}$/.exec(error ?? "")?.[0] ?? "unknown",
  };
}

function ownerOf(state: string, candidates: readonly OpenFlow[]): OpenFlow {
  const owner = candidates.find(
    ({ browser }) => browser !== null && isEqualInConstantTime(state, browser.state),
  );
  if (owner) return owner;
  throw otherLogin();
}

function otherLogin(): CodedError {
  return new CodedError(
    "login_state_mismatch",
    "This address belongs to another login, or to one that has ended. Start the login again and use its own page.",
    { status: 409 },
  );
}

function failed(code: string, message: string): LoginEnd {
  return { status: "error", code, message };
}

function wrongAccount(login: ChatGptLogin, wanted: Account | null): string {
  const name = (who: { email: string | null; workspaceLabel: string | null; planType: string }) =>
    `${who.email ?? "an account without e-mail"} (${who.workspaceLabel ?? who.planType})`;
  const meant = wanted === null ? "an account that was removed meanwhile" : name(wanted);
  return `You logged in as ${name(login)}, but this login was for ${meant}. Nothing was changed. Start again and choose that account and workspace.`;
}

function notStarted(result: Exclude<DeviceStart, { outcome: "started" }>): CodedError {
  if (result.outcome === "rejected")
    return new CodedError("device_login_refused", result.message, { status: 409 });
  return new CodedError(
    "upstream_unavailable",
    `OpenAI could not be asked for a login code (${result.code}). Check the network and try again.`,
    { status: 502 },
  );
}
