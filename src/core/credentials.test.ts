import { describe, expect, test } from "bun:test";
import {
  accountIdOf,
  loginFromTokens,
  MAX_AUTH_JSON_BYTES,
  readAuthJson,
  writeAuthJson,
} from "./credentials.ts";
import { CodedError } from "./errors.ts";
import { decodeJwt, loginClaims } from "./jwt.ts";
import { Secret } from "./secret.ts";

const NOW = Date.parse("2026-08-01T12:00:00Z");
const HOUR = 3_600_000;

/** An unsigned JWT, as Codex accepts it too. */
function jwt(payload: unknown): string {
  return `${base64Json({ alg: "none" })}.${base64Json(payload)}.`;
}
function base64Json(value: unknown): string {
  return Buffer.from(JSON.stringify(value)).toString("base64url");
}
const auth = { chatgpt_account_id: "acct-1", chatgpt_user_id: "user-1", chatgpt_plan_type: "Plus" };
const exp = NOW / 1000 + 3600;
const access = jwt({ exp, "https://api.openai.com/auth": auth });
const expired = jwt({ exp: NOW / 1000 - 5, "https://api.openai.com/auth": auth });
const anonymous = jwt({ exp });
const id = jwt({ email: "ann@example.com", "https://api.openai.com/auth": auth });
const tokens = { id_token: id, access_token: access, refresh_token: "rt_1", account_id: "acct-1" };

const encode = (value: unknown) => JSON.stringify(value);
function read(value: unknown) {
  return readAuthJson(typeof value === "string" ? value : encode(value), NOW);
}
function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof CodedError) return error.code;
    throw error;
  }
  return "no error";
}

describe("a ChatGPT login is read from", () => {
  const whole = { email: "ann@example.com", refresh: "rt_1", user: "user-1", plan: "plus" };
  const noMail = { ...whole, email: null };
  const cases: [string, unknown, typeof whole | (Omit<typeof whole, "email"> & { email: null })][] = [
    [
      "today's auth.json",
      { auth_mode: "chatgpt", OPENAI_API_KEY: null, tokens, last_refresh: "2026-07-31T12:00:00.5Z" },
      whole,
    ],
    ["an old auth.json without mode and account id", { tokens: { ...tokens, account_id: undefined } }, whole],
    [
      "the newest one with provenance",
      {
        auth_mode: "chatgpt",
        tokens: { ...tokens, oauth_provenance: { issuer: "i", client_id: "c" }, login_owner_id: "o" },
      },
      whole,
    ],
    ["one with an API key beside the login", { OPENAI_API_KEY: "sk-x", tokens }, whole],
    [
      "a flat token file",
      { type: "codex", ...tokens, email: "ann@example.com", expired: "2026-08-02T00:00:00Z" },
      whole,
    ],
    [
      "camel case",
      { tokens: { idToken: id, accessToken: access, refreshToken: "rt_1", accountId: "acct-1" } },
      whole,
    ],
    [
      "OpenCode's store",
      {
        anthropic: { type: "oauth", access: "other", refresh: "x", expires: 1 },
        openai: { type: "oauth", access, refresh: "rt_1", expires: NOW + HOUR, accountId: "acct-1" },
      },
      noMail,
    ],
    [
      "a store of profiles",
      {
        version: 1,
        profiles: {
          "openai-codex:default": {
            provider: "openai-codex",
            access,
            refresh: "rt_1",
            email: "ann@example.com",
          },
        },
      },
      whole,
    ],
    ["an export in a list", [{ authJson: { tokens } }], whole],
    ["an expired access token that can be renewed", { tokens: { ...tokens, access_token: expired } }, whole],
  ];
  for (const [name, file, expected] of cases) {
    test(name, () => {
      const login = read(file);
      if (login.kind !== "chatgpt") throw new Error("not a ChatGPT login");
      expect({
        email: login.email,
        refresh: login.credentials.refreshToken?.reveal(),
        user: login.identity.chatgptUserId,
        plan: login.planType,
      }).toEqual({ ...expected } as never);
      expect(login.identity).toEqual({
        chatgptAccountId: "acct-1",
        chatgptUserId: "user-1",
        workspaceId: null,
      });
    });
  }

  test("bytes with a UTF-8 mark, and PowerShell's UTF-16", () => {
    const text = encode({ tokens });
    expect(readAuthJson(Buffer.from(`\uFEFF${text}`), NOW).kind).toBe("chatgpt");
    expect(readAuthJson(Buffer.from(`\uFEFF${text}`, "utf16le"), NOW).kind).toBe("chatgpt");
    expect(readAuthJson(`\uFEFF${text}\n`, NOW).kind).toBe("chatgpt");
  });

  test("an opaque access token when the file names the account", () => {
    const login = read({
      openai: { type: "oauth", access: "opaque", refresh: "rt_1", expires: NOW + HOUR, accountId: "acct-9" },
    });
    expect(login).toMatchObject({
      identity: { chatgptAccountId: "acct-9", chatgptUserId: null },
      planType: "unknown",
      credentials: { accessExpiresAtMs: NOW + HOUR },
    });
  });

  test("times as ms since the epoch", () => {
    const login = read({ tokens, last_refresh: "2026-07-31T12:00:00Z" });
    expect(login).toMatchObject({
      credentials: { accessExpiresAtMs: NOW + HOUR, lastRefreshAtMs: NOW - 24 * HOUR },
    });
  });
});

describe("a file without a usable login is refused with what to do", () => {
  const cases: [string, unknown, string][] = [
    ["nothing", "", "invalid_auth_json"],
    ["no JSON", "{tokens", "invalid_auth_json"],
    ["a number", "7", "invalid_auth_json"],
    ["some other JSON", { name: "x" }, "invalid_auth_json"],
    ["an API key only", { auth_mode: "apikey", OPENAI_API_KEY: "sk-x" }, "auth_json_api_key_only"],
    ["OpenCode with an API key", { openai: { type: "api", key: "sk-x" } }, "auth_json_api_key_only"],
    [
      "an agent identity",
      { auth_mode: "agentIdentity", agent_identity: { agent_id: "a" } },
      "auth_json_unsupported_mode",
    ],
    ["Bedrock", { bedrock_api_key: "b" }, "auth_json_unsupported_mode"],
    ["empty tokens", { tokens: {} }, "auth_json_no_tokens"],
    ["tokens without an access token", { tokens: { ...tokens, access_token: "" } }, "auth_json_no_tokens"],
    ["tokens of nobody", { tokens: { access_token: anonymous, refresh_token: "r" } }, "auth_json_no_account"],
    ["an expired login that cannot be renewed", { tokens: { access_token: expired } }, "auth_json_expired"],
    [
      "a token that could forge headers",
      { tokens: { ...tokens, refresh_token: "a\r\nb: c" } },
      "invalid_auth_json",
    ],
    [
      "two logins",
      [{ tokens }, { tokens: { access_token: access, refresh_token: "r", account_id: "acct-2" } }],
      "auth_json_several_logins",
    ],
    ["a huge file", "x".repeat(MAX_AUTH_JSON_BYTES + 1), "auth_json_too_large"],
    ["deep nesting", `${"[".repeat(50_000)}${"]".repeat(50_000)}`, "invalid_auth_json"],
  ];
  for (const [name, file, code] of cases) {
    test(name, () => expect(codeOf(() => read(file))).toBe(code));
  }
  test("without repeating what the file holds", () => {
    const marker = "sk-marker-4711";
    for (const file of [{ OPENAI_API_KEY: marker }, `{"${marker}`, { tokens: { access_token: marker } }]) {
      expect(() => read(file)).toThrow(CodedError);
      try {
        read(file);
      } catch (error) {
        expect((error as Error).message).not.toContain(marker);
      }
    }
  });
});

test("a personal access token is recognised, in a file and bare", () => {
  for (const file of [
    { auth_mode: "personalAccessToken", personal_access_token: "at-abc" },
    "at-abc\n",
    { tokens: { access_token: "at-abc" } },
  ]) {
    const login = read(file);
    if (login.kind !== "personal_access_token") throw new Error("not a token");
    expect(login.token.reveal()).toBe("at-abc");
  }
});

test("accounts differ by account, user and workspace, never by e-mail", () => {
  const identity = { chatgptAccountId: "a", chatgptUserId: "u", workspaceId: null };
  const ids = [
    accountIdOf(identity),
    accountIdOf({ ...identity, chatgptUserId: "v" }),
    accountIdOf({ ...identity, chatgptUserId: null }),
    accountIdOf({ ...identity, workspaceId: "w" }),
    accountIdOf({ chatgptAccountId: "u", chatgptUserId: "a", workspaceId: null }),
  ];
  expect(new Set(ids).size).toBe(5);
  expect(ids[0]).toMatch(/^acc_[0-9a-f]{20}$/);
  expect(accountIdOf({ ...identity })).toBe(ids[0]!);
});

test("an exported login reads back as the same login, also without an id token", () => {
  const first = read({ tokens, last_refresh: "2026-07-31T12:00:00Z" });
  if (first.kind !== "chatgpt") throw new Error("not a ChatGPT login");
  const again = read(writeAuthJson(first.identity, first.credentials));
  expect(again).toEqual(first);
  const bare = JSON.parse(writeAuthJson(first.identity, { ...first.credentials, idToken: null }));
  expect(decodeJwt(bare.tokens.id_token)).toEqual(decodeJwt(access));
  const pat = writeAuthJson(first.identity, {
    kind: "personal_access_token",
    accessToken: new Secret("at-1"),
  });
  expect(read(pat).kind).toBe("personal_access_token");
});

test("a login prints no token", () => {
  const login = loginFromTokens({ accessToken: access, refreshToken: "rt_secret", idToken: id }, NOW);
  expect(`${encode(login)}${Bun.inspect(login)}`).not.toContain("rt_secret");
});

test("claims are read from whatever is decodable and never throw", () => {
  const workspace = jwt({
    "https://api.openai.com/profile": { email: "p@example.com" },
    "https://api.openai.com/auth": {
      ...auth,
      chatgpt_user_id: undefined,
      user_id: "old-user",
      chatgpt_account_is_fedramp: true,
      organizations: [{ title: "First" }, { title: "Mine", is_default: true }],
    },
  });
  expect(loginClaims(workspace)).toMatchObject({
    email: "p@example.com",
    chatgptUserId: "old-user",
    isFedramp: true,
    workspaceLabel: "Mine",
  });
  for (const token of ["", "a", "a.b.c", "..", "a.W10.c", "a.bnVsbA.c", `a.${"é".repeat(9)}.c`]) {
    expect(decodeJwt(token)).toBeNull();
    expect(loginClaims(token).chatgptAccountId).toBeNull();
  }
});
