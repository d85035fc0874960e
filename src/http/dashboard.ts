/** The dashboard's files: built into `frontend/dist`, inside the executable as well; every page of it is index.html. */
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { staticPlugin } from "@elysiajs/static";
import { Elysia } from "elysia";
import { CodedError } from "../core/errors.ts";
import { pathOf } from "./server.ts";

/** Names of built assets carry a hash of their content: the same name never means other bytes. */
const ONE_YEAR_S = 31_536_000;
/** More files than any build has: all of them get a route of their own, and no other path is ever looked up on disk. */
const MAX_FILES = 10_000;

/** `folder` null: where this program has its own. Throws nothing when no dashboard was built; its page says how to build one. */
export async function dashboardFiles(folder: string | null = null) {
  const root = folder ?? dashboardFolder();
  const index = join(root, "index.html");
  if (!existsSync(index)) return new Elysia().get("/*", ({ request }) => fallback(request, () => notBuilt()));

  const common = { alwaysStatic: true, staticLimit: MAX_FILES, indexHTML: false, silent: true } as const;
  const page = () =>
    new Response(Bun.file(index), {
      headers: { "content-type": "text/html; charset=utf-8", "cache-control": "no-cache" },
    });
  const app = new Elysia().get("/", page);
  if (existsSync(join(root, "assets"))) {
    app.use(
      await staticPlugin({
        ...common,
        assets: join(root, "assets"),
        prefix: "/assets",
        directive: "immutable",
        maxAge: ONE_YEAR_S,
      }),
    );
  }
  for (const name of readdirSync(root, { withFileTypes: true })) {
    if (!name.isFile() || name.name === "index.html") continue;
    app.get(
      `/${name.name}`,
      () => new Response(Bun.file(join(root, name.name)), { headers: { "cache-control": "no-cache" } }),
    );
  }
  return app.get("/*", ({ request }) => fallback(request, page));
}

/** Compiled, the files stand beside the program, under the last part of their path; from source, in the working tree. */
function dashboardFolder(): string {
  const embedded = join(import.meta.dir, "dist");
  return existsSync(embedded) ? embedded : join(import.meta.dir, "..", "..", "frontend", "dist");
}

/** Paths that belong to programs, however they are written; and files that are not there. */
const NO_PAGE = /^\/+(api|v1|backend-api|assets|metrics|health)(\/|$)|\.\.|\.\w+$/i;

/** Links into the dashboard are made by its own router: all of them are the one page. */
function fallback(request: Request, page: () => Response): Response {
  if (!NO_PAGE.test(decoded(pathOf(request.url)))) return page();
  throw new CodedError("not_found", "There is nothing at this path.", { status: 404 });
}

function decoded(path: string): string {
  try {
    return decodeURIComponent(path);
  } catch {
    return "/api";
  }
}

function notBuilt(): Response {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>codex-lb</title>
<h1>codex-lb is running</h1>
<p>This copy has no dashboard in it. From its source tree, <code>npm run build</code> builds one; the proxy, the admin API
(<a href="/api-docs">its description</a>) and the command line work without it.</p></html>`;
  return new Response(body, { status: 503, headers: { "content-type": "text/html; charset=utf-8" } });
}
