/** How people sign in to the dashboard: one set of credentials, and the sessions by hash of their cookie. */
import { and, desc, eq, gt, lte, ne } from "drizzle-orm";
import { Secret } from "../core/secret.ts";
import type { Connection } from "./connection.ts";
import { dashboardCredentials, dashboardSessions } from "./schema.ts";
import type { SecretBox } from "./secrets.ts";

const ONLY_ROW = 1;
const TOTP_PLACE = { table: "dashboard_credentials", row: String(ONLY_ROW), field: "totpSecret" };

export interface DashboardCredentials {
  /** argon2id; null: no password was set. */
  passwordHash: string | null;
  /** argon2id; null: no guest can sign in. */
  guestPasswordHash: string | null;
  /** null: no second factor. */
  totpSecret: Secret | null;
  /** The last accepted 30-second step, so that a code works once. */
  totpLastStep: number | null;
  /** SHA-256 of each recovery code that is left. */
  recoveryCodeHashes: string[];
}

export type DashboardSessionRow = typeof dashboardSessions.$inferSelect;

export type DashboardAuthStore = ReturnType<typeof createDashboardAuthStore>;

export function createDashboardAuthStore({ orm, durably }: Connection, box: SecretBox) {
  function credentials(): DashboardCredentials {
    const row = orm.select().from(dashboardCredentials).get();
    return {
      passwordHash: row?.passwordHash ?? null,
      guestPasswordHash: row?.guestPasswordHash ?? null,
      totpSecret: row?.totpSecret ? box.open(TOTP_PLACE, row.totpSecret) : null,
      totpLastStep: row?.totpLastStep ?? null,
      recoveryCodeHashes: row?.recoveryCodeHashes ?? [],
    };
  }

  return {
    credentials,

    /** Changes what is named; the rest stays. */
    saveCredentials(patch: Partial<DashboardCredentials>): void {
      durably(() => {
        const { totpSecret, ...rest } = { ...credentials(), ...patch };
        const row = { ...rest, id: ONLY_ROW, totpSecret: totpSecret && box.seal(TOTP_PLACE, totpSecret) };
        orm
          .insert(dashboardCredentials)
          .values(row)
          .onConflictDoUpdate({ target: dashboardCredentials.id, set: row })
          .run();
      });
    },

    addSession(session: DashboardSessionRow): void {
      durably(() => orm.insert(dashboardSessions).values(session).run());
    },

    /** The session of a cookie's hash while it has not expired; null otherwise. */
    findSession(tokenHash: string, nowMs: number): DashboardSessionRow | null {
      const valid = and(eq(dashboardSessions.tokenHash, tokenHash), gt(dashboardSessions.expiresAtMs, nowMs));
      return orm.select().from(dashboardSessions).where(valid).get() ?? null;
    },

    touchSession(id: string, at: { lastSeenAtMs: number; expiresAtMs: number }): void {
      orm.update(dashboardSessions).set(at).where(eq(dashboardSessions.id, id)).run();
    },

    /** Those that have not expired, the latest used first. */
    listSessions(nowMs: number): DashboardSessionRow[] {
      return orm
        .select()
        .from(dashboardSessions)
        .where(gt(dashboardSessions.expiresAtMs, nowMs))
        .orderBy(desc(dashboardSessions.lastSeenAtMs))
        .all();
    },

    /** False when there was none. */
    removeSession(id: string): boolean {
      return durably(
        () => orm.delete(dashboardSessions).where(eq(dashboardSessions.id, id)).run().changes === 1,
      );
    },

    /** Signs everybody out, except the session `exceptId` when given. */
    removeAllSessions(exceptId?: string): void {
      const others = exceptId === undefined ? undefined : ne(dashboardSessions.id, exceptId);
      durably(() => orm.delete(dashboardSessions).where(others).run());
    },

    removeGuestSessions(): void {
      durably(() => orm.delete(dashboardSessions).where(eq(dashboardSessions.role, "guest")).run());
    },

    pruneSessions(nowMs: number): void {
      orm.delete(dashboardSessions).where(lte(dashboardSessions.expiresAtMs, nowMs)).run();
    },
  };
}
