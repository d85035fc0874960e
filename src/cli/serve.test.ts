/** Claims about stopping: run in a process of its own, because they are about signals and exit codes. */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** What is written when the pool has no account. */
function firstStart(loginFile: string | null): string {
  return `
    const { serve } = await import(${JSON.stringify(join(import.meta.dir, "serve.ts"))});
    const { createLog } = await import(${JSON.stringify(join(import.meta.dir, "../ports.ts"))});
    const log = createLog({ level: "info", format: "text", write: (line) => process.stdout.write(line) });
    const service = { start: async () => ({ url: "http://127.0.0.1:1", accounts: 0 }), stop: async () => {} };
    const alive = setInterval(() => {}, 1000);
    serve(service, { config: { shutdownDrainTimeoutMs: 1 }, log, loginFile: ${JSON.stringify(loginFile)} }).then(process.exit);`;
}

const directory = mkdtempSync(join(tmpdir(), "codex-lb-serve-"));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const fileOf = (name: string) => join(directory, `${name}.json`);

const OTHER_WAYS = "add one in the dashboard, or with `codex-lb login`";

test.each([
  [
    "a Codex login on this machine is offered",
    "login",
    { personal_access_token: "at-x" },
    `codex-lb import ${fileOf("login")}`,
  ],
  ["without one the ways to add an account are told", "nowhere", null, OTHER_WAYS],
  ["an API key is no login", "api-key", { auth_mode: "apikey", OPENAI_API_KEY: "sk-proj-x" }, OTHER_WAYS],
])("the first start: %s", async (_claim, name, content, text) => {
  if (content) writeFileSync(fileOf(name), JSON.stringify(content));
  const { child, until } = start(firstStart(fileOf(name)));
  await until("the pool has no account yet");
  await until(text);
  child.kill("SIGTERM");
  expect(await child.exited).toBe(0);
});

/** A service whose stop ends when and as `stopping` says; it says on stdout when its stop begins and ends. */
function program(service: { start?: string; stop: string; drainMs?: number }): string {
  return `
    const { serve } = await import(${JSON.stringify(join(import.meta.dir, "serve.ts"))});
    const { createLog } = await import(${JSON.stringify(join(import.meta.dir, "../ports.ts"))});
    const log = createLog({ level: "info", format: "text", write: () => {} });
    const alive = setInterval(() => {}, 1000);
    const service = {
      async start() { ${service.start ?? ""} return { url: "http://127.0.0.1:1" }; },
      async stop() { console.log("stopping"); ${service.stop} console.log("stopped"); },
    };
    serve(service, { config: { shutdownDrainTimeoutMs: ${service.drainMs ?? 1000} }, log, loginFile: null }).then(
      (code) => process.exit(code),
      (error) => { console.log("failed: " + error.message); process.exit(9); },
    );`;
}

function start(source: string) {
  const child = Bun.spawn([process.execPath, "-e", source], { stdout: "pipe", stderr: "inherit" });
  const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
  let output = "";
  async function until(text: string): Promise<void> {
    while (!output.includes(text)) {
      const { done, value } = await reader.read();
      if (done) throw new Error(`ended before "${text}": ${output}`);
      output += value;
    }
  }
  async function rest(): Promise<string> {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) output += chunk.value;
    return output;
  }
  return { child, until, rest };
}

test.each(["SIGTERM", "SIGINT"] as const)(
  "%s stops the service and ends with exit code 0",
  async (signal) => {
    const { child, until, rest } = start(program({ stop: "await Bun.sleep(10);" }));
    await until("is ready on http://127.0.0.1:1\n");
    child.kill(signal);
    expect(await child.exited).toBe(0);
    expect(await rest()).toEndWith("stopping\nstopped\n");
  },
);

test("the same signal passed on by a launcher is not a second wish", async () => {
  const { child, until, rest } = start(program({ stop: "await Bun.sleep(300);" }));
  await until("is ready on");
  child.kill("SIGINT");
  child.kill("SIGINT");
  expect(await rest()).toEndWith("stopped\n");
  expect(await child.exited).toBe(0);
});

test("a later second signal ends the process at once", async () => {
  const { child, until, rest } = start(
    program({ stop: `setTimeout(() => console.log("due"), 600); await new Promise(() => {});` }),
  );
  await until("is ready on");
  child.kill("SIGTERM");
  await until("due");
  child.kill("SIGTERM");
  expect(await child.exited).toBe(143);
  expect(await rest()).not.toContain("stopped");
});

test("a service that cannot start is stopped, and its own error is the one told", async () => {
  const { child, rest } = start(
    program({ start: `throw new Error("port taken");`, stop: `throw new Error("nothing to stop");` }),
  );
  expect(await rest()).toEndWith("stopping\nfailed: port taken\n");
  expect(await child.exited).toBe(9);
});
