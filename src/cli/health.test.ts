/** Claims about `codex-lb health`: its exit code follows the service on the data directory, wherever that listens. */
import { afterEach, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { healthCommand } from "./health.ts";

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

/** A data directory in which a process says that it serves there; null: it does not serve yet. */
function dataDirOf(url: string | null): { dataDir: string } {
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-health-"));
  made.push(dataDir);
  const holder = { pid: 1, sinceMs: 0, url, cliToken: null };
  writeFileSync(join(dataDir, "codex-lb.pid"), JSON.stringify(holder));
  return { dataDir };
}

const answering = (status: number) =>
  Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    fetch: ({ url }) => new Response("", { status: url.endsWith("/health/ready") ? status : 404 }),
  });

test("is 0 when the service is ready, also when it listens on every interface", async () => {
  await using server = answering(200);
  for (const host of ["127.0.0.1", "0.0.0.0"]) {
    expect(await healthCommand(dataDirOf(`http://${host}:${server.port}`), fetch)).toBe(0);
  }
});

test("fails while the service is stopping", async () => {
  await using server = answering(503);
  expect(healthCommand(dataDirOf(server.url.origin), fetch)).rejects.toThrow("stopping");
});

test("fails while it starts, and where nothing ever ran", async () => {
  expect(healthCommand(dataDirOf(null), fetch)).rejects.toThrow("No codex-lb runs on");
  const { dataDir } = dataDirOf(null);
  expect(healthCommand({ dataDir: join(dataDir, "none") }, fetch)).rejects.toThrow("No codex-lb runs on");
});

test("fails when what a killed service left behind is all there is, and says where it looked", async () => {
  const server = answering(200);
  const place = dataDirOf(server.url.origin);
  await server.stop(true);
  expect(healthCommand(place, fetch)).rejects.toThrow(server.url.origin);
});
