/** Claims about what root leaves behind in another user's data directory. */
import { afterEach, expect, test } from "bun:test";
import {
  chownSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { giveToOwner } from "./ownership.ts";

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function directory(): string {
  made.push(mkdtempSync(join(tmpdir(), "codex-lb-owner-")));
  return made.at(-1)!;
}

const SOMEBODY = 54_321;
const isRoot = process.getuid?.() === 0;

test.skipIf(!isRoot)("files and directories of root become the owner's; what is outside stays", () => {
  const [dataDir, elsewhere] = [directory(), directory()];
  const outside = ["target", "linked"].map((name) => join(elsewhere, name));
  for (const path of [...outside, join(dataDir, "codex-lb.db")]) writeFileSync(path, "");
  mkdirSync(join(dataDir, "backups"));
  symlinkSync(outside[0]!, join(dataDir, "symlink"));
  linkSync(outside[1]!, join(dataDir, "hardlink"));
  chownSync(dataDir, SOMEBODY, SOMEBODY);

  giveToOwner(dataDir);
  const owners = (paths: string[]) => paths.map((path) => statSync(path).uid);
  expect(owners([join(dataDir, "codex-lb.db"), join(dataDir, "backups")])).toEqual([SOMEBODY, SOMEBODY]);
  expect(owners(outside)).toEqual([0, 0]);
});

test("a directory that is not there is no error", () => {
  expect(() => giveToOwner(join(directory(), "none"))).not.toThrow();
});
