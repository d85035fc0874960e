/**
 * The API-key lane: the operator's own key at OpenAI's API, which serves when no account of the pool can. To the engine and to
 * attempts it is one more account, which the pool does not know: nothing is learnt of it and no conversation is held to it.
 */
import type { Lane } from "../core/record.ts";
import type { Secret } from "../core/secret.ts";
import type { Lease, PooledAccount } from "../pool/pool.ts";

export interface ApiKeyLane {
  lease(): Lease;
}

export const OPENAI_BASE_URL = "https://api.openai.com/v1";

/** No account has it: theirs begin with `acc_`. */
const LANE_ID = "api_key";

export function laneOf(account: PooledAccount | null): Lane {
  return account?.id === LANE_ID ? "api_key" : "pool";
}

/** The account's id for the log and the live feed; null in the API-key lane. */
export function accountIdOf(account: PooledAccount | null): string | null {
  return account === null || laneOf(account) === "api_key" ? null : account.id;
}

export function createApiKeyLane(apiKey: Secret): ApiKeyLane {
  const account: PooledAccount = {
    id: LANE_ID,
    stamp: {},
    chatgptAccountId: "",
    chatgptUserId: null,
    workspaceId: null,
    email: null,
    alias: null,
    planType: "api",
    workspaceLabel: null,
    seatType: null,
    routingPolicy: "normal",
    reserveAtPercent: null,
    state: "active",
    stateReason: null,
    stateUntilMs: null,
    stateSinceMs: 0,
    createdAtMs: 0,
    credentials: { kind: "personal_access_token", accessToken: apiKey },
    windows: [],
    credits: null,
    resetCreditsAvailable: null,
    usageReadAtMs: null,
    routing: null,
    cookie: null,
    picks: 0,
    refusedSinceMs: null,
    coolingUntilMs: 0,
    inFlight: 0,
    maxInFlight: Infinity,
    lastPickedSeq: 0,
    models: null,
    unavailableModels: new Map(),
    capacityWeight: 0,
  };
  return { lease: () => ({ account, release: () => {} }) };
}
