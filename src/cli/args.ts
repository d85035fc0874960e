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

export interface CommandSpec {
  summary: string;
  /** The operands as the help shows them; "" when the command takes none, in brackets when it works without. */
  operands: string;
  /** What the first operand may be, for completion. */
  words?: readonly string[];
  flags: Record<string, Flag>;
}

const DATA_DIR: Flag = { type: "string", value: "DIR", doc: SETTINGS.dataDir.names[0] };

const JSON_FLAG: Flag = { type: "boolean", doc: "Print JSON." };
const URL_FLAG: Flag = {
  type: "string",
  value: "URL",
  doc: "A service elsewhere, in place of the one on this data directory; needs CODEX_LB_ADMIN_API_TOKEN.",
};
/** Of commands that work through the admin API. */
const ADMIN_FLAGS = { json: JSON_FLAG, url: URL_FLAG, "data-dir": DATA_DIR };

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
  connect: {
    summary: "Show the config block for a client, or write it into the client's own config, and try it.",
    operands: "codex|opencode|openclaw|claude|openai-sdk|curl",
    words: ["codex", "opencode", "openclaw", "claude", "openai-sdk", "curl"],
    flags: {
      key: { type: "string", value: "KEY", doc: "The API key to use. Default: CODEX_LB_API_KEY." },
      model: { type: "string", value: "MODEL", doc: "Default: gpt-5.5, or the pool's first." },
      write: {
        type: "boolean",
        doc: "Put it into the client's config; what else is there stays, and a backup is kept.",
      },
      undo: { type: "boolean", doc: "Put back what was there before the first --write." },
      ...ADMIN_FLAGS,
    },
  },
  doctor: {
    summary: "Look for what could keep the pool from working, and say how to mend it.",
    operands: "",
    flags: {
      offline: { type: "boolean", doc: "Ask nothing of OpenAI." },
      json: JSON_FLAG,
      "data-dir": DATA_DIR,
    },
  },
  top: {
    summary: "Watch the pool in the terminal: accounts, requests, spend.",
    operands: "",
    flags: { once: { type: "boolean", doc: "Print it once, as plain lines." }, ...ADMIN_FLAGS },
  },
  accounts: {
    summary: "List accounts; show, pause, resume, probe, rename or remove one.",
    operands: "[list | ACTION ACCOUNT ...]",
    words: ["list", "show", "pause", "resume", "probe", "alias", "policy", "remove"],
    flags: ADMIN_FLAGS,
  },
  keys: {
    summary: "List API keys; create, show, change or remove one.",
    operands: "[list | create NAME | ACTION KEY ...]",
    words: ["list", "create", "show", "enable", "disable", "reset", "regenerate", "credit", "remove"],
    flags: {
      limit: {
        type: "string",
        value: "LIMITS",
        doc: "For create: TYPE/WINDOW/AMOUNT[,…], as in cost_usd/weekly/25,total_tokens/5h/2000000.",
      },
      models: { type: "string", value: "MODELS", doc: "For create: only these, separated by commas." },
      accounts: {
        type: "string",
        value: "IDS",
        doc: "For create: only these accounts, separated by commas.",
      },
      expires: { type: "string", value: "TIME", doc: "For create: as in 2027-01-31." },
      ...ADMIN_FLAGS,
    },
  },
  export: {
    summary: "Give an account's auth.json back, on standard output or in a file of its own.",
    operands: "ACCOUNT [FILE]",
    flags: { url: URL_FLAG, "data-dir": DATA_DIR },
  },
  config: {
    summary:
      "Show and change the settings: `config set NAME VALUE`; `config env` shows those of the environment.",
    operands: "[list | env | get NAME | set NAME VALUE]",
    words: ["list", "env", "get", "set"],
    flags: ADMIN_FLAGS,
  },
  backup: {
    summary: "Copy the database while requests run; the encryption key is not in the copy.",
    operands: "[FILE]",
    flags: { list: { type: "boolean", doc: "List the copies in the data directory." }, ...ADMIN_FLAGS },
  },
  restore: {
    summary: "Put a copy in the database's place, after checking it. The service must not run.",
    operands: "FILE",
    flags: { json: JSON_FLAG, "data-dir": DATA_DIR },
  },
  completion: {
    summary: "Print a script that completes commands and flags: `source <(codex-lb completion bash)`.",
    operands: "bash|zsh|fish",
    words: ["bash", "zsh", "fish"],
    flags: {},
  },
  admin: {
    summary:
      "Get back in: `admin reset-password` sets a new dashboard password and switches the second factor off.",
    operands: "reset-password",
    words: ["reset-password"],
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
    words: ["install", "uninstall", "status"],
    flags: {},
  },
} satisfies Record<string, CommandSpec>;

export type CommandName = keyof typeof COMMANDS;

export interface CommandLine {
  command: CommandName;
  operands: string[];
  /** String flags that were given. Those that are settings too count as the `args` of readConfig. */
  options: Record<string, string>;
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
  const flags = { ...COMMON_FLAGS, ...spec.flags };
  const { values, positionals } = parseFlags(hasCommand ? rest : [...argv], flags);
  const given = Object.entries(values);
  const switches = new Set(given.filter(([, value]) => value === true).map(([name]) => name));
  if (positionals.length > 0 && spec.operands === "") {
    throw usageError(`"${command}" takes no operand, but was given "${positionals[0]}".`);
  }
  const asksAbout = switches.has("help") || switches.has("version");
  if (positionals.length === 0 && /^[^[]/.test(spec.operands) && !asksAbout) {
    throw usageError(`"${command}" needs an operand: ${spec.operands}`);
  }
  const options = Object.fromEntries(
    given.filter((entry): entry is [string, string] => typeof entry[1] === "string"),
  );
  return { command, operands: positionals, options: options, switches };
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
