/** Writes the demo's accounts, keys and past into a fresh data directory, through the store's own functions. */
import { KEY_RANDOM_BYTES, makeKey } from "../core/api-key.ts";
import { readAuthJson } from "../core/credentials.ts";
import { newAccount } from "../core/new-account.ts";
import { parsePriceTable } from "../core/pricing.ts";
import type { Secret } from "../core/secret.ts";
import { SCOPE_ALL } from "../core/windows.ts";
import prices from "../data/prices.json" with { type: "json" };
import type { Random } from "../ports.ts";
import type { Simulator } from "../simulator/simulator.ts";
import type { Store } from "../store/open.ts";
import { DEMO_ACCOUNTS, DEMO_KEYS, type DemoAccount, type DemoKey } from "./cast.ts";
import { pastReadings, pastRequests, type Settled } from "./history.ts";

export interface FilledKey extends Settled<DemoKey> {
  secret: Secret;
}

export interface Filled {
  accounts: Settled<DemoAccount>[];
  keys: FilledKey[];
  requests: number;
}

const MINUTE_MS = 60_000;
const DAY_MS = 86_400_000;
/** Accounts and keys are a little older than their first request. */
const AGE_MS = 16 * DAY_MS;
/** One transaction: fewer would hold no more rows in memory, more would cost time. */
const BATCH = 1_000;

export function fillStore(
  store: Store,
  options: { simulator: Simulator; nowMs: number; random: Random; accounts?: readonly DemoAccount[] },
): Filled {
  const { simulator, nowMs, random } = options;
  const accounts = (options.accounts ?? DEMO_ACCOUNTS).map((cast, index) => ({
    id: putAccount(store, { cast, authJson: simulator.issueAuthJson(index), nowMs }),
    cast,
  }));
  const keys = DEMO_KEYS.map((cast, index) => putKey(store, { cast, index, nowMs, random }));
  const records = pastRequests({ nowMs, random, prices: parsePriceTable(prices), accounts, keys });
  for (let at = 0; at < records.length; at += BATCH)
    store.requests.insertBatch(records.slice(at, at + BATCH));
  for (const account of accounts) {
    const readings = pastReadings(account, nowMs, random);
    store.transaction(() => {
      for (const reading of readings) store.windows.save(reading);
    });
    putPresentWindows(store, account, nowMs);
  }
  putAudit(store, accounts, nowMs);
  return { accounts, keys, requests: records.length };
}

function putAccount(
  store: Store,
  { cast, authJson, nowMs }: { cast: DemoAccount; authJson: unknown; nowMs: number },
): string {
  const login = readAuthJson(JSON.stringify(authJson), nowMs);
  if (login.kind === "personal_access_token")
    throw new Error("the demo's logins are no personal access tokens");
  const { alias, routingPolicy, reserveAtPercent, state, stateReason } = cast;
  const spent = cast.spec.windows?.find(({ usedPercent = 0 }) => usedPercent >= 100);
  const account = {
    ...newAccount(login, nowMs - AGE_MS),
    alias,
    routingPolicy,
    reserveAtPercent,
    state,
    stateReason,
    stateUntilMs: state === "quota_exceeded" && spent ? nowMs + (spent.resetInMs ?? 0) : null,
  };
  store.accounts.put(account, login.credentials);
  return account.id;
}

function putPresentWindows(store: Store, { id, cast }: Settled<DemoAccount>, nowMs: number): void {
  const windows = (cast.spec.windows ?? []).map((spec) => ({
    minutes: spec.minutes,
    usedPercent: spec.usedPercent ?? 0,
    resetAtMs: nowMs + (spec.resetInMs ?? spec.minutes * MINUTE_MS),
    scope: SCOPE_ALL,
  }));
  store.windows.replace({ accountId: id, seenAtMs: nowMs, windows });
}

function putKey(
  store: Store,
  { cast, index, nowMs, random }: { cast: DemoKey; index: number; nowMs: number; random: Random },
): FilledKey {
  const { key: secret, keyHash, keyPrefix } = makeKey(random.bytes(KEY_RANDOM_BYTES));
  const id = `key_${Buffer.from(random.bytes(10)).toString("hex")}`;
  const createdAtMs = nowMs - AGE_MS + index * MINUTE_MS;
  const { name, isActive, allowedModels, creditMicros, expiresInMs } = cast;
  store.apiKeys.insert(
    {
      id,
      name,
      keyHash,
      keyPrefix,
      isActive,
      allowedModels,
      enforcedModel: null,
      enforcedReasoningEffort: null,
      enforcedServiceTier: null,
      assignedAccountIds: null,
      balanceEnabled: creditMicros !== null,
      apiKeyLaneAllowed: true,
      expiresAtMs: expiresInMs === null ? null : nowMs + expiresInMs,
      createdAtMs,
      lastUsedAtMs: null,
    },
    cast.limits.map((limit, place) => ({
      ...limit,
      id: `lim_${index}_${place}`,
      modelFilter: null,
      anchorMs: createdAtMs,
    })),
  );
  if (creditMicros !== null) {
    const note = "Prepaid for the quarter";
    store.ledger.add({
      id: `credit_${index}`,
      apiKeyId: id,
      atMs: createdAtMs,
      kind: "credit",
      amountMicros: creditMicros,
      note,
    });
  }
  return { id, cast, secret };
}

function putAudit(store: Store, accounts: Settled<DemoAccount>[], nowMs: number): void {
  const entry = (
    agoMs: number,
    action: string,
    target: string | null,
    details: Record<string, unknown> | null,
  ) =>
    store.audit.add({
      atMs: nowMs - agoMs,
      actor: "dashboard",
      actorIp: "127.0.0.1",
      action,
      target,
      details,
    });
  store.transaction(() => {
    for (const { id, cast } of accounts) entry(AGE_MS, "account.import", id, { email: cast.spec.email });
    entry(9 * DAY_MS, "settings.change", null, { queueWaitSeconds: { from: 5, to: 10 } });
    const paused = accounts.find(({ cast }) => cast.state === "paused");
    if (paused) entry(2 * DAY_MS, "account.pause", paused.id, null);
    entry(DAY_MS, "api_key.create", "Contractor", { name: "Contractor" });
  });
}
