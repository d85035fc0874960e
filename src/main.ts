/** The process edge: command line, settings, exit codes. Each command is loaded only when it is the one asked for. */
import { homedir } from "node:os";
import { join } from "node:path";
import { type CommandLine, parseCommandLine, USAGE_ERROR } from "./cli/args.ts";
import { helpText } from "./cli/help.ts";
import type { AdminApi } from "./cli/service.ts";
import { giveToOwner } from "./cli/ownership.ts";
import { readConfig } from "./config.ts";
import { CodedError } from "./core/errors.ts";
import { createLog, type Ports, systemClock, systemRandom } from "./ports.ts";
import { isAtLeast, MINIMUM_BUN, PROGRAM, VERSION } from "./version.ts";

/** Exit codes: what was expected to go wrong, how the program was called, and a defect (EX_SOFTWARE of sysexits.h). */
const EXIT_EXPECTED = 1;
const EXIT_USAGE = 2;
const EXIT_DEFECT = 70;

async function main(argv: string[]): Promise<number> {
  if (!isAtLeast(Bun.version, MINIMUM_BUN)) {
    throw new CodedError(
      "bun_too_old",
      `This is Bun ${Bun.version}; ${PROGRAM} needs ${MINIMUM_BUN} or newer. Use \`npm start\`, which brings its own.`,
    );
  }
  const commandLine = parseCommandLine(argv);
  if (commandLine.switches.has("version")) {
    process.stdout.write(`${VERSION}\n`);
    return 0;
  }
  if (commandLine.switches.has("help")) {
    const wantsOverview = argv[0] === "help" ? argv.length === 1 : argv[0]?.startsWith("-");
    process.stdout.write(`${helpText(wantsOverview ? null : commandLine.command)}\n`);
    return 0;
  }
  return run(commandLine);
}

async function run({ command, operands, options, switches }: CommandLine): Promise<number> {
  const { config, warnings } = readConfig({
    env: process.env,
    cwd: process.cwd(),
    homeDir: homeDirectory(),
    args: options,
  });
  const log = createLog({
    level: config.logLevel,
    format: config.logFormat,
    write: (line) => process.stderr.write(line),
  });
  for (const warning of warnings) log.warn(warning);
  process.on("exit", () => giveToOwner(config.dataDir));
  const ports: Ports = { clock: systemClock, random: systemRandom, log, fetch };
  const json = switches.has("json");
  const url = options.url ?? null;
  const machine = { env: process.env, homeDir: homeDirectory() };
  const input = { operands, options, json, nowMs: systemClock.now() };
  async function withAdminApi(use: (api: AdminApi) => Promise<number>): Promise<number> {
    const { openAdminApi } = await import("./cli/service.ts");
    const api = await openAdminApi(config, ports, { url });
    try {
      return await use(api);
    } finally {
      await api.close();
    }
  }
  switch (command) {
    case "serve": {
      const [{ serve }, { createRuntime }] = await Promise.all([
        import("./cli/serve.ts"),
        import("./runtime.ts"),
      ]);
      return serve(await createRuntime(config, ports), { config, log, loginFile: codexLoginFile() });
    }
    case "demo": {
      const { demoCommand } = await import("./cli/demo.ts");
      return demoCommand({ port: options.port === undefined ? null : config.port }, ports);
    }
    case "import": {
      const { importCommand } = await import("./cli/import.ts");
      return importCommand({ sources: operands, json }, config, ports);
    }
    case "connect": {
      const { connectCommand } = await import("./cli/connect.ts");
      const wish = { operands, key: options.key ?? null, model: options.model ?? null, url, json };
      const how = { write: switches.has("write"), undo: switches.has("undo") };
      return connectCommand({ ...wish, ...how }, machine, config, ports);
    }
    case "doctor": {
      const { doctorCommand } = await import("./cli/doctor.ts");
      return doctorCommand({ json, offline: switches.has("offline") }, machine, config, ports);
    }
    case "top": {
      const { topCommand } = await import("./cli/top.ts");
      const colour = !process.env.NO_COLOR;
      return topCommand({ once: switches.has("once"), json, url, colour }, config, ports);
    }
    case "accounts": {
      const { accountsCommand } = await import("./cli/accounts.ts");
      return withAdminApi((api) => accountsCommand(api, input));
    }
    case "export": {
      const { exportCommand } = await import("./cli/accounts.ts");
      return withAdminApi((api) => exportCommand(api, input));
    }
    case "keys": {
      const { keysCommand } = await import("./cli/keys.ts");
      return withAdminApi((api) => keysCommand(api, input));
    }
    case "config": {
      const { configCommand } = await import("./cli/config-command.ts");
      return withAdminApi((api) => configCommand(api, config, input));
    }
    case "backup": {
      const { backupCommand, listBackups } = await import("./cli/backup.ts");
      if (switches.has("list")) return listBackups(config, { json });
      return withAdminApi((api) => backupCommand(api, config, { operands, json }));
    }
    case "restore": {
      const { restoreCommand } = await import("./cli/backup.ts");
      return restoreCommand(config, input);
    }
    case "completion": {
      const { completionCommand } = await import("./cli/completion.ts");
      return completionCommand(operands);
    }
    case "login": {
      const { loginCommand } = await import("./cli/login.ts");
      const method = switches.has("browser") ? "browser" : switches.has("device") ? "device" : null;
      return loginCommand(method, config, ports);
    }
    case "admin": {
      const { adminCommand } = await import("./cli/admin.ts");
      return adminCommand(operands, config, ports);
    }
    case "health": {
      const { healthCommand } = await import("./cli/health.ts");
      return healthCommand(config, ports.fetch);
    }
    case "service": {
      const { serviceCommand, thisMachine } = await import("./cli/system-service.ts");
      return serviceCommand(operands, thisMachine());
    }
  }
}

/** Where Codex keeps its login on this machine. */
function codexLoginFile(): string {
  return join(process.env.CODEX_HOME || join(homeDirectory(), ".codex"), "auth.json");
}

/** Users without an entry (of a container, or made by systemd for a while) have none: for them it is the root directory. */
function homeDirectory(): string {
  try {
    return homedir();
  } catch {
    return "/";
  }
}

/** Tells the person what went wrong; a defect with its stack, anything expected in one line. */
function report(error: unknown): number {
  if (error instanceof CodedError) {
    process.stderr.write(`${PROGRAM}: ${error.message}\n`);
    return error.code === USAGE_ERROR ? EXIT_USAGE : EXIT_EXPECTED;
  }
  const stack = error instanceof Error ? error.stack : String(error);
  process.stderr.write(
    `${PROGRAM}: this is a defect in ${PROGRAM} ${VERSION}, please report it.\n${stack}\n`,
  );
  return EXIT_DEFECT;
}

/** Writing to a pipe that nobody reads must not keep the process from ending. */
const FLUSH_LIMIT_MS = 1_000;

/** Ends the process once what it has said is written: `process.exit` alone drops lines that still wait for a pipe. */
async function exit(code: number): Promise<never> {
  const flushed = [process.stdout, process.stderr].map(
    (stream) => new Promise<void>((resolve) => void stream.end(() => resolve())),
  );
  await Promise.race([Promise.all(flushed), Bun.sleep(FLUSH_LIMIT_MS)]);
  process.exit(code);
}

if (import.meta.main) {
  // An error nobody waited for leaves the program in an unknown state: end it, and let what supervises it start afresh.
  process.on("uncaughtException", (error) => void exit(report(error)));
  process.on("unhandledRejection", (error) => void exit(report(error)));
  main(process.argv.slice(2)).then(
    (code) => exit(code),
    (error: unknown) => exit(report(error)),
  );
}
