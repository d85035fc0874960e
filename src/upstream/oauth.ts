/** OpenAI's token issuer: refresh, browser and device login, revocation, and who a personal access token belongs to. */
import { createHash } from "node:crypto";
import type { AccountIdentity } from "../core/account.ts";
import { type ChatGptCredentials, type ChatGptLogin, loginFromTokens } from "../core/credentials.ts";
import { CodedError } from "../core/errors.ts";
import { asNumber, asRecord, asText, asTimeMs, firstOf } from "../core/json-read.ts";
import { loginClaims } from "../core/jwt.ts";
import { Secret } from "../core/secret.ts";
import type { Ports } from "../ports.ts";
import {
  callJson,
  type CallerNames,
  errorCodeOf,
  isErrorPage,
  type JsonReply,
  retryAfterMs,
} from "./json-call.ts";

/** Codex's public OAuth client (UPSTREAM F): refresh tokens are bound to it. */
export const OAUTH_CLIENT_ID = "app_EMoamEEZ73f0CkXaXp7hrann";
/** Where the issuer sends a browser back to; the client id is registered for this port and path only. */
export const BROWSER_REDIRECT_URI = "http://127.0.0.1:1455/auth/callback";
const SCOPE = "openid profile email offline_access api.connectors.read api.connectors.invoke";
/** 64 bytes give the 86 characters that Codex uses. */
const VERIFIER_BYTES = 64;
const STATE_BYTES = 32;
/** The issuer's own deadline for a device code, when it names none. */
const DEVICE_CODE_LIFETIME_MS = 15 * 60_000;
const DEFAULT_POLL_SECONDS = 5;
const MAX_POLL_SECONDS = 60;

export type RefreshReason = "proactive_expiry" | "unauthorized_recovery" | "scheduled" | "forced";

/** After these a person has to log in again. "rejected": any other refusal by the issuer itself. */
export type PermanentRefreshCode =
  | "refresh_token_expired"
  | "refresh_token_reused"
  | "refresh_token_invalidated"
  | "refresh_token_rejected"
  | "refresh_token_missing"
  | "account_deactivated";

/** These say nothing about the login. */
export type TransientCode =
  "timeout" | "network" | "too_large" | "challenge" | "rate_limited" | "server_error" | "unexpected_reply";

export interface TransientFailure {
  outcome: "transient";
  code: TransientCode;
  /** What the issuer asked for; null when it did not. */
  retryAfterMs: number | null;
}

export type RefreshResult =
  /** Store the credentials durably before their first use: the old refresh token is dead. `login` has the fresh plan and e-mail. */
  | { outcome: "refreshed"; credentials: ChatGptCredentials; login: ChatGptLogin | null }
  | { outcome: "permanent"; code: PermanentRefreshCode; message: string }
  | TransientFailure;

export type ExchangeResult =
  | { outcome: "login"; login: ChatGptLogin }
  | { outcome: "rejected"; code: string; message: string }
  | TransientFailure;

/** Keep `codeVerifier` and `state` until the browser comes back; compare `state`, then exchange the code. */
export interface BrowserLogin {
  authorizationUrl: string;
  redirectUri: string;
  state: string;
  codeVerifier: Secret;
}

export type DeviceStart =
  | {
      outcome: "started";
      deviceAuthId: Secret;
      /** What the person types at `verificationUrl`. */
      userCode: string;
      verificationUrl: string;
      intervalSeconds: number;
      expiresAtMs: number;
    }
  | { outcome: "rejected"; code: string; message: string }
  | TransientFailure;

export type DevicePoll =
  | { outcome: "pending" }
  | { outcome: "authorized"; code: Secret; codeVerifier: Secret }
  | { outcome: "rejected"; code: string; message: string }
  | TransientFailure;

export type WhoamiResult =
  | {
      outcome: "known";
      identity: AccountIdentity;
      email: string | null;
      planType: string;
      isFedramp: boolean;
    }
  | { outcome: "unauthorized" }
  | TransientFailure;

export type RevokeResult = { outcome: "revoked" } | { outcome: "failed"; code: string };

export type Oauth = ReturnType<typeof createOauth>;

/** `issuerUrl`: CODEX_LB_AUTH_BASE_URL, without a trailing slash. No method throws. */
export function createOauth(options: {
  issuerUrl: string;
  names: CallerNames;
  ports: Pick<Ports, "fetch" | "clock" | "random">;
}) {
  const { issuerUrl, names } = options;
  const { fetch, clock, random } = options.ports;
  const naming = { originator: names.originator, "user-agent": names.userAgent };
  // The real client sends no originator on the device and exchange calls.
  const agentOnly = { "user-agent": names.userAgent };
  const tokenUrl = `${issuerUrl}/oauth/token`;
  const deviceRedirectUri = `${issuerUrl}/deviceauth/callback`;

  /** Renews an access token. One at a time per account: the issuer lets each refresh token be used once. */
  async function refresh(credentials: ChatGptCredentials, reason: RefreshReason): Promise<RefreshResult> {
    if (credentials.refreshToken === null) return permanent("refresh_token_missing");
    const reply = await callJson(fetch, {
      url: tokenUrl,
      method: "POST",
      headers: naming,
      json: {
        client_id: OAUTH_CLIENT_ID,
        grant_type: "refresh_token",
        refresh_reason: reason,
        refresh_token: credentials.refreshToken.reveal(),
      },
    });
    const answer = answerOf(reply);
    if (answer.outcome === "transient") return answer;
    const { status, body } = answer;
    if (status >= 400) return permanent(permanentCode(errorCodeOf(body)));
    const renewed = renewedCredentials(credentials, body, clock.now());
    return renewed ?? transient("unexpected_reply");
  }

  /** A PKCE login in the browser. `workspaceId` limits the choice to one workspace. */
  function startBrowserLogin(login: { redirectUri?: string; workspaceId?: string } = {}): BrowserLogin {
    const redirectUri = login.redirectUri ?? BROWSER_REDIRECT_URI;
    const codeVerifier = base64url(random.bytes(VERIFIER_BYTES));
    const state = base64url(random.bytes(STATE_BYTES));
    const query = new URLSearchParams({
      response_type: "code",
      client_id: OAUTH_CLIENT_ID,
      redirect_uri: redirectUri,
      scope: SCOPE,
      code_challenge: createHash("sha256").update(codeVerifier).digest("base64url"),
      code_challenge_method: "S256",
      id_token_add_organizations: "true",
      codex_cli_simplified_flow: "true",
      state,
      originator: names.originator,
      ...(login.workspaceId === undefined ? {} : { allowed_workspace_id: login.workspaceId }),
    });
    const authorizationUrl = `${issuerUrl}/oauth/authorize?${query.toString()}`;
    return { authorizationUrl, redirectUri, state, codeVerifier: new Secret(codeVerifier) };
  }

  /** The second half of a browser login; a code works once. */
  async function exchangeCode(grant: {
    code: Secret;
    codeVerifier: Secret;
    redirectUri: string;
  }): Promise<ExchangeResult> {
    const reply = await callJson(fetch, {
      url: tokenUrl,
      method: "POST",
      headers: agentOnly,
      form: {
        grant_type: "authorization_code",
        client_id: OAUTH_CLIENT_ID,
        code: grant.code.reveal(),
        redirect_uri: grant.redirectUri,
        code_verifier: grant.codeVerifier.reveal(),
      },
    });
    const answer = answerOf(reply);
    if (answer.outcome === "transient") return answer;
    const { status, body } = answer;
    if (status >= 400) {
      return rejected(errorCodeOf(body), "OpenAI refused the login code. Start the login again.");
    }
    return loginFromReply(body, clock.now());
  }

  /** The last step of a device login, with what the poll returned. */
  function exchangeDeviceCode(grant: { code: Secret; codeVerifier: Secret }): Promise<ExchangeResult> {
    return exchangeCode({ ...grant, redirectUri: deviceRedirectUri });
  }

  async function startDeviceLogin(): Promise<DeviceStart> {
    const reply = await callJson(fetch, {
      url: `${issuerUrl}/api/accounts/deviceauth/usercode`,
      method: "POST",
      headers: agentOnly,
      json: { client_id: OAUTH_CLIENT_ID },
    });
    const answer = answerOf(reply);
    if (answer.outcome === "transient") return answer;
    const { status, body } = answer;
    if (status >= 400) {
      return rejected(
        errorCodeOf(body),
        "OpenAI offers no device login here. Switch it on in ChatGPT's security settings, or log in with the browser.",
      );
    }
    const started = asRecord(body);
    const deviceAuthId = asText(started?.device_auth_id);
    const userCode = asText(firstOf(started, ["user_code", "usercode"]));
    if (deviceAuthId === null || userCode === null) return transient("unexpected_reply");
    const interval = asNumber(started?.interval) ?? DEFAULT_POLL_SECONDS;
    return {
      outcome: "started",
      deviceAuthId: new Secret(deviceAuthId),
      userCode,
      verificationUrl: `${issuerUrl}/codex/device`,
      intervalSeconds: Math.min(MAX_POLL_SECONDS, Math.max(1, interval)),
      expiresAtMs: asTimeMs(started?.expires_at) ?? clock.now() + DEVICE_CODE_LIFETIME_MS,
    };
  }

  /** Ask every `intervalSeconds` until it is no longer pending or the code has expired. */
  async function pollDeviceLogin(started: { deviceAuthId: Secret; userCode: string }): Promise<DevicePoll> {
    const reply = await callJson(fetch, {
      url: `${issuerUrl}/api/accounts/deviceauth/token`,
      method: "POST",
      headers: agentOnly,
      json: { device_auth_id: started.deviceAuthId.reveal(), user_code: started.userCode },
    });
    if (reply.kind === "reply" && (reply.status === 403 || reply.status === 404))
      return { outcome: "pending" };
    const answer = answerOf(reply);
    if (answer.outcome === "transient") return answer;
    const { status, body } = answer;
    if (status >= 400) return rejected(errorCodeOf(body), "OpenAI ended the device login. Start it again.");
    const granted = asRecord(body);
    const code = asText(granted?.authorization_code);
    const codeVerifier = asText(granted?.code_verifier);
    if (code === null || codeVerifier === null) return transient("unexpected_reply");
    return { outcome: "authorized", code: new Secret(code), codeVerifier: new Secret(codeVerifier) };
  }

  /** Logs the refresh token out at OpenAI. */
  async function revoke(refreshToken: Secret): Promise<RevokeResult> {
    const reply = await callJson(fetch, {
      url: `${issuerUrl}/oauth/revoke`,
      method: "POST",
      headers: naming,
      json: { token: refreshToken.reveal(), token_type_hint: "refresh_token", client_id: OAUTH_CLIENT_ID },
    });
    if (reply.kind === "failed") return { outcome: "failed", code: reply.code };
    if (reply.status < 300) return { outcome: "revoked" };
    return { outcome: "failed", code: errorCodeOf(reply.body) ?? `http_${reply.status}` };
  }

  /** Whose personal access token (`at-…`) this is; such tokens are never refreshed. */
  async function whoami(token: Secret): Promise<WhoamiResult> {
    const reply = await callJson(fetch, {
      url: `${issuerUrl}/api/accounts/v1/user-auth-credential/whoami`,
      headers: { ...naming, authorization: `Bearer ${token.reveal()}` },
    });
    const answer = answerOf(reply);
    if (answer.outcome === "transient") return answer;
    const { status, body } = answer;
    if (status >= 400) return { outcome: "unauthorized" };
    const owner = asRecord(body);
    const chatgptAccountId = asText(owner?.chatgpt_account_id);
    if (chatgptAccountId === null) return transient("unexpected_reply");
    return {
      outcome: "known",
      identity: { chatgptAccountId, chatgptUserId: asText(owner?.chatgpt_user_id), workspaceId: null },
      email: asText(owner?.email),
      planType: asText(owner?.chatgpt_plan_type)?.toLowerCase() ?? "unknown",
      isFedramp: owner?.chatgpt_account_is_fedramp === true,
    };
  }

  return {
    refresh,
    startBrowserLogin,
    exchangeCode,
    exchangeDeviceCode,
    startDeviceLogin,
    pollDeviceLogin,
    revoke,
    whoami,
  };
}

/** Tells the issuer's own answer (2xx and 4xx) from everything that says nothing about the login. */
function answerOf(
  reply: JsonReply,
): TransientFailure | { outcome: "answered"; status: number; body: unknown } {
  if (reply.kind === "failed") return transient(reply.code);
  const { status, headers, body } = reply;
  if (status === 429 || status === 408) return transient("rate_limited", retryAfterMs(headers));
  if (status >= 500) return transient("server_error", retryAfterMs(headers));
  // Codex takes every 4xx for final; but a page without JSON comes from something in between, and would cost a login.
  if (isErrorPage(reply)) return transient("challenge");
  if (status >= 300 && status < 400) return transient("unexpected_reply");
  return { outcome: "answered", status, body };
}

function transient(code: TransientCode, retryAfter: number | null = null): TransientFailure {
  return { outcome: "transient", code, retryAfterMs: retryAfter };
}

const PERMANENT_MESSAGES: Record<PermanentRefreshCode, string> = {
  refresh_token_expired: "The login has expired. Log in again.",
  refresh_token_reused:
    "Another program has used this login's refresh token. Log in again, and use the login only here.",
  refresh_token_invalidated: "The login was ended at OpenAI, by logging out or a new password. Log in again.",
  refresh_token_rejected: "OpenAI refused to renew the login. Log in again.",
  refresh_token_missing: "The login has no refresh token and cannot be renewed. Log in again.",
  account_deactivated: "OpenAI has deactivated this account. Ask OpenAI's support, or remove the account.",
};

function permanent(code: PermanentRefreshCode): RefreshResult {
  return { outcome: "permanent", code, message: PERMANENT_MESSAGES[code] };
}

function permanentCode(code: string | null): PermanentRefreshCode {
  return code !== null && Object.hasOwn(PERMANENT_MESSAGES, code)
    ? (code as PermanentRefreshCode)
    : "refresh_token_rejected";
}

function rejected(
  code: string | null,
  message: string,
): { outcome: "rejected"; code: string; message: string } {
  return { outcome: "rejected", code: code ?? "rejected", message };
}

/** Every field of the reply is optional, and a missing one keeps the old value (UPSTREAM F). null: it renews nothing. */
function renewedCredentials(old: ChatGptCredentials, body: unknown, nowMs: number): RefreshResult | null {
  const reply = asRecord(body);
  const access = asText(reply?.access_token);
  const refresh = asText(reply?.refresh_token);
  const id = asText(reply?.id_token);
  if (access === null && refresh === null) return null;
  const accessToken = access === null ? old.accessToken : new Secret(access);
  const idToken = id === null ? old.idToken : new Secret(id);
  const credentials: ChatGptCredentials = {
    kind: "chatgpt",
    accessToken,
    refreshToken: refresh === null ? old.refreshToken : new Secret(refresh),
    idToken,
    accessExpiresAtMs: access === null ? old.accessExpiresAtMs : expiryOf(access, reply?.expires_in, nowMs),
    lastRefreshAtMs: nowMs,
  };
  return { outcome: "refreshed", credentials, login: loginOrNull(credentials, nowMs) };
}

function expiryOf(accessToken: string, expiresIn: unknown, nowMs: number): number | null {
  const seconds = asNumber(expiresIn);
  return loginClaims(accessToken).expiresAtMs ?? (seconds === null ? null : nowMs + seconds * 1000);
}

function loginOrNull(credentials: ChatGptCredentials, nowMs: number): ChatGptLogin | null {
  const result = loginFrom(
    {
      accessToken: credentials.accessToken.reveal(),
      refreshToken: credentials.refreshToken?.reveal() ?? null,
      idToken: credentials.idToken?.reveal() ?? null,
    },
    nowMs,
  );
  return result.outcome === "login" ? result.login : null;
}

function loginFromReply(body: unknown, nowMs: number): ExchangeResult {
  const reply = asRecord(body);
  const accessToken = asText(reply?.access_token);
  if (accessToken === null) return transient("unexpected_reply");
  const tokens = {
    accessToken,
    refreshToken: asText(reply?.refresh_token),
    idToken: asText(reply?.id_token),
  };
  return loginFrom(tokens, nowMs);
}

function loginFrom(
  tokens: { accessToken: string; refreshToken: string | null; idToken: string | null },
  nowMs: number,
): Exclude<ExchangeResult, TransientFailure> {
  try {
    return { outcome: "login", login: loginFromTokens(tokens, nowMs) };
  } catch (error) {
    if (error instanceof CodedError) return rejected(error.code, error.message);
    throw error;
  }
}

function base64url(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}
