/** What every route of the admin API needs: who asks, the record of what they changed, and how times are written. */
import type { JsonRecord } from "../core/json-read.ts";
import type { Clock } from "../ports.ts";
import type { AuditStore } from "../store/audit.ts";
import type { Asker } from "./guard.ts";

export interface Admin {
  clock: Clock;
  /** Who was let in with this request. */
  askerOf(request: Request): Asker;
  /** Notes a change: who, what (`account.pause`), to what, from where. `details` never holds a secret. */
  audit(request: Request, action: string, target: string | null, details?: JsonRecord): void;
}

export function createAdmin(ports: {
  clock: Clock;
  audit: Pick<AuditStore, "add">;
  askerOf(request: Request): Asker;
}): Admin {
  const { clock, askerOf } = ports;
  return {
    clock,
    askerOf,
    audit(request, action, target, details) {
      const { actor, ip } = askerOf(request);
      ports.audit.add({ atMs: clock.now(), actor, actorIp: ip, action, target, details: details ?? null });
    },
  };
}

/** ISO-8601 in UTC, as every time of the admin API is written. */
export function isoTime(ms: number): string {
  return new Date(ms).toISOString();
}

export function isoTimeOrNull(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : isoTime(ms);
}
