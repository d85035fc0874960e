/** `codex-lb simulator`: the simulator as a process of its own, announced by one JSON line. */
import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { createSimulator } from "./simulator.ts";

const DEFAULT_ACCOUNTS = 3;
/** Tokens are in these files, even if only simulated ones. */
const AUTH_FILE_MODE = 0o600;

export const SIMULATOR_HELP = `codex-lb simulator [--port N] [--host ADDRESS] [--accounts N] [--seed N] [--auth-dir DIR] [--keep-bodies]

Serves a simulated ChatGPT backend and token issuer until it is told to stop. Prints one JSON line when ready:
{"origin":…,"backendBaseUrl":…,"authBaseUrl":…,"accounts":N}. --auth-dir writes auth-1.json … auth-N.json there.
`;

/** Runs until SIGINT or SIGTERM; resolves to the exit code. */
export async function runSimulator(argv: string[]): Promise<number> {
  const { values } = parseArgs({
    args: argv,
    options: {
      port: { type: "string", default: "0" },
      host: { type: "string", default: "127.0.0.1" },
      accounts: { type: "string", default: String(DEFAULT_ACCOUNTS) },
      seed: { type: "string", default: "1" },
      "auth-dir": { type: "string" },
      "keep-bodies": { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) {
    process.stdout.write(SIMULATOR_HELP);
    return 0;
  }
  const count = Number(values.accounts);
  const simulator = createSimulator({
    accounts: Array.from({ length: count }, () => ({})),
    seed: Number(values.seed),
    port: Number(values.port),
    hostname: values.host,
    keepBodies: values["keep-bodies"],
  });
  const stopped = new Promise<void>((resolve) => {
    process.once("SIGINT", resolve);
    process.once("SIGTERM", resolve);
  });
  const urls = await simulator.start();
  const directory = values["auth-dir"];
  if (directory !== undefined) {
    await mkdir(directory, { recursive: true });
    for (let index = 0; index < count; index++) {
      const text = `${JSON.stringify(simulator.issueAuthJson(index), null, 2)}\n`;
      await writeFile(join(directory, `auth-${index + 1}.json`), text, { mode: AUTH_FILE_MODE });
    }
  }
  process.stdout.write(`${JSON.stringify({ ...urls, accounts: count })}\n`);
  await stopped;
  await simulator.stop();
  return 0;
}
