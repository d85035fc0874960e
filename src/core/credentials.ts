/** Logins as files: every variant of auth.json becomes one shape, or a coded error that says what to do. */
import { createHash } from "node:crypto";
import type { Account, AccountIdentity, Credentials } from "./account.ts";
import { CodedError } from "./errors.ts";
import { asRecord, asText, asTimeMs, firstOf, type JsonRecord } from "./json-read.ts";
import { type LoginClaims, loginClaims } from "./jwt.ts";
import { Secret } from "./secret.ts";

export type ChatGptCredentials = Extract<Credentials, { kind: "chatgpt" }>;

/** A ChatGPT login and what its tokens say about the account. */
export interface ChatGptLogin {
  kind: "chatgpt";
  identity: AccountIdentity;
  email: string | null;
  /** Lower case as upstream names it; "unknown" when the tokens do not say. */
  planType: string;
  workspaceLabel: string | null;
  seatType: string | null;
  credentials: ChatGptCredentials;
}

/** What a login file holds. A personal access token names nobody: ask upstream's whoami who it is. */
export type ParsedLogin = ChatGptLogin | { kind: "personal_access_token"; token: Secret };

/** A real file has 4 to 10 kB; what is larger is not one. */
export const MAX_AUTH_JSON_BYTES = 256 * 1024;
/** Other programs wrap a login in stores of profiles; deeper or wider than this none of them goes. */
const MAX_SEARCH_DEPTH = 5;
const MAX_SEARCHED_RECORDS = 2000;

const ACCESS_NAMES = ["access_token", "accessToken", "access"];
const REFRESH_NAMES = ["refresh_token", "refreshToken", "refresh"];
const ID_NAMES = ["id_token", "idToken"];
const ACCOUNT_NAMES = ["account_id", "accountId", "chatgpt_account_id", "chatgptAccountId"];
const EXPIRY_NAMES = ["expires", "expires_at", "expiresAt", "expired"];
const LAST_REFRESH_NAMES = ["last_refresh", "lastRefresh", "lastRefreshAt"];
const EMAIL_NAMES = ["email"];
const PAT_NAMES = ["personal_access_token", "personalAccessToken"];
const UNSUPPORTED_NAMES = ["agent_identity", "bedrock_api_key", "bedrock_access_keys"];
/** Values of `auth_mode` (UPSTREAM F) that carry nothing which this program could sign requests with. */
const UNSUPPORTED_MODES = new Set([
  "agentidentity",
  "headers",
  "bedrock",
  "bedrockapikey",
  "bedrockaccesskeys",
]);

const HEADER_SAFE = /^[\x21-\x7e]+$/;
const PERSONAL_ACCESS_TOKEN = /^at-[\x21-\x7e]+$/;

/** Ours, stable: `acc_` + 20 hex digits of SHA-256 over the identity. */
export function accountIdOf(identity: AccountIdentity): string {
  const { chatgptAccountId, chatgptUserId, workspaceId } = identity;
  const digest = createHash("sha256").update(JSON.stringify([chatgptAccountId, chatgptUserId, workspaceId]));
  return `acc_${digest.digest("hex").slice(0, 20)}`;
}

/**
 * Reads a login from the text of an auth.json: Codex (old and new), OpenCode's and OpenClaw's stores, flat token files, an
 * export of this program, or a bare personal access token. Throws CodedError: `invalid_auth_json`, `auth_json_too_large`,
 * `auth_json_api_key_only`, `auth_json_unsupported_mode`, `auth_json_no_tokens`, `auth_json_no_account`, `auth_json_expired`,
 * `auth_json_several_logins`.
 */
export function readAuthJson(text: string | Uint8Array, nowMs: number): ParsedLogin {
  const content = decodeText(text);
  if (PERSONAL_ACCESS_TOKEN.test(content))
    return { kind: "personal_access_token", token: new Secret(content) };
  const root = parseRecord(content);
  const records = recordsWithin(root);

  const holders = records.filter(({ record }) => asText(firstOf(record, ACCESS_NAMES)) !== null);
  const logins = holders.flatMap(({ record, parents }) => {
    const login = loginFromRecord(record, parents);
    return login === null ? [] : [login];
  });
  const ids = new Set(logins.map((login) => accountIdOf(login.identity)));
  if (ids.size > 1) {
    throw new CodedError(
      "auth_json_several_logins",
      `This file holds ${ids.size} logins. Import one login per file.`,
    );
  }
  const login = logins[0];
  if (login !== undefined) return usable(login, nowMs);

  const pat = records.map(({ record }) => personalAccessToken(record)).find((token) => token !== null);
  if (pat) return { kind: "personal_access_token", token: new Secret(pat) };
  throw refusal(
    records.map(({ record }) => record),
    holders.length > 0,
  );
}

/** A login from tokens as the issuer returned them; the same errors as readAuthJson. */
export function loginFromTokens(
  tokens: {
    accessToken: string;
    refreshToken?: string | null;
    idToken?: string | null;
    accountId?: string | null;
  },
  nowMs: number,
): ChatGptLogin {
  const { accessToken, refreshToken = null, idToken = null, accountId = null } = tokens;
  const login = buildLogin({ accessToken, refreshToken, idToken, accountId, lastRefreshAtMs: nowMs });
  if (login === null) throw noAccount();
  return usable(login, nowMs);
}

/** The account and its credentials as an auth.json that Codex CLI loads. Holds the tokens in clear. */
export function writeAuthJson(account: Pick<Account, "chatgptAccountId">, credentials: Credentials): string {
  if (credentials.kind === "personal_access_token") {
    return toFile({
      auth_mode: "personalAccessToken",
      OPENAI_API_KEY: null,
      personal_access_token: credentials.accessToken.reveal(),
    });
  }
  const { accessToken, refreshToken, idToken, lastRefreshAtMs } = credentials;
  return toFile({
    auth_mode: "chatgpt",
    OPENAI_API_KEY: null,
    tokens: {
      // Codex insists on an id token that it can decode; the access token carries the same claims (UPSTREAM F).
      id_token: (idToken ?? accessToken).reveal(),
      access_token: accessToken.reveal(),
      refresh_token: refreshToken?.reveal() ?? "",
      account_id: account.chatgptAccountId,
    },
    last_refresh: lastRefreshAtMs === null ? null : new Date(lastRefreshAtMs).toISOString(),
  });
}

function toFile(content: JsonRecord): string {
  return `${JSON.stringify(content, null, 2)}\n`;
}

function decodeText(text: string | Uint8Array): string {
  const size = typeof text === "string" ? Buffer.byteLength(text) : text.byteLength;
  if (size > MAX_AUTH_JSON_BYTES) {
    throw new CodedError(
      "auth_json_too_large",
      `This is no auth.json: it is larger than ${MAX_AUTH_JSON_BYTES / 1024} KiB. Choose the file ~/.codex/auth.json.`,
      { status: 413 },
    );
  }
  if (typeof text === "string") return text.replace(/^\uFEFF/, "").trim();
  // PowerShell's `>` writes UTF-16 with a byte order mark; the decoder removes the mark of either encoding.
  const encoding = text[0] === 0xff && text[1] === 0xfe ? "utf-16le" : "utf-8";
  return new TextDecoder(encoding).decode(text).trim();
}

function parseRecord(content: string): JsonRecord {
  let parsed: unknown;
  try {
    parsed = JSON.parse(content);
  } catch {
    throw new CodedError(
      "invalid_auth_json",
      content === ""
        ? "The file is empty. Choose the file ~/.codex/auth.json, written by `codex login`."
        : "The file is not valid JSON. Choose the file ~/.codex/auth.json, whole and unedited.",
    );
  }
  const record = recordOrList(parsed);
  if (record !== null) return record;
  throw new CodedError(
    "invalid_auth_json",
    "The file holds no JSON object. Choose the file ~/.codex/auth.json.",
  );
}

/** A list is searched like an object whose entries are the records. */
function recordOrList(value: unknown): JsonRecord | null {
  return Array.isArray(value) ? Object.fromEntries(value.entries()) : asRecord(value);
}

interface FoundRecord {
  record: JsonRecord;
  /** The records around it, nearest first: what the login itself lacks (`last_refresh`, e-mail) may stand there. */
  parents: readonly JsonRecord[];
}

/** The root and every object below it, outermost first, within the bounds. */
function recordsWithin(root: JsonRecord): FoundRecord[] {
  const found: FoundRecord[] = [{ record: root, parents: [] }];
  for (let index = 0; index < found.length && found.length < MAX_SEARCHED_RECORDS; index++) {
    const { record, parents } = found[index]!;
    if (parents.length >= MAX_SEARCH_DEPTH) continue;
    for (const value of Object.values(record)) {
      const child = recordOrList(value);
      if (child !== null) found.push({ record: child, parents: [record, ...parents] });
    }
  }
  return found;
}

function loginFromRecord(record: JsonRecord, parents: readonly JsonRecord[]): ChatGptLogin | null {
  const around = [record, ...parents];
  const nearest = (names: readonly string[]) =>
    around.map((entry) => firstOf(entry, names)).find((value) => value !== undefined);
  return buildLogin({
    accessToken: asText(firstOf(record, ACCESS_NAMES))!,
    refreshToken: asText(firstOf(record, REFRESH_NAMES)),
    idToken: asText(firstOf(record, ID_NAMES)),
    accountId: asText(firstOf(record, ACCOUNT_NAMES)),
    email: asText(nearest(EMAIL_NAMES)),
    expiresAtMs: asTimeMs(firstOf(record, EXPIRY_NAMES)),
    lastRefreshAtMs: asTimeMs(nearest(LAST_REFRESH_NAMES)),
  });
}

interface RawTokens {
  accessToken: string;
  refreshToken: string | null;
  idToken: string | null;
  accountId: string | null;
  email?: string | null;
  expiresAtMs?: number | null;
  lastRefreshAtMs: number | null;
}

/** null when nothing names the ChatGPT account: another service's token, or an opaque one. */
function buildLogin(raw: RawTokens): ChatGptLogin | null {
  const claims = joinClaims(
    loginClaims(raw.accessToken),
    raw.idToken === null ? null : loginClaims(raw.idToken),
  );
  // The file's own account id comes first: it is what Codex sends as chatgpt-account-id.
  const chatgptAccountId = raw.accountId ?? claims.chatgptAccountId;
  if (chatgptAccountId === null) return null;
  for (const value of [chatgptAccountId, raw.accessToken, raw.refreshToken, raw.idToken]) {
    if (value !== null && !HEADER_SAFE.test(value)) {
      throw new CodedError(
        "invalid_auth_json",
        "A token or the account id in this file has blanks or control characters in it. Export or copy the file again.",
      );
    }
  }
  return {
    kind: "chatgpt",
    identity: { chatgptAccountId, chatgptUserId: claims.chatgptUserId, workspaceId: claims.workspaceId },
    email: claims.email ?? raw.email ?? null,
    planType: claims.planType ?? "unknown",
    workspaceLabel: claims.workspaceLabel,
    seatType: claims.seatType,
    credentials: {
      kind: "chatgpt",
      accessToken: new Secret(raw.accessToken),
      refreshToken: raw.refreshToken === null ? null : new Secret(raw.refreshToken),
      idToken: raw.idToken === null ? null : new Secret(raw.idToken),
      accessExpiresAtMs: loginClaims(raw.accessToken).expiresAtMs ?? raw.expiresAtMs ?? null,
      lastRefreshAtMs: raw.lastRefreshAtMs,
    },
  };
}

/** The access token's claims, completed by the id token's. */
function joinClaims(access: LoginClaims, id: LoginClaims | null): LoginClaims {
  if (id === null) return access;
  return {
    chatgptAccountId: access.chatgptAccountId ?? id.chatgptAccountId,
    chatgptUserId: access.chatgptUserId ?? id.chatgptUserId,
    workspaceId: access.workspaceId ?? id.workspaceId,
    workspaceLabel: access.workspaceLabel ?? id.workspaceLabel,
    seatType: access.seatType ?? id.seatType,
    email: access.email ?? id.email,
    planType: access.planType ?? id.planType,
    expiresAtMs: access.expiresAtMs,
    isFedramp: access.isFedramp || id.isFedramp,
  };
}

/** An expired access token is fine while a refresh token can renew it. */
function usable(login: ChatGptLogin, nowMs: number): ChatGptLogin {
  const { accessExpiresAtMs, refreshToken } = login.credentials;
  if (refreshToken === null && accessExpiresAtMs !== null && accessExpiresAtMs <= nowMs) {
    throw new CodedError(
      "auth_json_expired",
      "This login expired and has no refresh token to renew it. Run `codex login` and import the new file.",
    );
  }
  return login;
}

function personalAccessToken(record: JsonRecord): string | null {
  const token = asText(firstOf(record, [...PAT_NAMES, ...ACCESS_NAMES, "token"]));
  return token !== null && PERSONAL_ACCESS_TOKEN.test(token) ? token : null;
}

function noAccount(): CodedError {
  return new CodedError(
    "auth_json_no_account",
    "The tokens name no ChatGPT account. Run `codex login`, choose the workspace, and import the new ~/.codex/auth.json.",
  );
}

/** Why a file without a usable login is refused, most telling reason first. */
function refusal(records: readonly JsonRecord[], hasAccessToken: boolean): CodedError {
  const some = (test: (record: JsonRecord) => boolean) => records.some(test);
  const mode = asText(records[0]?.auth_mode)?.toLowerCase().replaceAll(/[_-]/g, "");
  if (
    (mode !== undefined && UNSUPPORTED_MODES.has(mode)) ||
    some((record) => firstOf(record, UNSUPPORTED_NAMES) !== undefined)
  ) {
    return new CodedError(
      "auth_json_unsupported_mode",
      "This file holds an agent identity, Bedrock or header login, which cannot be pooled. Run `codex login` with ChatGPT and import that.",
    );
  }
  if (
    some(
      (record) =>
        asText(record.OPENAI_API_KEY) !== null || (record.type === "api" && asText(record.key) !== null),
    )
  ) {
    return new CodedError(
      "auth_json_api_key_only",
      "This file holds an OpenAI API key and no ChatGPT login. Run `codex login` with ChatGPT, or set CODEX_LB_OPENAI_API_KEY to use the key.",
    );
  }
  if (hasAccessToken) return noAccount();
  if (some((record) => firstOf(record, REFRESH_NAMES) !== undefined || asRecord(record.tokens) !== null)) {
    return new CodedError(
      "auth_json_no_tokens",
      "This file has no access token. Run `codex login` and import the new ~/.codex/auth.json.",
    );
  }
  return new CodedError(
    "invalid_auth_json",
    "This JSON holds no login that is known here. Choose the file ~/.codex/auth.json, written by `codex login`.",
  );
}
