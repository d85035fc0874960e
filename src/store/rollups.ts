/** Reads the hourly sums: charts, reports, the counters of keys. Never a scan of the log. */
import { and, asc, eq, gte, inArray, lt, type SQL, type SQLWrapper, sql } from "drizzle-orm";
import type { SQLiteColumn } from "drizzle-orm/sqlite-core";
import { type ClosedHours, HOUR_MS, hourOf, type Hours } from "./closed-hours.ts";
import type { Connection } from "./connection.ts";
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

const SUMMED = [
  "requests",
  "errors",
  "cancelled",
  "inputTokens",
  "cachedInputTokens",
  "outputTokens",
  "reasoningTokens",
  "costMicros",
  "latencyMsSum",
  "firstTokenMsSum",
  "firstTokens",
  "attempts",
] as const satisfies (keyof RollupSum)[];
/** What a dimension is called in a sum. */
const GROUPED = { bucket: "bucketMs", account: "accountId", key: "apiKeyId", model: "model" } as const;

const total = (column: SQLWrapper) => sql<number>`coalesce(sum(${column}), 0)`;

export interface ErrorCount {
  errorCode: string;
  requests: number;
}

/** The coarsest level that still tells apart what is filtered or grouped by. */
function levelFor(filter: RollupFilter, by: readonly RollupDimension[]): RollupLevel {
  const split: RollupLevel[] = [];
  if (filter.accountIds || by.includes("account")) split.push("account");
  if (filter.apiKeyIds || by.includes("key")) split.push("key");
  if (filter.models || by.includes("model")) split.push("model");
  return split.length > 1 ? "detail" : (split[0] ?? "total");
}

export function createRollupStore({ orm }: Connection, closedHours: ClosedHours) {
  function readSums(filter: RollupFilter, by: readonly RollupDimension[], bucketMs: number, hours: Hours) {
    const { accountIds, apiKeyIds, models } = filter;
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
      .where(
        and(
          eq(requestRollups.level, levelFor(filter, by)),
          within(requestRollups.hourMs, hours),
          accountIds && inArray(requestRollups.accountId, accountIds),
          apiKeyIds && inArray(requestRollups.apiKeyId, apiKeyIds),
          models && inArray(requestRollups.model, models),
        ),
      );
    const groups = by.map((dimension) => dimensions[dimension]);
    return groups.length === 0
      ? query.all()
      : query
          .groupBy(...groups)
          .orderBy(...groups.map((group) => asc(group)))
          .all();
  }

  function readErrors({ accountIds, apiKeyIds }: RollupFilter, hours: Hours): ErrorCount[] {
    return orm
      .select({ errorCode: errorRollups.errorCode, requests: total(errorRollups.requests) })
      .from(errorRollups)
      .where(
        and(
          within(errorRollups.hourMs, hours),
          accountIds && inArray(errorRollups.accountId, accountIds),
          apiKeyIds && inArray(errorRollups.apiKeyId, apiKeyIds),
        ),
      )
      .groupBy(errorRollups.errorCode)
      .all();
  }

  return {
    /**
     * Sums per group, buckets in order of time. `bucketMs` (a multiple of an hour, default one hour) counts from the hour of
     * `sinceMs`. Without `by`: one row over everything, zeros when there was nothing.
     */
    sums(
      filter: RollupFilter,
      by: readonly RollupDimension[] = [],
      bucketMs = HOUR_MS,
    ): readonly RollupSum[] {
      return closedHours.sums(hoursOf(filter), {
        name: JSON.stringify([by, bucketMs, filter.accountIds, filter.apiKeyIds, filter.models]),
        read: (hours) => readSums(filter, by, bucketMs, hours),
        merge: (one, other) => mergeSums(one, other, by),
      });
    },

    /** The most frequent error codes first. */
    topErrors(filter: Omit<RollupFilter, "models">, limit: number): ErrorCount[] {
      const counts = closedHours.sums(hoursOf(filter), {
        name: JSON.stringify(["errors", filter.accountIds, filter.apiKeyIds]),
        read: (hours) => readErrors(filter, hours),
        merge: mergeErrors,
      });
      return counts
        .toSorted((one, other) => other.requests - one.requests || compare(one.errorCode, other.errorCode))
        .slice(0, limit);
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

/** From the hour of `sinceMs` to the one before `untilMs`, which may lie within it. */
function hoursOf({ sinceMs, untilMs }: RollupFilter): Hours {
  return { fromMs: hourOf(sinceMs), untilMs: untilMs === undefined ? null : hourOf(untilMs + HOUR_MS - 1) };
}

function within(hour: SQLiteColumn, { fromMs, untilMs }: Hours): SQL | undefined {
  return and(gte(hour, fromMs), untilMs === null ? undefined : lt(hour, untilMs));
}

const compare = (one: string | number, other: string | number) => (one < other ? -1 : one > other ? 1 : 0);

/** The groups of both, in the order in which one query would give them. */
function mergeSums(
  one: readonly RollupSum[],
  other: readonly RollupSum[],
  by: readonly RollupDimension[],
): RollupSum[] {
  const fields = by.map((dimension) => GROUPED[dimension]);
  const groups = new Map<string, RollupSum>();
  for (const sum of [...one, ...other]) {
    const group = fields.map((field) => sum[field]).join("\n");
    const known = groups.get(group);
    groups.set(group, known ? addSums(known, sum) : sum);
  }
  return [...groups.values()].toSorted((left, right) => {
    const field = fields.find((candidate) => left[candidate] !== right[candidate]);
    return field ? compare(left[field] ?? "", right[field] ?? "") : 0;
  });
}

function addSums(one: RollupSum, other: RollupSum): RollupSum {
  const sum = { ...one };
  for (const field of SUMMED) sum[field] += other[field];
  return sum;
}

function mergeErrors(one: readonly ErrorCount[], other: readonly ErrorCount[]): ErrorCount[] {
  const counts = new Map<string, number>();
  for (const { errorCode, requests: count } of [...one, ...other])
    counts.set(errorCode, (counts.get(errorCode) ?? 0) + count);
  return [...counts].map(([errorCode, count]) => ({ errorCode, requests: count }));
}
