/** Who is signed in to the dashboard: sessions in the database by the hash of their cookie, which expire and can be revoked. */
import { createHash } from "node:crypto";
import { Secret } from "../core/secret.ts";
import type { Clock, Random } from "../ports.ts";
import type { DashboardAuthStore, DashboardSessionRow } from "../store/dashboard-auth.ts";

export type DashboardSession = DashboardSessionRow;

export interface NewSession {
  role: "admin" | "guest";
  /** False: the password was right and the code is missing; such a session opens nothing. */
  totpVerified: boolean;
  clientIp: string;
  userAgent: string | null;
  /** The session that this one takes the place of. */
  replaces: string | null;
}

export interface DashboardSessions {
  /** A new session; the cookie's value is given out here and nowhere else. */
  open(session: NewSession): { id: string; cookie: Secret; maxAgeSeconds: number };
  /** The session of a cookie, which counts as used now; null when there is none, or not any more. */
  find(cookie: string): DashboardSession | null;
  /** The latest used first. */
  list(): DashboardSession[];
  revoke(id: string): boolean;
  revokeAll(exceptId?: string): void;
  revokeGuests(): void;
}

export interface DashboardSessionsPorts {
  store: DashboardAuthStore;
  clock: Clock;
  random: Random;
  /** Setting `dashboardSessionTtlSeconds`, in milliseconds: the longest life of a session. */
  lifetimeMs(): number;
}

const COOKIE_BYTES = 32;
/** Without use a session ends after this part of its life: 3 of 12 hours. */
const IDLE_PART = 1 / 4;
/** Time to type the code of the second factor. */
const HALF_SIGNED_IN_MS = 10 * 60_000;
/** A page asks every few seconds; the database need not know each time. */
const TOUCH_EVERY_MS = 60_000;
/** Nobody is signed in on more devices; those unused for longest are signed out. */
const MAX_SESSIONS = 100;
const MAX_USER_AGENT_CHARS = 256;

export function createDashboardSessions(ports: DashboardSessionsPorts): DashboardSessions {
  const { store, clock, random, lifetimeMs } = ports;

  function expiryOf(session: Pick<DashboardSession, "createdAtMs" | "totpVerified">, now: number): number {
    if (!session.totpVerified) return session.createdAtMs + HALF_SIGNED_IN_MS;
    return Math.min(session.createdAtMs + lifetimeMs(), now + lifetimeMs() * IDLE_PART);
  }

  return {
    open({ replaces, clientIp, userAgent, role, totpVerified }) {
      const now = clock.now();
      const cookie = Buffer.from(random.bytes(COOKIE_BYTES)).toString("base64url");
      const session = { role, totpVerified, createdAtMs: now, lastSeenAtMs: now, clientIp };
      const id = `ds_${Buffer.from(random.bytes(12)).toString("hex")}`;
      const expiresAtMs = expiryOf(session, now);
      store.addSession({
        ...session,
        id,
        tokenHash: hashOf(cookie),
        expiresAtMs,
        userAgent: userAgent?.slice(0, MAX_USER_AGENT_CHARS) ?? null,
      });
      if (replaces !== null) store.removeSession(replaces);
      store.pruneSessions(now);
      // Each kind for itself: guests and half sign-ins sign no owner out.
      const alike = store
        .listSessions(now)
        .filter((other) => other.role === role && other.totpVerified === totpVerified);
      for (const old of alike.slice(MAX_SESSIONS)) store.removeSession(old.id);
      return { id, cookie: new Secret(cookie), maxAgeSeconds: Math.floor(lifetimeMs() / 1000) };
    },
    find(cookie) {
      const now = clock.now();
      const session = store.findSession(hashOf(cookie), now);
      // A shorter life, set meanwhile, holds for sessions that are open as well.
      if (session === null || session.createdAtMs + lifetimeMs() <= now) return null;
      if (now - session.lastSeenAtMs < TOUCH_EVERY_MS) return session;
      const used = { lastSeenAtMs: now, expiresAtMs: expiryOf(session, now) };
      store.touchSession(session.id, used);
      return { ...session, ...used };
    },
    list: () => store.listSessions(clock.now()),
    revoke: (id) => store.removeSession(id),
    revokeAll: (exceptId) => store.removeAllSessions(exceptId),
    revokeGuests: () => store.removeGuestSessions(),
  };
}

function hashOf(cookie: string): string {
  return createHash("sha256").update(cookie).digest("hex");
}
