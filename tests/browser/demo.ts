/** `codex-lb demo` as the executable runs it. */
import { rmSync } from "node:fs";
import { EXECUTABLE } from "../executable.ts";
import { temporaryDirectory } from "../harness.ts";
import { waitFor } from "../wait.ts";

/** A machine under load fills it in several seconds. */
const FULL_LIMIT_MS = 30_000;

export interface RunningDemo {
  url: string;
  /** Ends the process at once, as a crash would. */
  kill(): Promise<void>;
  /** The same, and removes what it made; after `kill` too. */
  dispose(): Promise<void>;
}

export async function startDemo(): Promise<RunningDemo> {
  const cwd = temporaryDirectory("demo");
  const child = Bun.spawn([EXECUTABLE, "demo", "--port", "0"], {
    cwd,
    env: { PATH: process.env.PATH!, HOME: cwd, TMPDIR: cwd },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "inherit",
  });
  // Whoever started it may end before its time.
  process.once("exit", () => child.kill("SIGKILL"));
  let output = "";
  const read = (async () => {
    for await (const text of child.stdout.pipeThrough(new TextDecoderStream())) output += text;
  })();
  async function kill(): Promise<void> {
    child.kill("SIGKILL");
    await child.exited;
    await read;
  }
  const demo = {
    url: "",
    kill,
    async dispose() {
      await kill();
      rmSync(cwd, { recursive: true, force: true });
    },
  };
  try {
    demo.url = await waitFor("the demo is full", () => /Open (http:\S+)/.exec(output)?.[1], FULL_LIMIT_MS);
  } catch (error) {
    await demo.dispose();
    throw error;
  }
  return demo;
}
