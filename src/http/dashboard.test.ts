/** Claims about the dashboard's files: which are kept for ever, what a deep link gets, and what there is without a build. */
import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { dashboardFiles } from "./dashboard.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "codex-lb-dashboard-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function build() {
  mkdirSync(join(folder, "assets"));
  writeFileSync(join(folder, "index.html"), "<!doctype html><title>the page</title>");
  writeFileSync(join(folder, "theme.js"), "/* theme */");
  writeFileSync(join(folder, "assets", "main-abc123.js"), "/* main */");
}

async function get(path: string, headers: Record<string, string> = {}) {
  const app = await dashboardFiles(folder);
  const reply = await app.handle(new Request(`http://127.0.0.1${path}`, { headers }));
  return { status: reply.status, text: await reply.text(), headers: reply.headers };
}

describe("a built dashboard", () => {
  beforeEach(build);

  test("is one page for every link into it, asked for anew each time", async () => {
    for (const path of ["/", "/accounts", "/requests?since=1", "/keys/key_1", "/index.html/"]) {
      const { status, text, headers } = await get(path);
      expect({ path, status, page: text.includes("the page") }).toEqual({ path, status: 200, page: true });
      expect(headers.get("cache-control")).toBe("no-cache");
      expect(headers.get("content-type")).toStartWith("text/html");
    }
  });

  test("has assets that a browser keeps for ever, since their names change with their content", async () => {
    const { status, text, headers } = await get("/assets/main-abc123.js");
    expect([status, text]).toEqual([200, "/* main */"]);
    expect(headers.get("cache-control")).toMatch(/immutable.*max-age=31536000/);
    expect(headers.get("content-type")).toStartWith("text/javascript");
  });

  test("has other files, which are asked for anew", async () => {
    const { status, headers } = await get("/theme.js");
    expect([status, headers.get("cache-control")]).toEqual([200, "no-cache"]);
  });

  test.each([
    "/assets/gone-def456.js",
    "/gone.js",
    "/api/none",
    "/API/none",
    "/v1/none",
    "/assets",
    "/outside.txt",
  ])("answers 404 and not the page to %s", async (path) =>
    expect((await get(path)).text).not.toContain("the page"),
  );
});

test("without a build a page says so, and what works without it", async () => {
  const { status, text } = await get("/accounts");
  expect(status).toBe(503);
  expect(text).toContain("npm run build");
  expect((await get("/api/none")).text).not.toContain("npm run build");
});
