/** `/api/accounts/{id}/trends`: what an account had left of its windows over the last four weeks. */
import { Elysia, t } from "elysia";
import { CodedError } from "../core/errors.ts";
import { type MainWindows, windowInSlot, type WindowSlot } from "../core/pool-quota.ts";
import type { Pool } from "../pool/pool.ts";
import type { WindowHistoryRow, WindowStore } from "../store/windows.ts";
import type { AccountViews } from "./account-views.ts";
import { type Admin, isoTime } from "./admin.ts";

const HOUR_MS = 3_600_000;
const TREND_DAYS = 28;

export function accountTrendRoutes(ports: {
  admin: Admin;
  pool: Pool;
  views: AccountViews;
  windows: Pick<WindowStore, "history">;
}) {
  const { admin, pool, views, windows } = ports;
  return new Elysia({ prefix: "/api/accounts", detail: { tags: ["Accounts"] } }).get(
    "/:id/trends",
    ({ params }) => {
      const account = pool.get(params.id);
      if (!account)
        throw new CodedError("account_not_found", "There is no such account in the pool.", { status: 404 });
      const sinceMs = admin.clock.now() - TREND_DAYS * 24 * HOUR_MS;
      const series = hourlySeries(windows.history(account.id, sinceMs));
      const main: MainWindows = views.main();
      const inSlot = (slot: WindowSlot) => {
        const window = windowInSlot(account.windows, slot, main);
        return (window && series.get(`${window.scope}:${window.minutes}`)?.points) ?? [];
      };
      return {
        accountId: account.id,
        primary: inSlot("primary"),
        secondary: inSlot("secondary"),
        windows: [...series.values()],
      };
    },
    {
      params: t.Object({ id: t.String() }),
      detail: { summary: "Remaining percent of each window, hourly, over 28 days" },
    },
  );
}

/** Per window the last reading of every hour that has one. */
function hourlySeries(rows: readonly WindowHistoryRow[]) {
  const series = new Map<string, { scope: string; minutes: number; points: { t: string; v: number }[] }>();
  for (const { scope, minutes, atMs, usedPercent } of rows) {
    const key = `${scope}:${minutes}`;
    const one = series.get(key) ?? { scope, minutes, points: [] };
    series.set(key, one);
    const point = { t: isoTime(atMs - (atMs % HOUR_MS)), v: Math.max(0, 100 - usedPercent) };
    if (one.points.at(-1)?.t === point.t) one.points.pop();
    one.points.push(point);
  }
  return series;
}
