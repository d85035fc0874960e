/** Writes finished requests: the row of the log, its roll-ups and the key's charge, all in one transaction or none. */
import { getTableColumns, getTableName } from "drizzle-orm";
import type { SQLiteTable } from "drizzle-orm/sqlite-core";
import type { RequestRecord } from "../core/record.ts";
import { type ClosedHours, HOUR_MS, hourOf } from "./closed-hours.ts";
import type { Connection } from "./connection.ts";
import type { LedgerStore } from "./ledger.ts";
import { errorRollups, requestRollups, requests } from "./schema.ts";

/** Stands for "no account", "no key" or "no model" in a roll-up. */
export const NONE = "";

export type RequestRow = typeof requests.$inferSelect;
export type RollupRow = typeof requestRollups.$inferSelect;
type ErrorRollupRow = typeof errorRollups.$inferSelect;

export type RequestStore = ReturnType<typeof createRequestStore>;

/** `closedHours`: told of every change, those that another connection makes too if `writtenElsewhere` is called for them. */
export function createRequestStore(
  { client, transaction }: Connection,
  { ledger, closedHours }: { ledger: LedgerStore; closedHours: Pick<ClosedHours, "changed"> },
) {
  const insertRequest = prepareInsert<RequestRecord>(client, requests, { omit: ["id"] });
  const addToRollup = prepareInsert<RollupRow>(client, requestRollups, {
    addOn: ["level", "hourMs", "accountId", "apiKeyId", "model"],
  });
  const addToErrors = prepareInsert<ErrorRollupRow>(client, errorRollups, {
    addOn: ["hourMs", "accountId", "apiKeyId", "errorCode"],
  });
  const prune = client.prepare(`
    DELETE FROM requests WHERE id IN
      (SELECT id FROM requests WHERE requested_at_ms < ? ORDER BY requested_at_ms, id LIMIT ?)`);
  const pruneRollups = client.prepare("DELETE FROM request_rollups WHERE hour_ms < ?");
  const pruneErrors = client.prepare("DELETE FROM error_rollups WHERE hour_ms < ?");

  function sumsChanged(records: readonly RequestRecord[]): void {
    for (const fromMs of new Set(records.map(({ requestedAtMs }) => hourOf(requestedAtMs))))
      closedHours.changed({ fromMs, untilMs: fromMs + HOUR_MS });
  }

  return {
    /** All of them or, when it throws, none. The sums are added up first: many requests of an hour share theirs. */
    insertBatch(records: readonly RequestRecord[]): void {
      transaction(() => {
        const sums = new Map<string, RollupRow>();
        const errors = new Map<string, ErrorRollupRow>();
        const charges = new Map<string, { apiKeyId: string; hourMs: number; micros: number }>();
        for (const record of records) {
          insertRequest(record);
          const detail = rollupOf(record);
          const { hourMs, accountId, apiKeyId, model } = detail;
          addUp(sums, `d ${hourMs} ${accountId} ${apiKeyId} ${model}`, detail);
          addUp(sums, `t ${hourMs}`, {
            ...detail,
            level: "total",
            accountId: NONE,
            apiKeyId: NONE,
            model: NONE,
          });
          addUp(sums, `a ${hourMs} ${accountId}`, {
            ...detail,
            level: "account",
            apiKeyId: NONE,
            model: NONE,
          });
          addUp(sums, `k ${hourMs} ${apiKeyId}`, { ...detail, level: "key", accountId: NONE, model: NONE });
          addUp(sums, `m ${hourMs} ${model}`, { ...detail, level: "model", accountId: NONE, apiKeyId: NONE });
          const { errorCode, totalCostMicros } = record;
          // A client that left, or an answer cut by its own limit, is no error for "top error".
          if (errorCode !== null && detail.errors > 0) {
            const row = { hourMs, accountId, apiKeyId, errorCode, requests: 1 };
            addUp(errors, `${hourMs} ${accountId} ${apiKeyId} ${errorCode}`, row);
          }
          if (record.apiKeyId !== null && totalCostMicros > 0) {
            const key = `${record.apiKeyId} ${hourMs}`;
            const known = charges.get(key);
            if (known) known.micros += totalCostMicros;
            else charges.set(key, { apiKeyId: record.apiKeyId, hourMs, micros: totalCostMicros });
          }
        }
        for (const row of sums.values()) addToRollup(row);
        for (const row of errors.values()) addToErrors(row);
        for (const { apiKeyId, hourMs, micros } of charges.values()) ledger.charge(apiKeyId, hourMs, micros);
      });
      sumsChanged(records);
    },

    /** These were, or may have been, inserted through another connection. */
    writtenElsewhere: sumsChanged,

    /** Deletes at most `limit` rows asked before `beforeMs`, oldest first; how many it were. Roll-ups stay. */
    prune: (beforeMs: number, limit: number): number => prune.run(beforeMs, limit).changes,

    /** Forgets the sums of the hours before `beforeMs`. Keep those that limits and reports still count. */
    pruneRollups(beforeMs: number): void {
      transaction(() => {
        pruneRollups.run(beforeMs);
        pruneErrors.run(beforeMs);
      });
      closedHours.changed({ fromMs: 0, untilMs: beforeMs });
    },
  };
}

/** What tells the rows of a roll-up apart; every other field is a sum. */
const KEY_FIELDS = new Set(["level", "hourMs", "accountId", "apiKeyId", "model", "errorCode"]);

/** Adds `row` to the one already there under `key`. */
function addUp<Row extends object>(rows: Map<string, Row>, key: string, row: Row): void {
  const known = rows.get(key) as Record<string, number> | undefined;
  if (!known) {
    rows.set(key, row);
    return;
  }
  for (const [field, value] of Object.entries(row)) {
    if (!KEY_FIELDS.has(field)) known[field] = known[field]! + (value as number);
  }
}

/** What one request adds to its hour. */
function rollupOf(record: RequestRecord): RollupRow {
  const { status, latencyFirstTokenMs } = record;
  return {
    level: "detail",
    hourMs: hourOf(record.requestedAtMs),
    accountId: record.accountId ?? NONE,
    apiKeyId: record.apiKeyId ?? NONE,
    model: record.model ?? NONE,
    requests: 1,
    errors: status === "ok" || status === "cancelled" ? 0 : 1,
    cancelled: status === "cancelled" ? 1 : 0,
    inputTokens: record.inputTokens,
    cachedInputTokens: record.cachedInputTokens,
    outputTokens: record.outputTokens,
    reasoningTokens: record.reasoningTokens,
    costMicros: record.totalCostMicros,
    latencyMsSum: record.latencyMs,
    firstTokenMsSum: latencyFirstTokenMs ?? 0,
    firstTokens: latencyFirstTokenMs === null ? 0 : 1,
    attempts: record.attempts.length,
  };
}

/**
 * The columns of `table` as one prepared INSERT, several times cheaper than building it per row. With `addOn`, a row that
 * already has that key grows by the numbers of the new one.
 */
function prepareInsert<Row extends object>(
  client: Connection["client"],
  table: SQLiteTable,
  { omit = [], addOn = [] }: { omit?: string[]; addOn?: (keyof Row & string)[] },
): (row: Row) => void {
  const columns = Object.entries(getTableColumns(table)).filter(([field]) => !omit.includes(field));
  const isKey = (field: string) => addOn.some((key) => key === field);
  const keys = columns.filter(([field]) => isKey(field)).map(([, { name }]) => name);
  const sums = columns
    .filter(([field]) => !isKey(field))
    .map(([, { name }]) => `${name} = ${name} + excluded.${name}`);
  const statement = client.prepare(
    `INSERT INTO ${getTableName(table)} (${columns.map(([, { name }]) => name).join()})
     VALUES (${columns.map(() => "?").join()})
     ${keys.length > 0 ? `ON CONFLICT (${keys.join()}) DO UPDATE SET ${sums.join()}` : ""}`,
  );
  return (row) => {
    const values = row as Record<string, unknown>;
    statement.run(
      columns.map(([field, column]) => {
        const value = values[field] ?? null;
        return value === null ? null : column.mapToDriverValue(value);
      }),
    );
  };
}
