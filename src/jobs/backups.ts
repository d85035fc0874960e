/** Copies the database when the last scheduled copy is old enough, and deletes the copies that are too many. */
import type { DashboardSettings } from "../core/settings.ts";
import type { Clock, Log } from "../ports.ts";
import type { Backups } from "../store/backups.ts";
import type { Job } from "./scheduler.ts";

const HOUR_MS = 3_600_000;
/** When a copy is due is looked at so often: a restart neither skips one nor makes one too many. */
const LOOK_EVERY_MS = 5 * 60_000;

export function createBackupJob(ports: {
  clock: Clock;
  log: Log;
  settings(): Pick<DashboardSettings, "backupIntervalHours" | "backupKeep">;
  backups: Backups;
}): Job {
  const { clock, log, settings, backups } = ports;
  return {
    name: "back up",
    everyMs: () => LOOK_EVERY_MS,
    async run() {
      const { backupIntervalHours, backupKeep } = settings();
      if (backupIntervalHours === 0) return;
      const last = backups.list().find(({ kind }) => kind === "scheduled");
      if (last && clock.now() - last.createdAtMs < backupIntervalHours * HOUR_MS) return;
      const { path, bytes } = await backups.write("scheduled", clock.now());
      const deleted = backups.rotate(backupKeep);
      log.info("database copied", { path, bytes, olderDeleted: deleted });
    },
  };
}
