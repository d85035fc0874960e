/** Claims about what a restored database is to others on the machine. */
import { expect, test } from "bun:test";
import { chmodSync, mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock } from "../ports.ts";
import { openStore } from "./open.ts";
import { restoreDatabase } from "./restore.ts";

test("a copy that everybody may read becomes a database for its owner alone", async () => {
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-restore-"));
  const keyFile = join(dataDir, "encryption.key");
  const log = { debug() {}, info() {}, warn() {}, error() {} };
  const store = openStore({ dataDir, keyFile, clock: systemClock, log });
  const copy = join(dataDir, "copy.db");
  await store.backup(copy);
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  store.close();
  chmodSync(copy, 0o644);
  restoreDatabase({ from: copy, dataDir, keyFile, nowMs: 1_795_141_000_000 });
  expect(statSync(join(dataDir, "codex-lb.db")).mode & 0o777).toBe(0o600);
  rmSync(dataDir, { recursive: true });
});
