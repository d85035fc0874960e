/** Who did what from where. `details` never holds a secret: the caller picks what is named. */
import { and, desc, eq, lt } from "drizzle-orm";
import type { Connection } from "./connection.ts";
import { auditLog } from "./schema.ts";

export type AuditRow = typeof auditLog.$inferSelect;

export type AuditStore = ReturnType<typeof createAuditStore>;

export function createAuditStore({ client, orm }: Connection) {
  return {
    add(entry: Omit<AuditRow, "id">): void {
      orm.insert(auditLog).values(entry).run();
    },

    /** Newest first; `beforeId` pages on. */
    list(page: { limit: number; beforeId?: number; action?: string }): AuditRow[] {
      const { limit, beforeId, action } = page;
      return orm
        .select()
        .from(auditLog)
        .where(
          and(
            action === undefined ? undefined : eq(auditLog.action, action),
            beforeId === undefined ? undefined : lt(auditLog.id, beforeId),
          ),
        )
        .orderBy(desc(auditLog.id))
        .limit(limit)
        .all();
    },

    /** Deletes at most `limit` entries older than `beforeMs`; how many it were. */
    prune(beforeMs: number, limit: number): number {
      return client
        .prepare(
          `DELETE FROM audit_log WHERE id IN (SELECT id FROM audit_log WHERE at_ms < ? ORDER BY at_ms, id LIMIT ?)`,
        )
        .run(beforeMs, limit).changes;
    },
  };
}
