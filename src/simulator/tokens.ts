/** The token issuer's memory: unsigned JWTs, families of rotating refresh tokens, and the detection of their reuse. */
import type { SimAccount } from "./accounts.ts";
import type { SeededRandom } from "./random.ts";
import type { AuthJson, ErrorName } from "./types.ts";

/** Families remembered; a test of many logins makes a few hundred. */
const MAX_FAMILIES = 20_000;
const ISSUER = "https://auth.openai.com";

interface Family {
  account: number;
  /** The generation of the one valid refresh token. */
  generation: number;
  rotatedAtMs: number;
  revoked: boolean;
}

export interface IssuedTokens {
  id_token: string;
  access_token: string;
  refresh_token: string;
}

export type RefreshVerdict =
  | { kind: "tokens"; account: number; tokens: IssuedTokens }
  | {
      kind: "refused";
      account: number | null;
      code: "refresh_token_expired" | "refresh_token_reused" | "refresh_token_invalidated";
    };

export type BearerVerdict =
  { kind: "ok"; account: SimAccount } | { kind: "refused"; account: SimAccount | null; error: ErrorName };

export function createTokens(options: {
  accounts: SimAccount[];
  random: SeededRandom;
  now: () => number;
  reuseGraceMs: number;
  onReuse: () => void;
}) {
  const { accounts, random, now, reuseGraceMs, onReuse } = options;
  const families = new Map<string, Family>();

  function claims(account: SimAccount): Record<string, unknown> {
    return {
      chatgpt_account_id: account.chatgptAccountId,
      chatgpt_plan_type: account.planType,
      chatgpt_user_id: account.chatgptUserId,
      user_id: account.chatgptUserId,
      chatgpt_account_is_fedramp: false,
      organizations: [],
      completed_platform_onboarding: true,
      is_org_owner: false,
    };
  }
  function accessToken(account: SimAccount, expired = false): string {
    const issuedAt = Math.floor(now() / 1000);
    const lifetime = expired ? -60 : account.accessTokenLifetimeMs / 1000;
    return unsignedJwt({
      iss: ISSUER,
      aud: ["https://api.openai.com/v1"],
      sub: account.chatgptUserId,
      iat: issuedAt,
      exp: Math.floor(issuedAt + lifetime),
      jti: random.hex(16),
      sim_epoch: account.accessEpoch,
      "https://api.openai.com/auth": claims(account),
      "https://api.openai.com/profile": { email: account.email, email_verified: true },
    });
  }
  function idToken(account: SimAccount): string {
    const issuedAt = Math.floor(now() / 1000);
    return unsignedJwt({
      iss: ISSUER,
      aud: ["app_EMoamEEZ73f0CkXaXp7hrann"],
      sub: account.chatgptUserId,
      iat: issuedAt,
      exp: issuedAt + 3600,
      email: account.email,
      email_verified: true,
      "https://api.openai.com/auth": claims(account),
    });
  }
  // The generation is in the token, so that a restarted simulator still knows the logins it once issued.
  const refreshToken = (familyId: string, family: Family) =>
    `rt_${family.account}.${familyId}.${family.generation}.${random.hex(24)}`;

  function remember(id: string, family: Family): Family {
    if (families.size >= MAX_FAMILIES) families.delete(families.keys().next().value!);
    families.set(id, family);
    return family;
  }
  function issue(familyId: string, family: Family, expired = false): IssuedTokens {
    const account = accounts[family.account]!;
    return {
      id_token: idToken(account),
      access_token: accessToken(account, expired),
      refresh_token: refreshToken(familyId, family),
    };
  }
  function login(index: number, expired = false): IssuedTokens {
    const id = random.hex(12);
    const family = remember(id, { account: index, generation: 0, rotatedAtMs: now(), revoked: false });
    return issue(id, family, expired);
  }
  function find(token: string): { id: string; family: Family; generation: number } | null {
    const match = /^rt_(\d+)\.([0-9a-f]+)\.(\d+)\./.exec(token);
    if (match === null || accounts[Number(match[1])] === undefined) return null;
    const id = match[2]!;
    const generation = Number(match[3]);
    const family =
      families.get(id) ??
      remember(id, { account: Number(match[1]), generation, rotatedAtMs: now(), revoked: false });
    return { id, family, generation };
  }
  /** Rotates at once; what the reply does on its way is not the issuer's concern. */
  function refresh(token: string): RefreshVerdict {
    const found = find(token);
    if (found === null) return { kind: "refused", account: null, code: "refresh_token_invalidated" };
    const { id, family, generation } = found;
    const index = family.account;
    if (accounts[index]!.login !== "ok" || (family.revoked && generation === family.generation)) {
      return { kind: "refused", account: index, code: "refresh_token_invalidated" };
    }
    const inGrace = generation === family.generation - 1 && now() - family.rotatedAtMs < reuseGraceMs;
    if (generation !== family.generation && !inGrace) {
      family.revoked = true;
      onReuse();
      return { kind: "refused", account: index, code: "refresh_token_reused" };
    }
    if (!inGrace) {
      family.generation++;
      family.rotatedAtMs = now();
    }
    return { kind: "tokens", account: index, tokens: issue(id, family) };
  }
  function revoke(token: string): void {
    const found = find(token);
    if (found !== null) found.family.revoked = true;
  }
  function pat(index: number): string {
    return `at-sim-${index}-${accounts[index]!.chatgptUserId}`;
  }
  function bearer(token: string): BearerVerdict {
    const patIndex = /^at-sim-(\d+)-/.exec(token)?.[1];
    const body = patIndex === undefined ? decodeJwt(token) : null;
    const auth = body?.["https://api.openai.com/auth"] as Record<string, unknown> | undefined;
    const account =
      patIndex !== undefined
        ? accounts[Number(patIndex)]
        : accounts.find(
            (one) =>
              one.chatgptAccountId === auth?.["chatgpt_account_id"] &&
              one.chatgptUserId === auth?.["chatgpt_user_id"],
          );
    if (account === undefined) return { kind: "refused", account: null, error: "token_invalidated" };
    if (account.login !== "ok") return { kind: "refused", account, error: account.login };
    if (body !== null) {
      const expired = Number(body["exp"]) * 1000 <= now() || Number(body["sim_epoch"]) < account.accessEpoch;
      if (expired) return { kind: "refused", account, error: "token_expired" };
    }
    return { kind: "ok", account };
  }
  function authJson(index: number): AuthJson {
    const account = accounts[index]!;
    const tokens = login(index, account.startExpired);
    return {
      auth_mode: "chatgpt",
      OPENAI_API_KEY: null,
      tokens: { ...tokens, account_id: account.chatgptAccountId },
      last_refresh: new Date(now()).toISOString(),
    };
  }
  return {
    login,
    refresh,
    revoke,
    pat,
    bearer,
    authJson,
    accountOfRefreshToken: (token: string) => find(token)?.family.account ?? null,
  };
}

export type Tokens = ReturnType<typeof createTokens>;

/** Codex checks no signature (UPSTREAM: auth); the third part only looks like one. */
export function unsignedJwt(claims: Record<string, unknown>): string {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString("base64url");
  return `${part({ alg: "RS256", typ: "JWT", kid: "sim" })}.${part(claims)}.${Buffer.from("unsigned").toString("base64url")}`;
}

export function decodeJwt(token: string): Record<string, unknown> | null {
  const payload = token.split(".")[1];
  if (payload === undefined) return null;
  try {
    return JSON.parse(Buffer.from(payload, "base64url").toString("utf8")) as Record<string, unknown>;
  } catch {
    return null;
  }
}
