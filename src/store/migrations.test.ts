import { describe, expect, test } from "bun:test";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { generateSQLiteDrizzleJson, generateSQLiteMigration } from "drizzle-kit/api";
import { openConnection } from "./connection.ts";
import * as schema from "./schema.ts";
import { loadSqlite } from "./sqlite-native.ts";

const FOLDER = join(import.meta.dir, "../../drizzle");
const journal: { entries: { tag: string; when: number }[] } = readJson("_journal.json");

function readJson(name: string) {
  return JSON.parse(readFileSync(join(FOLDER, "meta", name), "utf8"));
}

function inFolder(work: (folder: string) => void) {
  const folder = mkdtempSync(join(tmpdir(), "codex-lb-migrations-"));
  try {
    work(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** A copy of the migrations that ends after the first `count`, as an older program has it. */
function olderMigrations(folder: string, count: number): string {
  const copy = join(folder, `drizzle-${count}`);
  cpSync(FOLDER, copy, { recursive: true });
  const older = { ...journal, entries: journal.entries.slice(0, count) };
  writeFileSync(join(copy, "meta/_journal.json"), JSON.stringify(older));
  return copy;
}

function shapeOf(path: string, migrationsFolder?: string): unknown[] {
  const { client } = openConnection(loadSqlite(), { path, migrationsFolder });
  const shape = client.prepare("SELECT type, name, sql FROM sqlite_master ORDER BY type, name").all();
  expect(client.pragma("foreign_key_check")).toEqual([]);
  expect(client.pragma("integrity_check", { simple: true })).toBe("ok");
  client.close();
  return shape;
}

describe("migrations", () => {
  test("are increasing in time, as the migrator demands", () => {
    const times = journal.entries.map(({ when }) => when);
    expect(times).toEqual(times.toSorted((one, other) => one - other));
    expect(new Set(times).size).toBe(times.length);
  });

  test.each(journal.entries.map((_, index) => index))(
    "a database that stopped after %d of them upgrades to the same shape as a new one",
    (count) =>
      inFolder((folder) => {
        const fresh = shapeOf(join(folder, "fresh.db"));
        const old = join(folder, "old.db");
        if (count > 0) shapeOf(old, olderMigrations(folder, count));
        expect(shapeOf(old)).toEqual(fresh);
        expect(shapeOf(old)).toEqual(fresh);
      }),
  );

  test("an older program refuses a newer database and leaves it alone", () =>
    inFolder((folder) => {
      const path = join(folder, "new.db");
      const shape = shapeOf(path);
      const older = olderMigrations(folder, journal.entries.length - 1);
      expect(() => openConnection(loadSqlite(), { path, migrationsFolder: older })).toThrow(
        expect.objectContaining({ code: "database_newer" }),
      );
      expect(shapeOf(path)).toEqual(shape);
    }));

  test("say what schema.ts says: drizzle-kit would add nothing", async () => {
    const last = journal.entries.length - 1;
    const snapshot = readJson(`${String(last).padStart(4, "0")}_snapshot.json`);
    const current = await generateSQLiteDrizzleJson(schema, snapshot.id);
    expect(await generateSQLiteMigration(snapshot, current)).toEqual([]);
  });
});
