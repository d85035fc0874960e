/** Claims about scheduled copies: when one is due, and which are deleted. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { createBackups } from "../store/backups.ts";
import { createTemporaryStore, type TemporaryStore } from "../testing/temporary-store.ts";
import { createBackupJob } from "./backups.ts";

const HOUR_MS = 3_600_000;
let temporary: TemporaryStore;
beforeEach(() => void (temporary = createTemporaryStore()));
afterEach(() => temporary.remove());

function jobWith(settings: { backupIntervalHours: number; backupKeep: number }) {
  const { clock, log, store } = temporary;
  const backups = createBackups(store);
  return { backups, job: createBackupJob({ clock, log, settings: () => settings, backups }) };
}

test("a copy is made when the last scheduled one is older than the interval, and the newest are kept", async () => {
  const { backups, job } = jobWith({ backupIntervalHours: 6, backupKeep: 2 });
  const made: number[] = [];
  for (let hour = 0; hour < 24; hour++) {
    await job.run();
    const newest = backups.list()[0]!.createdAtMs;
    if (!made.includes(newest)) made.push(newest);
    temporary.clock.advance(HOUR_MS);
  }
  expect(made.map((ms) => (ms - made[0]!) / HOUR_MS)).toEqual([0, 6, 12, 18]);
  expect(backups.list().map(({ createdAtMs }) => createdAtMs)).toEqual([made[3]!, made[2]!]);
});

test("a restart makes no second copy", async () => {
  await jobWith({ backupIntervalHours: 6, backupKeep: 2 }).job.run();
  temporary.clock.advance(HOUR_MS);
  temporary.reopen();
  const { backups, job } = jobWith({ backupIntervalHours: 6, backupKeep: 2 });
  await job.run();
  expect(backups.list()).toHaveLength(1);
});

test("interval 0 makes none; copies that people made, and foreign files, stay", async () => {
  const { backups, job } = jobWith({ backupIntervalHours: 0, backupKeep: 1 });
  await job.run();
  expect(backups.list()).toEqual([]);
  await backups.write("manual", temporary.clock.now());
  writeFileSync(join(temporary.dataDir, "backups", "codex-lb-auto-mine.db"), "");
  for (let round = 0; round < 3; round++)
    await backups.write("scheduled", temporary.clock.now() + round * HOUR_MS);
  expect(backups.rotate(1)).toBe(2);
  expect(backups.list().map(({ kind }) => kind)).toEqual(["scheduled", "manual"]);
});
