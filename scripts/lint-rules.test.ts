/** Claims about the lint rules: each layer's rule fires on a file that breaks it, and lets a rightful import pass. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";

const root = join(import.meta.dir, "..");
const LAYERS = "no-restricted-imports";

/** A file, its text, and the rules that it breaks. */
const FILES: [path: string, text: string, broken: string[]][] = [
  ["src/core/good.ts", `export { x } from "./other.ts";`, []],
  ["src/core/hash.ts", `import { createHash } from "node:crypto"; export const h = createHash;`, []],
  ["src/core/dialects/up.ts", `export { x } from "../other.ts";`, []],
  ["src/core/other.ts", `export const x = 1;`, []],
  ["src/core/file.ts", `import { readFileSync } from "node:fs"; export const r = readFileSync;`, [LAYERS]],
  ["src/core/package.ts", `import { t } from "elysia"; export const e = t;`, [LAYERS]],
  ["src/core/store.ts", `import { s } from "../store/open.ts"; export const e = s;`, [LAYERS]],
  [
    "src/core/upstream.ts",
    `import type { u } from "../upstream/client.ts"; export type U = typeof u;`,
    [LAYERS],
  ],
  ["src/core/config.ts", `import { c } from "../config.ts"; export const e = c;`, [LAYERS]],
  ["src/core/dialects/deep.ts", `import { p } from "../../pool/pool.ts"; export const e = p;`, [LAYERS]],
  ["src/core/clock.ts", `export const at = () => Date.now();`, ["no-restricted-properties"]],
  ["src/core/chance.ts", `export const r = () => Math.random();`, ["no-restricted-properties"]],
  ["src/core/timer.ts", `export const t = () => setTimeout(() => 1, 1);`, ["no-restricted-globals"]],
  ["src/core/pure.test.ts", `import { s } from "../store/open.ts"; export const e = [s, Date.now()];`, []],
  ["src/store/open.ts", `import { sql } from "drizzle-orm"; export const s = sql;`, []],
  ["src/store/driver.ts", `import { d } from "drizzle-orm/better-sqlite3/driver"; export const e = d;`, []],
  ["src/store/upstream.ts", `import { u } from "../upstream/client.ts"; export const e = u;`, [LAYERS]],
  ["src/store/web.ts", `import { t } from "elysia"; export const e = t;`, [LAYERS]],
  ["src/upstream/client.ts", `export const u = 1;`, []],
  ["src/upstream/database.ts", `import { sql } from "drizzle-orm"; export const e = sql;`, [LAYERS]],
  ["src/upstream/pool.ts", `import { p } from "../pool/pool.ts"; export const e = p;`, [LAYERS]],
  ["src/pool/pool.ts", `import { s } from "../store/open.ts"; export const p = s;`, []],
  ["src/pool/addon.ts", `import d from "better-sqlite3/linux-x64"; export const e = d;`, [LAYERS]],
  ["src/pool/page.ts", `import { h } from "../http/app.ts"; export const e = h;`, [LAYERS]],
  ["src/proxy/page.ts", `import { h } from "../http/app.ts"; export const e = h;`, [LAYERS]],
  ["src/jobs/page.ts", `import { h } from "../http/app.ts"; export const e = h;`, [LAYERS]],
  ["src/http/app.ts", `import { Elysia } from "elysia"; export const h = Elysia;`, []],
  ["src/http/plugin.ts", `import { s } from "@elysiajs/static"; export const e = s;`, []],
  ["src/http/database.ts", `import { sql } from "drizzle-orm"; export const e = sql;`, [LAYERS]],
  ["src/http/root.ts", `import { r } from "../runtime.ts"; export const e = r;`, [LAYERS]],
  ["src/cli/web.ts", `import { t } from "elysia"; export const e = t;`, [LAYERS]],
  ["src/demo/world.ts", `import { r } from "../runtime.ts"; export const w = r;`, []],
  ["src/demo/database.ts", `import { sql } from "drizzle-orm"; export const e = sql;`, [LAYERS]],
  ["src/demo/terminal.ts", `import { c } from "../cli/serve.ts"; export const e = c;`, [LAYERS]],
  ["src/http/demo.ts", `import { d } from "../demo/demo.ts"; export const e = d;`, [LAYERS]],
  ["src/simulator/inside.ts", `import { p } from "../pool/pool.ts"; export const e = p;`, [LAYERS]],
  ["src/config.ts", `export const c = 1;`, []],
  [
    "src/runtime.ts",
    `import { h } from "./http/app.ts"; import { p } from "./pool/pool.ts"; export const r = [h, p];`,
    [],
  ],
  ["src/main.ts", `export const m = process.env.HOME;`, []],
  ["src/jobs/environment.ts", `export const e = process.env.HOME;`, ["no-process-env"]],
  ["src/jobs/print.ts", `export const e = () => console.log("x");`, ["no-console"]],
  [
    "src/jobs/floating.ts",
    `async function f() { await Promise.resolve(); } export const e = () => { f(); };`,
    ["no-floating-promises"],
  ],
  ["src/jobs/unused.ts", `import { p } from "../pool/pool.ts"; export const e = 1;`, ["no-unused-vars"]],
  ["src/jobs/any.ts", `export const e = (value: any) => value;`, ["no-explicit-any"]],
  ["src/jobs/cycle-a.ts", `import { b } from "./cycle-b.ts"; export const a = () => b;`, ["no-cycle"]],
  ["src/jobs/cycle-b.ts", `import { a } from "./cycle-a.ts"; export const b = () => a;`, ["no-cycle"]],
  [
    "src/jobs/switch.ts",
    `export function f(s: "a" | "b") { switch (s) { case "a": return 1; } }`,
    ["switch-exhaustiveness-check"],
  ],
  ["frontend/src/types.ts", `import type { h } from "../../src/http/app.ts"; export type H = typeof h;`, []],
  ["frontend/src/values.ts", `import { h } from "../../src/http/app.ts"; export const e = h;`, [LAYERS]],
];

const directory = mkdtempSync(join(tmpdir(), "codex-lb-lint-"));
const found = new Map<string, string[]>();

beforeAll(() => {
  for (const name of [".oxlintrc.json", "tsconfig.json"])
    copyFileSync(join(root, name), join(directory, name));
  symlinkSync(join(root, "node_modules"), join(directory, "node_modules"));
  for (const [path, text] of FILES) {
    mkdirSync(dirname(join(directory, path)), { recursive: true });
    writeFileSync(join(directory, path), `${text}\n`);
  }
  const { stdout } = Bun.spawnSync([join(root, "node_modules/.bin/oxlint"), "--format=json"], {
    cwd: directory,
  });
  const { diagnostics } = JSON.parse(stdout.toString()) as {
    diagnostics: { code: string; filename: string }[];
  };
  for (const { code, filename } of diagnostics) {
    const rule = /\((.+)\)/.exec(code)?.[1] ?? code;
    found.set(filename, [...(found.get(filename) ?? []), rule]);
  }
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

test.each(FILES)("%s: %p breaks %p", (path, _text, broken) => {
  expect(found.get(path) ?? []).toEqual(broken);
});
