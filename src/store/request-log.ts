/**
 * Reads the request log in pages. A page is a merge of index ranges ("arms"), each already in the order of time, so that
 * no filter sorts or scans the log; the arms are made from the most selective filter, the others are checked row by row.
 */
import { desc, sql } from "drizzle-orm";
import type { RequestStatus } from "../core/record.ts";
import { REQUEST_STATUSES } from "../core/record.ts";
import type { Connection } from "./connection.ts";
import type { RequestRow } from "./requests.ts";
import { requests } from "./schema.ts";

/** Absent means "any". Within one list any value may match; all lists must. */
export interface RequestFilter {
  accountIds?: string[];
  apiKeyIds?: string[];
  statuses?: RequestStatus[];
  models?: string[];
  reasoningEfforts?: string[];
  /** First and last moment, both included. */
  sinceMs?: number;
  untilMs?: number;
  /**
   * A whole request or session id, or a part (any case) of a model, an error code, an account's e-mail, alias or id, or a
   * key's name or prefix.
   */
  search?: string;
}

/** The last row of a page: the next one starts below it. */
export interface RequestCursor {
  requestedAtMs: number;
  id: number;
}

export interface RequestPage {
  /** Newest first. */
  rows: RequestRow[];
  /** null on the last page. */
  nextCursor: RequestCursor | null;
}

/** An index range: rows that meet `where`, in order of time under `index`. */
interface Arm {
  index: string;
  where: string;
  values: unknown[];
}

interface ModelPair {
  model: string | null;
  reasoningEffort: string | null;
}

/** Counting stops here: enough to tell selective filters from broad ones, cheap enough to do before every page. */
const PROBE_ROWS = 2_000;
/** SQLite takes 500 parts in one query; a filter this broad is walked by time instead. */
const MAX_ARMS = 100;

export type RequestLog = ReturnType<typeof createRequestLog>;

export function createRequestLog({ client, orm }: Connection) {
  const values = (sql: string, ...parameters: unknown[]) =>
    client
      .prepare(sql)
      .all(...parameters)
      .map((row) => (row as { value: string }).value);

  /** Prepared once: with a parameter per row, and built for every page, it took a quarter longer. */
  const rowsOf = orm
    .select()
    .from(requests)
    .where(sql`${requests.id} IN (SELECT value FROM json_each(${sql.placeholder("ids")}))`)
    .orderBy(desc(requests.requestedAtMs), desc(requests.id))
    .prepare();

  /** Distinct values of an indexed column, by jumping from one to the next. */
  function distinct(column: "account_id" | "api_key_id" | "error_code" | "model"): string[] {
    return values(`
      WITH RECURSIVE found(value) AS (
        SELECT min(${column}) FROM requests WHERE ${column} IS NOT NULL
        UNION ALL
        SELECT (SELECT min(${column}) FROM requests WHERE ${column} > found.value) FROM found WHERE value IS NOT NULL)
      SELECT value FROM found WHERE value IS NOT NULL`);
  }

  const nextEffort = client.prepare(
    "SELECT min(reasoning_effort) AS value FROM requests WHERE model IS ? AND reasoning_effort > ?",
  );
  const withoutEffort = client.prepare(
    "SELECT 1 FROM requests WHERE model IS ? AND reasoning_effort IS NULL LIMIT 1",
  );

  /** Every pair of model and effort that occurs, null where a request named none. */
  function modelPairs(): ModelPair[] {
    return [null, ...distinct("model")].flatMap((model) => {
      const efforts: (string | null)[] = withoutEffort.get(model) ? [null] : [];
      for (let effort = ""; ;) {
        const next = (nextEffort.get(model, effort) as { value: string | null }).value;
        if (next === null) return efforts.map((reasoningEffort) => ({ model, reasoningEffort }));
        efforts.push(next);
        effort = next;
      }
    });
  }

  function modelArms(matches: (pair: ModelPair) => boolean): Arm[] {
    return modelPairs()
      .filter(matches)
      .map(({ model, reasoningEffort }) => ({
        index: "requests_model",
        where: "model IS ? AND reasoning_effort IS ?",
        values: [model, reasoningEffort],
      }));
  }

  function searchArms(search: string): Arm[] {
    const text = search.trim().toLowerCase();
    const has = (value: string) => value.toLowerCase().includes(text);
    const accountIds = values(
      "SELECT id AS value FROM accounts WHERE instr(lower(concat_ws(' ', id, email, alias)), ?)",
      text,
    );
    const apiKeyIds = values(
      "SELECT id AS value FROM api_keys WHERE instr(lower(concat_ws(' ', name, key_prefix)), ?)",
      text,
    );
    return [
      ...equalArms("request_id", "requests_request_id", [search.trim()]),
      ...equalArms("session_id", "requests_session", [search.trim()]),
      ...equalArms("error_code", "requests_error", distinct("error_code").filter(has)),
      ...equalArms("account_id", "requests_account", accountIds),
      ...equalArms("api_key_id", "requests_key", apiKeyIds),
      ...modelArms(({ model }) => model !== null && has(model)),
    ];
  }

  /** Per filter that is set, the arms that meet it. */
  function armSets(filter: RequestFilter): Arm[][] {
    const { accountIds, apiKeyIds, statuses, models, reasoningEfforts, search } = filter;
    const sets: Arm[][] = [];
    if (search?.trim()) sets.push(searchArms(search));
    if (apiKeyIds) sets.push(equalArms("api_key_id", "requests_key", apiKeyIds));
    if (accountIds) sets.push(equalArms("account_id", "requests_account", accountIds));
    if (models || reasoningEfforts)
      sets.push(
        modelArms(
          ({ model, reasoningEffort }) =>
            (!models || (model !== null && models.includes(model))) &&
            (!reasoningEfforts || (reasoningEffort !== null && reasoningEfforts.includes(reasoningEffort))),
        ),
      );
    if (statuses && new Set(statuses).size < REQUEST_STATUSES.length)
      sets.push(equalArms("status", "requests_status", statuses));
    return sets;
  }

  /** The most selective filter's arms, and what is left to check row by row; null when nothing can match. */
  function planned(filter: RequestFilter, below: RequestCursor | undefined) {
    const range = timeRange(filter, below);
    const sets = armSets(filter);
    if (sets.length === 0) return { range, driver: [EVERYTHING], others: [] };
    const [driver, ...others] = sets
      .map((arms) => ({ arms, rows: probe(arms, range) }))
      .toSorted((one, other) => one.rows - other.rows)
      .map(({ arms }) => arms);
    if (!driver || driver.length === 0) return null;
    return { range, driver, others: others.map(anyOf) };
  }

  /** The query for the keys of the matching rows, newest first; null when nothing can match. */
  function matching(filter: RequestFilter, below: RequestCursor | undefined) {
    const plan = planned(filter, below);
    return plan && merge(plan.driver, [plan.range, ...plan.others].reduce(both));
  }

  function probe(arms: Arm[], range: Condition): number {
    const query = arms.length > 0 && merge(arms, range);
    if (!query) return 0;
    const counted = `SELECT count(*) AS value FROM (${query.sql} LIMIT ${PROBE_ROWS})`;
    return (client.prepare(counted).get(...query.values) as { value: number }).value;
  }

  return {
    /** At most `limit` rows below `cursor`, or after skipping `offset` of them. */
    page(filter: RequestFilter, at: { limit: number; cursor?: RequestCursor; offset?: number }): RequestPage {
      const query = matching(filter, at.cursor);
      if (!query) return { rows: [], nextCursor: null };
      const ids = client
        .prepare(`${query.sql} LIMIT ? OFFSET ?`)
        .all(...query.values, at.limit + 1, at.offset ?? 0)
        .map((row) => (row as { id: number }).id);
      const rows = rowsOf.all({ ids: JSON.stringify(ids.slice(0, at.limit)) });
      const last = ids.length > at.limit ? rows.at(-1) : undefined;
      return { rows, nextCursor: last ? { requestedAtMs: last.requestedAtMs, id: last.id } : null };
    },

    /**
     * How many rows match among the newest `visited` that the most selective filter finds, and whether those were all: what a
     * page can afford to say about a log of any size.
     */
    countAmong(filter: RequestFilter, visited: number): { rows: number; isAll: boolean } {
      const plan = planned(filter, undefined);
      if (!plan) return { rows: 0, isAll: true };
      const found = merge(plan.driver, plan.range);
      const rest = plan.others.reduce(both, ANY);
      const counted = `
        SELECT count(*) AS seen, coalesce(sum(${rest.where}), 0) AS rows
        FROM (SELECT id FROM (${found.sql} LIMIT ?)) ${plan.others.length > 0 ? "JOIN requests USING (id)" : ""}`;
      const { seen, rows } = client.prepare(counted).get(...rest.values, ...found.values, visited) as {
        seen: number;
        rows: number;
      };
      return { rows, isAll: seen < visited };
    },

    /** What the log can be filtered by. Names are not known here. */
    options() {
      return {
        accountIds: distinct("account_id"),
        apiKeyIds: distinct("api_key_id"),
        modelOptions: modelPairs().filter(({ model }) => model !== null),
        statuses: REQUEST_STATUSES,
      };
    },

    /** SQLite's plan for a page, one step per line; tests read it. */
    explainPage(filter: RequestFilter, cursor?: RequestCursor): string[] {
      const query = matching(filter, cursor);
      if (!query) return [];
      const plan = client.prepare(`EXPLAIN QUERY PLAN ${query.sql} LIMIT 50`).all(...query.values);
      return plan.map((step) => (step as { detail: string }).detail);
    },
  };
}

interface Condition {
  where: string;
  values: unknown[];
}

const ANY: Condition = { where: "TRUE", values: [] };
const EVERYTHING: Arm = { index: "requests_time", ...ANY };

function equalArms(column: string, index: string, values: string[]): Arm[] {
  return values.map((value) => ({ index, where: `${column} = ?`, values: [value] }));
}

function timeRange({ sinceMs, untilMs }: RequestFilter, below: RequestCursor | undefined): Condition {
  const parts: [string, unknown[]][] = [];
  if (sinceMs !== undefined) parts.push(["requested_at_ms >= ?", [sinceMs]]);
  if (untilMs !== undefined) parts.push(["requested_at_ms <= ?", [untilMs]]);
  if (below) parts.push(["(requested_at_ms, id) < (?, ?)", [below.requestedAtMs, below.id]]);
  return {
    where: ["TRUE", ...parts.map(([sql]) => sql)].join(" AND "),
    values: parts.flatMap(([, values]) => values),
  };
}

function anyOf(arms: Arm[]): Condition {
  return {
    where: arms.length > 0 ? `(${arms.map(({ where }) => where).join(" OR ")})` : "FALSE",
    values: arms.flatMap(({ values }) => values),
  };
}

function both(one: Condition, other: Condition): Condition {
  return { where: `${one.where} AND ${other.where}`, values: [...one.values, ...other.values] };
}

/** One query over all arms, newest first. SQLite merges their orders; UNION drops what two arms both found. */
function merge(arms: Arm[], condition: Condition): { sql: string; values: unknown[] } {
  const used = arms.length <= MAX_ARMS ? arms : [{ index: "requests_time", ...anyOf(arms) }];
  const selects = used.map(
    ({ index, where }) =>
      `SELECT requested_at_ms, id FROM requests INDEXED BY ${index} WHERE ${where} AND ${condition.where}`,
  );
  return {
    sql: `${selects.join(" UNION ")} ORDER BY requested_at_ms DESC, id DESC`,
    values: used.flatMap(({ values }) => [...values, ...condition.values]),
  };
}
