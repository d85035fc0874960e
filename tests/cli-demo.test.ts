/** Claims about `codex-lb demo`, run as the executable alone in an empty directory: full within ten seconds, moving, gone afterwards. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { existsSync, readdirSync, rmSync } from "node:fs";
import { EXECUTABLE } from "./executable.ts";
import { temporaryDirectory } from "./harness.ts";
import { waitFor } from "./wait.ts";

/** From starting the process until every page has something to show. */
const FULL_WITHIN_MS = 10_000;

/** What the pages ask, and whether the answer fills them. */
const PAGES: [page: string, path: string, isFull: (body: never) => boolean][] = [
  [
    "banner",
    "/api/dashboard-auth/session",
    (body: { demo: boolean; role: string }) => body.demo && body.role === "admin",
  ],
  [
    "overview",
    "/api/dashboard/overview?timeframe=7d",
    (body: { summary: { metrics: { requests: number } }; trends: { cost: unknown[] } }) =>
      body.summary.metrics.requests > 1000 && body.trends.cost.length === 28,
  ],
  [
    "accounts",
    "/api/accounts",
    (body: { accounts: { status: string; windows: unknown[] }[] }) =>
      body.accounts.length === 8 && new Set(body.accounts.map(({ status }) => status)).size >= 4,
  ],
  [
    "keys",
    "/api/api-keys/",
    (body: { limits: unknown[] }[]) => body.length === 7 && body.some(({ limits }) => limits.length > 1),
  ],
  [
    "requests",
    "/api/request-logs?limit=50",
    (body: { total: number; requests: { selection: unknown }[] }) =>
      body.total > 3000 && body.requests.length === 50,
  ],
  [
    "reports",
    `/api/reports?start_date=${daysAgo(6)}&end_date=${daysAgo(0)}`,
    (body: { byModel: unknown[]; byKey: unknown[] }) => body.byModel.length >= 4 && body.byKey.length >= 4,
  ],
  ["models", "/api/models", (body: { models: unknown[] }) => body.models.length > 3],
  ["audit log", "/api/audit-logs", (body: { logs: unknown[] }) => body.logs.length >= 8],
];

function daysAgo(days: number): string {
  return new Date(Date.now() - days * 86_400_000).toISOString().slice(0, 10);
}

let cwd: string;
let demo: Bun.Subprocess<"ignore", "pipe", "pipe">;
let url: string;
let startedAt: number;

beforeAll(async () => {
  cwd = temporaryDirectory("demo");
  startedAt = performance.now();
  demo = Bun.spawn([EXECUTABLE, "demo", "--port", "0"], {
    cwd,
    env: { PATH: process.env.PATH!, HOME: cwd, TMPDIR: cwd },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
  let output = "";
  void (async () => {
    for await (const text of demo.stdout.pipeThrough(new TextDecoderStream())) output += text;
  })();
  url = await waitFor("the demo says where it is", () => /Open (http:\S+)/.exec(output)?.[1], FULL_WITHIN_MS);
});

afterAll(async () => {
  demo.kill("SIGKILL");
  await demo.exited;
  rmSync(cwd, { recursive: true, force: true });
});

async function ask<T>(path: string): Promise<T> {
  return (await (await fetch(url + path)).json()) as T;
}

test("every page is full within ten seconds of starting the process", async () => {
  for (const [page, path, isFull] of PAGES) {
    await waitFor(`the page ${page} is full`, async () => isFull(await ask<never>(path)), FULL_WITHIN_MS);
  }
  const took = performance.now() - startedAt;
  console.log(`demo: every page full ${Math.round(took)} ms after the start of the process`);
  expect(took).toBeLessThan(FULL_WITHIN_MS);
});

test("it moves: requests end, on several accounts, and some had to be tried elsewhere first", async () => {
  type Entry = { accountId: string | null; attempts: unknown[] };
  const since = new Date(Date.now() - 60_000).toISOString();
  const recent = () => ask<{ requests: Entry[] }>(`/api/request-logs?limit=200&since=${since}`);
  await waitFor(
    "failovers on several accounts",
    async () => {
      const { requests } = await recent();
      const accounts = new Set(requests.map(({ accountId }) => accountId).filter(Boolean));
      return accounts.size >= 2 && requests.some(({ attempts }) => attempts.length > 1);
    },
    60_000,
  );
});

test("it listens on loopback, and a signal ends it without a trace", async () => {
  expect(new URL(url).hostname).toBe("127.0.0.1");
  expect(readdirSync(cwd).filter((name) => name.startsWith("codex-lb-demo-"))).toHaveLength(1);
  demo.kill("SIGINT");
  expect(await demo.exited).toBe(0);
  expect(readdirSync(cwd).filter((name) => name.startsWith("codex-lb-demo-"))).toEqual([]);
  expect(existsSync(`${cwd}/.codex-lb`)).toBe(false);
});
