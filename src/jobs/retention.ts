/** Forgets what is older than the settings allow, in batches small enough that no request notices. */
import type { DashboardSettings } from "../core/settings.ts";
import type { Clock, Log } from "../ports.ts";
import type { Job } from "./scheduler.ts";

const DAY_MS = 86_400_000;
/** A few milliseconds of work: the event loop, and with it every stream, waits that long. */
const BATCH_ROWS = 250;
/** Between batches everything else has its turn. */
const PAUSE_MS = 50;
/** While there is more to do, the job comes back soon: more than a thousand rows a second, beyond any pool of accounts. */
const BUSY_EVERY_MS = 1_000;
const IDLE_EVERY_MS = 10 * 60_000;
const BATCHES_PER_RUN = 10;
/** Sums are small, and reports compare one year with the last (core/periods.ts). */
const SUMS_KEPT_DAYS = 732;
/** Who changed what is asked for long after the requests are gone. */
const AUDIT_KEPT_DAYS = 366;

/** Each deletes at most `limit` rows and says how many. */
export interface Prunable {
  requests(beforeMs: number, limit: number): number;
  windowHistory(beforeMs: number, limit: number): number;
  affinity(nowMs: number, limit: number): number;
  audit(beforeMs: number, limit: number): number;
  /** Whole hours; few rows. */
  sums(beforeMs: number): void;
}

export function createRetentionJob(ports: {
  clock: Clock;
  log: Log;
  settings(): DashboardSettings;
  prune: Prunable;
}): Job {
  const { clock, log, settings, prune } = ports;
  let moreToDo = false;

  async function pruneAll(deleteBatch: (limit: number) => number): Promise<number> {
    let deleted = 0;
    for (let batch = 0; batch < BATCHES_PER_RUN; batch++) {
      const count = deleteBatch(BATCH_ROWS);
      deleted += count;
      if (count < BATCH_ROWS) return deleted;
      await new Promise<void>((resolve) => void clock.schedule(PAUSE_MS, resolve));
    }
    moreToDo = true;
    return deleted;
  }

  return {
    name: "forget what is old",
    everyMs: () => (moreToDo ? BUSY_EVERY_MS : IDLE_EVERY_MS),
    async run() {
      const nowMs = clock.now();
      const { requestLogRetentionDays, usageHistoryRetentionDays } = settings();
      const before = (days: number) => nowMs - days * DAY_MS;
      moreToDo = false;
      const deleted = {
        requests: await pruneAll((limit) => prune.requests(before(requestLogRetentionDays), limit)),
        windowHistory: await pruneAll((limit) =>
          prune.windowHistory(before(usageHistoryRetentionDays), limit),
        ),
        affinity: await pruneAll((limit) => prune.affinity(nowMs, limit)),
        audit: await pruneAll((limit) => prune.audit(before(AUDIT_KEPT_DAYS), limit)),
      };
      prune.sums(before(SUMS_KEPT_DAYS));
      if (Object.values(deleted).some((count) => count > 0)) log.debug("old rows deleted", deleted);
    },
  };
}
