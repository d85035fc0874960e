/** `/api/api-keys`: who else may use the pool, for what, and how much of it. */
import { Elysia, t } from "elysia";
import { parseKeyPatch, parseNewKey } from "../core/api-key-input.ts";
import { parseLedgerEntry } from "../core/balance.ts";
import { CodedError } from "../core/errors.ts";
import type { LimitCounter } from "../core/limit-book.ts";
import { bucketIndex, bucketsOf, TIMEFRAMES } from "../core/periods.ts";
import { usdFromMicros } from "../core/pricing.ts";
import type { KeyPool, PooledKey } from "../pool/keys.ts";
import type { Pool } from "../pool/pool.ts";
import type { LedgerRow, LedgerStore } from "../store/ledger.ts";
import type { RollupStore } from "../store/rollups.ts";
import { type Admin, isoTime, isoTimeOrNull } from "./admin.ts";
import { keyBodySchema, ledgerBodySchema } from "./api-key-schemas.ts";

export interface ApiKeyRoutesPorts {
  admin: Admin;
  keys: KeyPool;
  pool: Pool;
  ledger: Pick<LedgerStore, "list">;
  rollups: Pick<RollupStore, "sums">;
  /** Writes the recorded requests that wait, so that a ledger page shows their charges. */
  flush(): void;
}

const LEDGER_PAGE = 50;
const MAX_LEDGER_PAGE = 500;

const idParams = t.Object({ id: t.String({ description: "Id of the key, `key_…`." }) });
const says = (summary: string, more: object = {}) => ({ detail: { summary, ...more } });
/** Bodies are checked field by field by core, which names the field at fault. */
const json = { parse: "json", body: t.Unknown() } as const;

export function apiKeyRoutes(ports: ApiKeyRoutesPorts) {
  const { admin, keys, pool } = ports;

  function found(id: string): PooledKey {
    const key = keys.get(id);
    if (key) return key;
    throw new CodedError("api_key_not_found", "There is no API key with this id.", { status: 404 });
  }

  function requireAccounts(ids: readonly string[] | null | undefined): void {
    const unknown = ids?.find((id) => pool.get(id) === null);
    if (unknown === undefined) return;
    throw new CodedError(
      "validation_error",
      `assignedAccountIds names "${unknown}", which is no account of the pool.`,
      { status: 422, param: "assignedAccountIds" },
    );
  }

  const view = (key: PooledKey) => keyView(key, keys.counters(key.id), balanceView(keys, key));

  return new Elysia({ prefix: "/api/api-keys", detail: { tags: ["API keys"] } })
    .get("/", () => keys.list().map(view), says("All keys, with their limits and counters"))
    .post(
      "/",
      ({ request, body, set }) => {
        const input = parseNewKey(body);
        requireAccounts(input.settings.assignedAccountIds);
        const { key, secret } = keys.create(input);
        admin.audit(request, "api_key.create", key.id, { name: key.settings.name });
        set.headers["cache-control"] = "no-store";
        return { ...view(key), key: secret.reveal() };
      },
      { ...json, ...says("Make a key; its plain text is in this answer only", keyBodySchema(["name"])) },
    )
    .get("/:id", ({ params }) => view(found(params.id)), { params: idParams, ...says("One key") })
    .patch(
      "/:id",
      ({ request, params, body }) => {
        const input = parseKeyPatch(body, found(params.id).settings);
        requireAccounts(input.settings.assignedAccountIds);
        const key = keys.patch(params.id, input)!;
        const { resetUsage } = input;
        const changed = [...Object.keys(input.settings), ...(input.limits ? ["limits"] : [])];
        admin.audit(request, "api_key.change", key.id, { changed, resetUsage });
        return view(key);
      },
      {
        ...json,
        params: idParams,
        ...says("Change what the body names; `limits` replaces all of them", keyBodySchema([])),
      },
    )
    .delete(
      "/:id",
      ({ request, params, set }) => {
        const { name } = found(params.id).settings;
        keys.remove(params.id);
        admin.audit(request, "api_key.delete", params.id, { name });
        set.status = 204;
      },
      { params: idParams, ...says("Delete the key: it is dead at once, its open streams end") },
    )
    .post(
      "/:id/regenerate",
      ({ request, params, set }) => {
        found(params.id);
        const { key, secret } = keys.regenerate(params.id)!;
        admin.audit(request, "api_key.regenerate", key.id);
        set.headers["cache-control"] = "no-store";
        return { ...view(key), key: secret.reveal() };
      },
      { params: idParams, ...says("Give the key a new secret; the old one is dead at once") },
    )
    .get("/:id/trends", ({ params, query }) => trends(found(params.id), query.timeframe ?? "7d"), {
      params: idParams,
      query: t.Object({
        timeframe: t.Optional(t.Union([t.Literal("1d"), t.Literal("7d"), t.Literal("30d")])),
      }),
      ...says("Requests, tokens and cost of the key over time"),
    })
    .get(
      "/:id/ledger",
      ({ params, query }) => {
        const key = found(params.id);
        ports.flush();
        const limit = query.limit ?? LEDGER_PAGE;
        const beforeMs = query.before === undefined ? undefined : Date.parse(query.before);
        const rows = ports.ledger.list(key.id, { limit, beforeMs });
        return {
          ...ledgerBalance(key, keys.ledgerMicros(key.id)),
          entries: rows.map(ledgerView),
          nextBefore: rows.length === limit ? isoTime(rows.at(-1)!.atMs) : null,
        };
      },
      {
        params: idParams,
        query: t.Object({
          limit: t.Optional(t.Integer({ minimum: 1, maximum: MAX_LEDGER_PAGE })),
          before: t.Optional(
            t.String({ format: "date-time", description: "`nextBefore` of the page before." }),
          ),
        }),
        ...says("The key's prepaid credit: what was paid in, corrected and spent, the latest first"),
      },
    )
    .post(
      "/:id/ledger",
      ({ request, params, body }) => {
        const key = found(params.id);
        const entry = parseLedgerEntry(body, keys.ledgerMicros(key.id));
        const balanceMicros = keys.enter(key.id, entry);
        admin.audit(request, "api_key.ledger", key.id, { ...entry });
        return ledgerBalance(key, balanceMicros);
      },
      { ...json, params: idParams, ...says("Enter a credit or a correction, with a note", ledgerBodySchema) },
    );

  function trends(key: PooledKey, timeframe: keyof typeof TIMEFRAMES) {
    const { bucketSeconds } = TIMEFRAMES[timeframe];
    const buckets = bucketsOf(TIMEFRAMES[timeframe], admin.clock.now());
    const sums = ports.rollups.sums(
      { sinceMs: buckets.startsMs[0]!, untilMs: buckets.endMs, apiKeyIds: [key.id] },
      ["bucket"],
      bucketSeconds * 1000,
    );
    const at = new Map(sums.map((sum) => [bucketIndex(buckets, sum.bucketMs ?? 0), sum]));
    const series = (value: (sum: (typeof sums)[number]) => number) =>
      buckets.startsMs.map((startMs, index) => {
        const sum = at.get(index);
        return { t: isoTime(startMs), v: sum ? value(sum) : 0 };
      });
    return {
      keyId: key.id,
      timeframe: TIMEFRAMES[timeframe],
      requests: series((sum) => sum.requests),
      tokens: series((sum) => sum.inputTokens + sum.outputTokens),
      cost: series((sum) => usdFromMicros(sum.costMicros)),
    };
  }
}

function keyView(key: PooledKey, counters: LimitCounter[], balance: ReturnType<typeof balanceView>) {
  const { name, isActive, expiresAtMs, balanceEnabled, ...rules } = key.settings;
  return {
    id: key.id,
    name,
    keyPrefix: key.keyPrefix,
    isActive,
    ...rules,
    expiresAt: isoTimeOrNull(expiresAtMs),
    createdAt: isoTime(key.createdAtMs),
    lastUsedAt: isoTimeOrNull(key.lastUsedAtMs),
    limits: counters.map(limitView),
    usage: usageView(key),
    balanceEnabled,
    balance,
  };
}

export function limitView(counter: LimitCounter) {
  const { id, limitType, limitWindow, maxValue, modelFilter, currentValue, resetAtMs } = counter;
  return { id, limitType, limitWindow, maxValue, modelFilter, currentValue, resetAt: isoTime(resetAtMs) };
}

/** Since the key was made, as far back as hourly sums are kept. */
export function usageView({ totals }: PooledKey) {
  return {
    requestCount: totals.requests,
    totalTokens: totals.inputTokens + totals.outputTokens,
    cachedInputTokens: totals.cachedInputTokens,
    totalCostUsd: usdFromMicros(totals.costMicros),
  };
}

/** null for a key that is not charged. */
export function balanceView(keys: KeyPool, key: PooledKey) {
  const balanceMicros = keys.book.balanceMicros(key.id);
  return balanceMicros === null ? null : { balanceMicros, balanceUsd: usdFromMicros(balanceMicros) };
}

function ledgerBalance(key: PooledKey, balanceMicros: number) {
  return {
    keyId: key.id,
    balanceEnabled: key.settings.balanceEnabled,
    balanceMicros,
    balanceUsd: usdFromMicros(balanceMicros),
  };
}

/** Charges are one entry per hour, which grows while the hour lasts. */
function ledgerView({ id, atMs, kind, amountMicros, note }: LedgerRow) {
  return { id, at: isoTime(atMs), kind, amountMicros, amountUsd: usdFromMicros(amountMicros), note };
}
