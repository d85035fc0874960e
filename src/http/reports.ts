/** `/api/reports`: what was used and what it cost, per calendar day in any time zone, by model, account and key. */
import { Elysia, t } from "elysia";
import { dateIn, type Day, daysBetween } from "../core/periods.ts";
import { usdFromMicros } from "../core/pricing.ts";
import type { ApiKeyStore } from "../store/api-keys.ts";
import { NONE } from "../store/requests.ts";
import type { RollupFilter, RollupStore, RollupSum } from "../store/rollups.ts";
import type { Admin } from "./admin.ts";

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 30;

const query = t.Object({
  start_date: t.Optional(t.String({ description: "YYYY-MM-DD, included. Default: 29 days before the end." })),
  end_date: t.Optional(t.String({ description: "YYYY-MM-DD, included. Default: today." })),
  timezone: t.Optional(
    t.String({
      description:
        "IANA name, default UTC. Sums are hourly: where midnight is not at a full hour of UTC, a day begins with the hour that holds it.",
    }),
  ),
  account_id: t.Optional(t.Array(t.String(), { maxItems: 100 })),
  api_key_id: t.Optional(t.Array(t.String(), { maxItems: 100 })),
  model: t.Optional(t.Array(t.String(), { maxItems: 100 })),
  format: t.Optional(
    t.Union([t.Literal("json"), t.Literal("csv")], { description: "csv: the daily rows as a file." }),
  ),
});

export function reportRoutes(ports: {
  admin: Admin;
  rollups: RollupStore;
  apiKeys: Pick<ApiKeyStore, "loadAll">;
}) {
  const { admin, rollups, apiKeys } = ports;
  return new Elysia({ prefix: "/api", detail: { tags: ["Requests"] } }).get(
    "/reports",
    ({ query: asked, set }) => {
      const timeZone = asked.timezone ?? "UTC";
      const endDate = asked.end_date ?? dateIn(timeZone, admin.clock.now());
      const startDate = asked.start_date ?? daysBefore(endDate, DEFAULT_DAYS - 1);
      const days = daysBetween({ startDate, endDate, timeZone });
      const filter: RollupFilter = {
        sinceMs: days[0]!.startMs,
        untilMs: days.at(-1)!.endMs,
        ...(asked.account_id && { accountIds: asked.account_id }),
        ...(asked.api_key_id && { apiKeyIds: asked.api_key_id }),
        ...(asked.model && { models: asked.model }),
      };
      const daily = dailyRows(days, rollups.sums(filter, ["bucket"]));
      if (asked.format === "csv") {
        set.headers["content-type"] = "text/csv; charset=utf-8";
        set.headers["content-disposition"] = `attachment; filename="codex-lb-${startDate}-to-${endDate}.csv"`;
        return csvOf(daily);
      }
      const names = new Map(apiKeys.loadAll().map(({ key }) => [key.id, key.name]));
      return {
        startDate,
        endDate,
        timezone: timeZone,
        currency: "USD",
        summary: sumsView(rollups.sums(filter)[0]!),
        daily,
        byModel: rollups
          .sums(filter, ["model"])
          .map((sum) => ({ model: orNull(sum.model), ...sumsView(sum) })),
        byAccount: rollups
          .sums(filter, ["account"])
          .map((sum) => ({ accountId: orNull(sum.accountId), ...sumsView(sum) })),
        byKey: rollups.sums(filter, ["key"]).map((sum) => ({
          apiKeyId: orNull(sum.apiKeyId),
          name: names.get(sum.apiKeyId ?? NONE) ?? null,
          ...sumsView(sum),
        })),
      };
    },
    { query, detail: { summary: "Use and cost per day, model, account and key" } },
  );
}

function daysBefore(date: string, days: number): string {
  const ms = Date.parse(date);
  return Number.isNaN(ms) ? date : new Date(ms - days * DAY_MS).toISOString().slice(0, 10);
}

const orNull = (value: string | null) => (value === NONE ? null : value);

type Sums = ReturnType<typeof sumsView>;

function sumsView(sum: Omit<RollupSum, "bucketMs" | "accountId" | "apiKeyId" | "model">) {
  return {
    requests: sum.requests,
    errors: sum.errors,
    cancelled: sum.cancelled,
    inputTokens: sum.inputTokens,
    cachedInputTokens: sum.cachedInputTokens,
    outputTokens: sum.outputTokens,
    reasoningTokens: sum.reasoningTokens,
    costUsd: usdFromMicros(sum.costMicros),
  };
}

/** The hours of each day added up; days without requests are there too. */
function dailyRows(days: readonly Day[], hours: readonly RollupSum[]): ({ date: string } & Sums)[] {
  let next = 0;
  return days.map(({ date, endMs }) => {
    const sums = { ...ZERO };
    for (; next < hours.length && hours[next]!.bucketMs! < endMs; next++) {
      for (const field of SUMMED) sums[field] += hours[next]![field];
    }
    return { date, ...sumsView(sums) };
  });
}

const ZERO = {
  requests: 0,
  errors: 0,
  cancelled: 0,
  inputTokens: 0,
  cachedInputTokens: 0,
  outputTokens: 0,
  reasoningTokens: 0,
  costMicros: 0,
  latencyMsSum: 0,
  firstTokenMsSum: 0,
  firstTokens: 0,
  attempts: 0,
};
const SUMMED = Object.keys(ZERO) as (keyof typeof ZERO)[];

const CSV_COLUMNS: [name: string, field: keyof Sums][] = [
  ["requests", "requests"],
  ["errors", "errors"],
  ["cancelled", "cancelled"],
  ["input_tokens", "inputTokens"],
  ["cached_input_tokens", "cachedInputTokens"],
  ["output_tokens", "outputTokens"],
  ["reasoning_tokens", "reasoningTokens"],
  ["cost_usd", "costUsd"],
];

/** Dates and numbers only: nothing in it needs quoting, and nothing can be taken for a formula. */
function csvOf(rows: readonly ({ date: string } & Sums)[]): string {
  const lines = rows.map((row) => [row.date, ...CSV_COLUMNS.map(([, field]) => row[field])]);
  return [["date", ...CSV_COLUMNS.map(([name]) => name)], ...lines]
    .map((cells) => `${cells.join()}\r\n`)
    .join("");
}
