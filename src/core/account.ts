/** One ChatGPT login of the pool: who it is, what it may do, and the state it is in. */
import type { Secret } from "./secret.ts";

/** The three that heal themselves, and the three that need a person. */
export type AccountState =
  "active" | "rate_limited" | "quota_exceeded" | "paused" | "reauth_required" | "deactivated";

export type RoutingPolicy = "normal" | "burn_first" | "preserve";

/** Who an account is upstream. The e-mail address is never part of it: team seats share one. */
export interface AccountIdentity {
  chatgptAccountId: string;
  /** null when the login names no user. */
  chatgptUserId: string | null;
  /** null when the login names no workspace apart from its account id. */
  workspaceId: string | null;
}

export interface Account extends AccountIdentity {
  /** Ours: `acc_` + 20 hex digits of SHA-256 over the identity, so that a second import finds the same account. */
  id: string;
  email: string | null;
  alias: string | null;
  /** As upstream names it: free, go, plus, pro, team, business, enterprise, edu, ...; "unknown" when it does not say. */
  planType: string;
  workspaceLabel: string | null;
  seatType: string | null;
  routingPolicy: RoutingPolicy;
  /** Stop choosing the account once a window is used to this many percent; null: use it up. */
  reserveAtPercent: number | null;
  state: AccountState;
  /** For people: why it is in that state. null while active. */
  stateReason: string | null;
  /** When a self-healing state ends, ms since the epoch; null when unknown or not self-healing. */
  stateUntilMs: number | null;
  createdAtMs: number;
}

/** What an account signs its requests with. */
export type Credentials =
  | {
      kind: "chatgpt";
      accessToken: Secret;
      refreshToken: Secret | null;
      idToken: Secret | null;
      /** From the access token's `exp`, ms since the epoch; null when it has none. */
      accessExpiresAtMs: number | null;
      lastRefreshAtMs: number | null;
    }
  | { kind: "personal_access_token"; accessToken: Secret };
