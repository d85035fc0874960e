/** The token issuer's routes: OAuth code, refresh, exchange and revocation, device login, and who a personal token is. */
import { createHash } from "node:crypto";
import { sendError, sendJson, strike } from "./strike.ts";
import type { RouteName } from "./types.ts";
import { bearerToken, type Universe } from "./universe.ts";
import type { WireRequest } from "./http-message.ts";
import type { WireReply } from "./wire.ts";

/** UPSTREAM: a device code lives 15 minutes; a browser's code ends sooner. */
const DEVICE_CODE_MS = 15 * 60 * 1000;
const AUTH_CODE_MS = 10 * 60 * 1000;
/** Logins under way; the oldest are forgotten first. */
const MAX_PENDING = 1000;

interface PendingCode {
  account: number;
  challenge: string | null;
  redirectUri: string;
  expiresAtMs: number;
}

interface PendingDevice {
  userCode: string;
  expiresAtMs: number;
  approvedAccount: number | null;
}

/** Which route of the issuer a path is, or null. */
export function issuerRoute(path: string): RouteName | null {
  switch (path) {
    case "/oauth/token":
      return "token";
    case "/oauth/authorize":
      return "authorize";
    case "/oauth/revoke":
      return "revoke";
    case "/api/accounts/deviceauth/usercode":
    case "/api/accounts/deviceauth/token":
    case "/codex/device":
    case "/deviceauth/callback":
      return "device";
    case "/api/accounts/v1/user-auth-credential/whoami":
      return "whoami";
    default:
      return null;
  }
}

export function createIssuer(universe: Universe) {
  const { tokens, random, options, journal, rules, accounts, now } = universe;
  const codes = new Map<string, PendingCode>();
  const devices = new Map<string, PendingDevice>();

  async function handle(
    request: WireRequest,
    reply: WireReply,
    route: RouteName,
    origin: string,
  ): Promise<void> {
    const text = Buffer.from(request.body).toString("utf8");
    const fields =
      route === "token" || route === "revoke" ? readFields(request, text) : new Map<string, string>();
    const refreshToken = fields.get("refresh_token") ?? fields.get("token") ?? "";
    const account = tokens.accountOfRefreshToken(refreshToken);
    const entry = journal.record({
      route,
      transport: "http",
      method: request.method,
      target: request.target,
      headers: request.headers,
      body: request.body,
      decoded: () => text,
      account,
    });
    const fault = rules.takeFault({ route, transport: "http", account, model: null, bodyText: () => text });
    // A token request that is only delayed rotates on arrival: the reply may be lost, the rotation is not.
    const delayed = fault?.act.kind === "delay";
    const answered = delayed ? prepare(request, route, fields, origin) : null;
    if (fault !== null) {
      journal.counters.faultsFired++;
      entry.fault = `before_headers:${fault.act.kind}`;
      const outcome = await strike(reply, fault.act, { nowMs: now() });
      if (outcome !== "continue") {
        entry.status = outcome;
        return;
      }
    }
    entry.status = (answered ?? prepare(request, route, fields, origin))(reply);
  }

  /** Does the work and returns how to send the answer. */
  function prepare(
    request: WireRequest,
    route: RouteName,
    fields: Map<string, string>,
    origin: string,
  ): (reply: WireReply) => number {
    switch (route) {
      case "token":
        return token(fields);
      case "authorize":
        return authorize(new URLSearchParams(request.query));
      case "revoke":
        tokens.revoke(fields.get("token") ?? "");
        return json(200, {});
      case "whoami":
        return whoami(request);
      default:
        return device(request, origin);
    }
  }

  function token(fields: Map<string, string>): (reply: WireReply) => number {
    switch (fields.get("grant_type")) {
      case "refresh_token": {
        journal.counters.refreshes++;
        const verdict = tokens.refresh(fields.get("refresh_token") ?? "");
        if (verdict.kind === "tokens") return json(200, verdict.tokens);
        return oauthError(401, verdict.code, REFRESH_MESSAGES[verdict.code]);
      }
      case "authorization_code":
        return exchangeCode(fields);
      case "urn:ietf:params:oauth:grant-type:token-exchange":
        return json(200, {
          access_token: `sk-sim-${random.hex(32)}`,
          issued_token_type: "urn:ietf:params:oauth:token-type:access_token",
          token_type: "Bearer",
        });
      default:
        return oauthError(400, "unsupported_grant_type", "Unsupported grant type.");
    }
  }

  function exchangeCode(fields: Map<string, string>): (reply: WireReply) => number {
    const pending = codes.get(fields.get("code") ?? "");
    codes.delete(fields.get("code") ?? "");
    if (pending === undefined || pending.expiresAtMs < now()) {
      return oauthError(400, "invalid_grant", "Unknown or expired code.");
    }
    if (pending.redirectUri !== fields.get("redirect_uri")) {
      return oauthError(400, "invalid_grant", "redirect_uri does not match.");
    }
    const challenge = sha256Base64Url(fields.get("code_verifier") ?? "");
    if (pending.challenge !== challenge) return oauthError(400, "invalid_grant", "PKCE verification failed.");
    return json(200, tokens.login(pending.account));
  }

  function authorize(query: URLSearchParams): (reply: WireReply) => number {
    const redirectUri = query.get("redirect_uri");
    if (redirectUri === null || query.get("code_challenge_method") !== "S256") {
      return oauthError(400, "invalid_request", "redirect_uri and an S256 code_challenge are required.");
    }
    const code = newCode(universe.loginAccount, query.get("code_challenge"), redirectUri);
    const target = new URL(redirectUri);
    target.searchParams.set("code", code);
    target.searchParams.set("state", query.get("state") ?? "");
    if (options.authorize === "page") {
      const href = target.href.replaceAll("&", "&amp;");
      return html(`<h1>Simulated login</h1><p><a id="continue" href="${href}">Continue</a></p>`);
    }
    return (reply) => {
      reply.send(302, [["location", target.href]], "");
      return 302;
    };
  }

  function newCode(account: number, challenge: string | null, redirectUri: string): string {
    const code = `ac_${random.hex(32)}`;
    remember(codes, code, { account, challenge, redirectUri, expiresAtMs: now() + AUTH_CODE_MS });
    return code;
  }

  function device(request: WireRequest, origin: string): (reply: WireReply) => number {
    switch (request.path) {
      case "/api/accounts/deviceauth/usercode": {
        const id = `dev_${random.hex(24)}`;
        const userCode = `${random.hex(4).toUpperCase()}-${random.hex(5).toUpperCase()}`;
        const expiresAtMs = now() + DEVICE_CODE_MS;
        remember(devices, id, { userCode, expiresAtMs, approvedAccount: null });
        const expires_at = new Date(expiresAtMs).toISOString();
        return json(200, { device_auth_id: id, user_code: userCode, interval: "5", expires_at });
      }
      case "/api/accounts/deviceauth/token":
        return pollDevice(request, origin);
      default: {
        const query = new URLSearchParams(request.query);
        const userCode = query.get("user_code") ?? "";
        if (query.get("approve") !== "1")
          return html(`<h1>Simulated device login</h1><p>Code: ${/[\w-]*/.exec(userCode)![0]}</p>`);
        const approved = approveDevice(userCode);
        return approved ? html("<h1>Approved</h1>") : oauthError(404, "unknown_code", "No such code.");
      }
    }
  }

  function pollDevice(request: WireRequest, origin: string): (reply: WireReply) => number {
    const fields = readFields(request, Buffer.from(request.body).toString("utf8"));
    const id = fields.get("device_auth_id") ?? "";
    const pending = devices.get(id);
    if (
      pending === undefined ||
      pending.userCode !== fields.get("user_code") ||
      pending.expiresAtMs < now()
    ) {
      return oauthError(404, "deviceauth_expired", "Unknown or expired device code.");
    }
    if (pending.approvedAccount === null) {
      return oauthError(403, "deviceauth_authorization_pending", "The user has not answered yet.");
    }
    devices.delete(id);
    const code_verifier = random.hex(86);
    const code_challenge = sha256Base64Url(code_verifier);
    // The redirect URI of the exchange is the issuer's own callback (UPSTREAM: device code).
    const authorization_code = newCode(
      pending.approvedAccount,
      code_challenge,
      `${origin}/deviceauth/callback`,
    );
    return json(200, { authorization_code, code_challenge, code_verifier });
  }

  function approveDevice(userCode: string, account = universe.loginAccount): boolean {
    for (const pending of devices.values()) {
      if (pending.userCode !== userCode) continue;
      pending.approvedAccount = account;
      return true;
    }
    return false;
  }

  function whoami(request: WireRequest): (reply: WireReply) => number {
    const verdict = tokens.bearer(bearerToken(request) ?? "");
    if (verdict.kind === "refused") return oauthError(401, "invalid_token", "Unknown token.");
    const account = accounts[verdict.account.index]!;
    return json(200, {
      email: account.email,
      chatgpt_user_id: account.chatgptUserId,
      chatgpt_account_id: account.chatgptAccountId,
      chatgpt_plan_type: account.planType,
      chatgpt_account_is_fedramp: false,
    });
  }
  return { handle, approveDevice };
}

const REFRESH_MESSAGES = {
  refresh_token_expired: "Your refresh token has expired. Please try signing in again.",
  refresh_token_reused:
    "Your refresh token has already been used to generate a new access token. Please try signing in again.",
  refresh_token_invalidated: "Your session has ended. Please log in again.",
} as const;

function remember<V>(map: Map<string, V>, key: string, value: V): void {
  if (map.size >= MAX_PENDING) map.delete(map.keys().next().value!);
  map.set(key, value);
}

/** Fields of a JSON or form body. */
function readFields(request: WireRequest, text: string): Map<string, string> {
  if (!(request.header("content-type") ?? "").includes("json")) return new Map(new URLSearchParams(text));
  try {
    const value = JSON.parse(text) as Record<string, unknown>;
    return new Map(Object.entries(value).map(([name, field]) => [name, String(field)]));
  } catch {
    return new Map();
  }
}

function json(status: number, body: unknown): (reply: WireReply) => number {
  return (reply) => sendJson(reply, status, body);
}

function html(body: string): (reply: WireReply) => number {
  return (reply) => {
    reply.send(
      200,
      [["content-type", "text/html; charset=utf-8"]],
      `<!doctype html><title>Simulator</title>${body}`,
    );
    return 200;
  };
}

function oauthError(status: number, code: string, message: string): (reply: WireReply) => number {
  const body = { error: { message, type: "invalid_request_error", param: null, code } };
  return (reply) => sendError(reply, { status, headers: [], body });
}

function sha256Base64Url(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}
