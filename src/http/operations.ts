/** The audit log, backups, and facts about the running program. */
import { statSync } from "node:fs";
import { Elysia, t } from "elysia";
import type { AuditStore } from "../store/audit.ts";
import type { Backups } from "../store/backups.ts";
import { type Admin, isoTime } from "./admin.ts";

/** 0 when there is no such file. */
function sizeOf(path: string): number {
  return statSync(path, { throwIfNoEntry: false })?.size ?? 0;
}

const DEFAULT_LIMIT = 50;
const MAX_LIMIT = 500;

export interface OperationsRoutesPorts {
  admin: Admin;
  audit: Pick<AuditStore, "list">;
  database: { dataDir: string; path: string; backups: Backups };
  version: string;
}

export function operationsRoutes({ admin, audit, database, version }: OperationsRoutesPorts) {
  const startedAtMs = admin.clock.now();
  return new Elysia({ prefix: "/api", detail: { tags: ["Operations"] } })
    .get(
      "/audit-logs",
      ({ query }) => {
        const limit = query.limit ?? DEFAULT_LIMIT;
        const rows = audit.list({
          limit: limit + 1,
          ...(query.cursor !== undefined && { beforeId: query.cursor }),
          ...(query.action && { action: query.action }),
        });
        const logs = rows.slice(0, limit);
        return {
          logs: logs.map(({ atMs, ...entry }) => ({ at: isoTime(atMs), ...entry })),
          hasMore: rows.length > limit,
          nextCursor: rows.length > limit ? String(logs.at(-1)!.id) : null,
        };
      },
      {
        query: t.Object({
          limit: t.Optional(t.Integer({ minimum: 1, maximum: MAX_LIMIT, description: "Default 50." })),
          cursor: t.Optional(t.Integer({ minimum: 1, description: "The last page's `nextCursor`." })),
          action: t.Optional(t.String({ description: "For example `account.pause`." })),
        }),
        detail: { summary: "Who changed what, from where, the latest first" },
      },
    )
    .post(
      "/backup",
      async ({ request }) => {
        const nowMs = admin.clock.now();
        const { path, bytes } = await database.backups.write("manual", nowMs);
        admin.audit(request, "backup.create", path, { bytes });
        return { path, bytes, createdAt: isoTime(nowMs) };
      },
      { detail: { summary: "Write a consistent copy of the database into the data directory" } },
    )
    .get(
      "/about",
      () => ({
        version,
        runtime: `Bun ${Bun.version}`,
        platform: `${process.platform} ${process.arch}`,
        startedAt: isoTime(startedAtMs),
        dataDirectory: database.dataDir,
        databaseBytes: sizeOf(database.path) + sizeOf(`${database.path}-wal`),
      }),
      { detail: { summary: "The running program" } },
    );
}
