/** The help texts, made from the command table. */
import { PROGRAM, VERSION } from "../version.ts";
import { COMMANDS, COMMON_FLAGS, type CommandName } from "./args.ts";

/** Help for one command, or the overview. */
export function helpText(command: CommandName | null): string {
  return command === null ? overview() : commandHelp(command);
}

function overview(): string {
  const commands = Object.entries(COMMANDS).map(([name, { summary }]): [string, string] => [name, summary]);
  return [
    `${PROGRAM} ${VERSION}: several ChatGPT/Codex accounts behind one endpoint`,
    "",
    `Usage: ${PROGRAM} [COMMAND] [FLAGS]`,
    "",
    "Commands:",
    columns(commands),
    "",
    "Flags:",
    flagLines(COMMON_FLAGS),
    "",
    `Flags of a command: ${PROGRAM} COMMAND --help. Settings come from the environment, .env.local or .env:`,
    "see docs/settings.md or .env.example.",
  ].join("\n");
}

function commandHelp(command: CommandName): string {
  const { summary, operands, flags } = COMMANDS[command];
  const usage = `Usage: ${PROGRAM} ${command} [FLAGS] ${operands}`.trimEnd();
  return [summary, "", usage, "", "Flags:", flagLines({ ...flags, ...COMMON_FLAGS })].join("\n");
}

function flagLines(flags: Record<string, { short?: string; value?: string; doc: string }>): string {
  return columns(
    Object.entries(flags).map(([name, { short, value, doc }]) => [
      `${short === undefined ? "" : `-${short}, `}--${name}${value === undefined ? "" : ` ${value}`}`,
      // A flag that is a setting is documented by the setting's name.
      doc.startsWith("CODEX_LB_") ? `Wins over ${doc}.` : doc,
    ]),
  );
}

function columns(rows: [string, string][]): string {
  const width = Math.max(...rows.map(([left]) => left.length)) + 2;
  return rows.map(([left, right]) => `  ${left.padEnd(width)}${right}`).join("\n");
}
