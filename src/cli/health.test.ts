/** Claims about `codex-lb health`: its exit code follows the service, wherever that listens. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, readConfig } from "../config.ts";
import { healthCommand } from "./health.ts";

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

function settings(env: Record<string, string>): Config {
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-health-"));
  made.push(dataDir);
  const place = { cwd: dataDir, homeDir: dataDir };
  return readConfig({ env: { CODEX_LB_DATA_DIR: dataDir, ...env }, ...place }).config;
}

const answering = (status: number) =>
  Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) => new Response("", { status: url.endsWith("/health/ready") ? status : 404 }),
  });

test("is 0 when the service is ready, on the address that its settings say", async () => {
  await using server = answering(200);
  const config = settings({ CODEX_LB_HOST: "0.0.0.0", CODEX_LB_PORT: String(server.port) });
  expect(await healthCommand(config, fetch)).toBe(0);
});

test("finds a service that took any free port by what it wrote into the data directory", async () => {
  await using server = answering(200);
  const config = settings({ CODEX_LB_PORT: "1" });
  const holder = { pid: 1, sinceMs: 0, url: `http://0.0.0.0:${server.port}`, cliToken: null };
  writeFileSync(join(config.dataDir, "codex-lb.pid"), JSON.stringify(holder));
  expect(await healthCommand(config, fetch)).toBe(0);
});

test("fails while the service is stopping", async () => {
  await using server = answering(503);
  const config = settings({ CODEX_LB_PORT: String(server.port) });
  expect(healthCommand(config, fetch)).rejects.toThrow("stopping");
});

test("fails when nothing listens, and says where it looked", async () => {
  const server = answering(200);
  const config = settings({ CODEX_LB_PORT: String(server.port) });
  await server.stop(true);
  expect(healthCommand(config, fetch)).rejects.toThrow(`http://127.0.0.1:${config.port}`);
});
