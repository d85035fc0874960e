/** The command line: which commands and flags there are, and how an argument list becomes a command. */
import { parseArgs } from "node:util";
import { SETTINGS } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { nearestWord } from "../core/nearest.ts";

interface Flag {
  type: "string" | "boolean";
  short?: string;
  /** What the value is called in the help; strings only. */
  value?: string;
  doc: string;
}

interface CommandSpec {
  summary: string;
  /** The operands as the help shows them; "" when the command takes none. */
  operands: string;
  flags: Record<string, Flag>;
}

const DATA_DIR: Flag = { type: "string", value: "DIR", doc: SETTINGS.dataDir.names[0] };

/** Flags of every command. */
export const COMMON_FLAGS: Record<string, Flag> = {
  help: { type: "boolean", short: "h", doc: "Show this help." },
  version: { type: "boolean", short: "v", doc: "Show the version." },
};

export const COMMANDS = {
  serve: {
    summary: "Run the service (the default command).",
    operands: "",
    flags: {
      host: { type: "string", value: "ADDRESS", doc: SETTINGS.host.names[0] },
      port: { type: "string", value: "PORT", doc: SETTINGS.port.names[0] },
      "data-dir": DATA_DIR,
    },
  },
  demo: {
    summary: "Show it alive without an account: made-up accounts, two weeks of history, live traffic.",
    operands: "",
    flags: {
      port: { type: "string", value: "PORT", doc: "Listen here. Default: 2455, or the next free one." },
    },
  },
  import: {
    summary: "Import accounts from auth.json files, every *.json of a directory, or standard input (-).",
    operands: "FILE|DIR|- ...",
    flags: {
      json: { type: "boolean", doc: "Print the results as one JSON array." },
      "data-dir": DATA_DIR,
    },
  },
  login: {
    summary: "Add an account by logging in at OpenAI: with a code on any device, or in a browser.",
    operands: "",
    flags: {
      device: { type: "boolean", doc: "With a code to enter on any device (the default)." },
      browser: { type: "boolean", doc: "With a browser on this machine, or its address pasted here." },
      "data-dir": DATA_DIR,
    },
  },
  admin: {
    summary:
      "Get back in: `admin reset-password` sets a new dashboard password and switches the second factor off.",
    operands: "reset-password",
    flags: { "data-dir": DATA_DIR },
  },
  health: {
    summary: "Tell by the exit code whether the service takes requests.",
    operands: "",
    flags: { "data-dir": DATA_DIR },
  },
  service: {
    summary: "Let systemd (as root: of the machine; else of the user) or launchd run codex-lb.",
    operands: "install|uninstall|status",
    flags: {},
  },
} satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof COMMANDS;

export interface CommandLine {
  command: CommandName;
  operands: string[];
  /** String flags that are settings too, by flag name: the `args` of readConfig. */
  settings: Record<string, string>;
  /** Boolean flags that were given. */
  switches: ReadonlySet<string>;
}

/** The code of an error in how the program was called; it ends with exit code 2. */
export const USAGE_ERROR = "usage";

export function usageError(message: string): CodedError {
  return new CodedError(USAGE_ERROR, `${message} See: codex-lb --help`);
}

function commandNamed(name: string): CommandName {
  const names = Object.keys(COMMANDS) as CommandName[];
  const found = names.find((known) => known === name);
  if (found !== undefined) return found;
  const nearest = nearestWord(name, names);
  throw usageError(`There is no command "${name}"${nearest === null ? "." : `; did you mean "${nearest}"?`}`);
}

/**
 * Reads the arguments that follow the program's name. Without a command it is `serve`; `help COMMAND` is `COMMAND --help`.
 * Throws CodedError with code USAGE_ERROR.
 */
export function parseCommandLine(argv: readonly string[]): CommandLine {
  const [first, ...rest] = argv;
  if (first === "help") return parseCommandLine([...rest, "--help"]);
  const hasCommand = first !== undefined && !first.startsWith("-");
  const command = hasCommand ? commandNamed(first) : "serve";
  const spec: CommandSpec = COMMANDS[command];
  const options = { ...COMMON_FLAGS, ...spec.flags };
  const { values, positionals } = parseFlags(hasCommand ? rest : [...argv], options);
  const given = Object.entries(values);
  const switches = new Set(given.filter(([, value]) => value === true).map(([name]) => name));
  if (positionals.length > 0 && spec.operands === "") {
    throw usageError(`"${command}" takes no operand, but was given "${positionals[0]}".`);
  }
  const asksAbout = switches.has("help") || switches.has("version");
  if (positionals.length === 0 && spec.operands !== "" && !asksAbout) {
    throw usageError(`"${command}" needs an operand: ${spec.operands}`);
  }
  const settings = Object.fromEntries(
    given.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
  return { command, operands: positionals, settings, switches };
}

function parseFlags(args: string[], options: Record<string, Flag>) {
  const unknown = args.find(
    (arg) => arg.startsWith("--") && !Object.hasOwn(options, flagName(arg)) && arg !== "--",
  );
  if (unknown !== undefined) {
    const nearest = nearestWord(flagName(unknown), Object.keys(options));
    throw usageError(
      `There is no flag --${flagName(unknown)}${nearest === null ? "." : `; did you mean --${nearest}?`}`,
    );
  }
  try {
    return parseArgs({ args, options, allowPositionals: true });
  } catch (error) {
    throw usageError(`${(error as Error).message.split(". ")[0]}.`);
  }
}

function flagName(arg: string): string {
  return arg.slice(2).split("=")[0]!;
}
