/** Reads the hourly sums: charts, reports, the counters of keys. Never a scan of the log. */
import { and, asc, desc, eq, gte, inArray, lt, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { Connection } from "./connection.ts";
import { HOUR_MS } from "./requests.ts";
import { errorRollups, type RollupLevel, requestRollups, requests } from "./schema.ts";

/** Hours from `sinceMs` (its hour included) to before `untilMs`. An empty list means none; absent means all. */
export interface RollupFilter {
  sinceMs: number;
  untilMs?: number;
  accountIds?: string[];
  apiKeyIds?: string[];
  models?: string[];
}

export type RollupDimension = "bucket" | "account" | "key" | "model";

/** Sums over the requests of one group. What was not grouped by is null; "none of these" is the empty string. */
export interface RollupSum {
  bucketMs: number | null;
  accountId: string | null;
  apiKeyId: string | null;
  model: string | null;
  requests: number;
  errors: number;
  cancelled: number;
  inputTokens: number;
  cachedInputTokens: number;
  outputTokens: number;
  reasoningTokens: number;
  costMicros: number;
  latencyMsSum: number;
  firstTokenMsSum: number;
  firstTokens: number;
  attempts: number;
}

export interface KeyUsage {
  model: string | null;
  inputTokens: number;
  outputTokens: number;
  costMicros: number;
}

export type RollupStore = ReturnType<typeof createRollupStore>;

const hourOf = (ms: number) => ms - (ms % HOUR_MS);
const total = (column: SQLWrapper) => sql<number>`coalesce(sum(${column}), 0)`;

/** The coarsest level that still tells apart what is filtered or grouped by. */
function levelFor(filter: RollupFilter, by: readonly RollupDimension[]): RollupLevel {
  const split: RollupLevel[] = [];
  if (filter.accountIds || by.includes("account")) split.push("account");
  if (filter.apiKeyIds || by.includes("key")) split.push("key");
  if (filter.models || by.includes("model")) split.push("model");
  return split.length > 1 ? "detail" : (split[0] ?? "total");
}

export function createRollupStore({ orm }: Connection) {
  function within(filter: RollupFilter, by: readonly RollupDimension[]): SQL | undefined {
    const { sinceMs, untilMs, accountIds, apiKeyIds, models } = filter;
    return and(
      eq(requestRollups.level, levelFor(filter, by)),
      gte(requestRollups.hourMs, hourOf(sinceMs)),
      untilMs === undefined ? undefined : lt(requestRollups.hourMs, untilMs),
      accountIds && inArray(requestRollups.accountId, accountIds),
      apiKeyIds && inArray(requestRollups.apiKeyId, apiKeyIds),
      models && inArray(requestRollups.model, models),
    );
  }

  return {
    /**
     * Sums per group, buckets in order of time. `bucketMs` (a multiple of an hour, default one hour) counts from the hour of
     * `sinceMs`. Without `by`: one row over everything, zeros when there was nothing.
     */
    sums(filter: RollupFilter, by: readonly RollupDimension[] = [], bucketMs = HOUR_MS): RollupSum[] {
      const origin = hourOf(filter.sinceMs);
      // Inlined as numbers, since a parameter would make the grouped expression differ from the selected one.
      const hour = requestRollups.hourMs;
      const bucket = sql<number>`${hour} - (${hour} - ${sql.raw(String(origin))}) % ${sql.raw(String(bucketMs))}`;
      const dimensions = {
        bucket,
        account: sql<string>`${requestRollups.accountId}`,
        key: sql<string>`${requestRollups.apiKeyId}`,
        model: sql<string>`${requestRollups.model}`,
      };
      const when = <T>(dimension: RollupDimension, value: SQL<T>) =>
        by.includes(dimension) ? value : sql<null>`null`;
      const query = orm
        .select({
          bucketMs: when("bucket", dimensions.bucket),
          accountId: when("account", dimensions.account),
          apiKeyId: when("key", dimensions.key),
          model: when("model", dimensions.model),
          requests: total(requestRollups.requests),
          errors: total(requestRollups.errors),
          cancelled: total(requestRollups.cancelled),
          inputTokens: total(requestRollups.inputTokens),
          cachedInputTokens: total(requestRollups.cachedInputTokens),
          outputTokens: total(requestRollups.outputTokens),
          reasoningTokens: total(requestRollups.reasoningTokens),
          costMicros: total(requestRollups.costMicros),
          latencyMsSum: total(requestRollups.latencyMsSum),
          firstTokenMsSum: total(requestRollups.firstTokenMsSum),
          firstTokens: total(requestRollups.firstTokens),
          attempts: total(requestRollups.attempts),
        })
        .from(requestRollups)
        .where(within(filter, by));
      const groups = by.map((dimension) => dimensions[dimension]);
      return groups.length === 0
        ? query.all()
        : query
            .groupBy(...groups)
            .orderBy(...groups.map((group) => asc(group)))
            .all();
    },

    /** The most frequent error codes first. */
    topErrors(
      filter: Omit<RollupFilter, "models">,
      limit: number,
    ): { errorCode: string; requests: number }[] {
      const { sinceMs, untilMs, accountIds, apiKeyIds } = filter;
      const count = total(errorRollups.requests);
      return orm
        .select({ errorCode: errorRollups.errorCode, requests: count })
        .from(errorRollups)
        .where(
          and(
            gte(errorRollups.hourMs, hourOf(sinceMs)),
            untilMs === undefined ? undefined : lt(errorRollups.hourMs, untilMs),
            accountIds && inArray(errorRollups.accountId, accountIds),
            apiKeyIds && inArray(errorRollups.apiKeyId, apiKeyIds),
          ),
        )
        .groupBy(errorRollups.errorCode)
        .orderBy(desc(count), asc(errorRollups.errorCode))
        .limit(limit)
        .all();
    },

    /** What a key's requests asked in `[fromMs, untilMs)` used, by model, from the log: for the part of an hour that sums cannot tell. */
    keyRows(apiKeyId: string, fromMs: number, untilMs: number): KeyUsage[] {
      return orm
        .select({
          model: requests.model,
          inputTokens: total(requests.inputTokens),
          outputTokens: total(requests.outputTokens),
          costMicros: total(requests.totalCostMicros),
        })
        .from(requests)
        .where(
          and(
            eq(requests.apiKeyId, apiKeyId),
            gte(requests.requestedAtMs, fromMs),
            lt(requests.requestedAtMs, untilMs),
          ),
        )
        .groupBy(requests.model)
        .all();
    },
  };
}
