/** `codex-lb completion`: scripts for shells, made from the command table. */
import { PROGRAM } from "../version.ts";
import { COMMANDS, COMMON_FLAGS, type CommandSpec, usageError } from "./args.ts";

const SHELLS: Record<string, () => string> = { bash, zsh, fish };

/** Resolves with the exit code. */
export function completionCommand(operands: readonly string[]): number {
  const [shell, ...rest] = operands;
  const script = shell !== undefined && Object.hasOwn(SHELLS, shell) ? SHELLS[shell] : undefined;
  if (script === undefined || rest.length > 0)
    throw usageError(`"completion" takes one of: ${Object.keys(SHELLS).join(", ")}.`);
  process.stdout.write(script());
  return 0;
}

const commands = () => Object.entries(COMMANDS) as [string, CommandSpec][];
const names = () => commands().map(([name]) => name);
const flagsOf = ({ flags }: CommandSpec) =>
  Object.keys({ ...flags, ...COMMON_FLAGS }).map((name) => `--${name}`);
const FILES = new Set(["import", "restore", "backup"]);

function bash(): string {
  return `_codex_lb() {
  local word=\${COMP_WORDS[COMP_CWORD]} command=\${COMP_WORDS[1]}
  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W "${names().join(" ")}" -- "$word")); return; fi
  case "$command" in
${commands()
  .map(([name, spec]) => `    ${name}) ${bashChoice(name, spec)} ;;`)
  .join("\n")}
  esac
}
complete -o default -F _codex_lb ${PROGRAM}
`;
}

function bashChoice(name: string, spec: CommandSpec): string {
  const flags = `COMPREPLY=($(compgen -W "${flagsOf(spec).join(" ")}" -- "$word"))`;
  if (FILES.has(name)) return `case "$word" in -*) ${flags} ;; esac`;
  return `COMPREPLY=($(compgen -W "${[...(spec.words ?? []), ...flagsOf(spec)].join(" ")}" -- "$word"))`;
}

function zsh(): string {
  return `#compdef ${PROGRAM}
_codex_lb() {
  if (( CURRENT == 2 )); then
    local -a commands=(
${commands()
  .map(([name, { summary }]) => `      ${quoted(`${name}:${summary}`)}`)
  .join("\n")}
    )
    _describe command commands
    return
  fi
  case $words[2] in
${commands()
  .map(([name, spec]) => {
    const words = [...(spec.words ?? []), ...flagsOf(spec)].join(" ");
    return `    ${name}) compadd -- ${words}${FILES.has(name) ? "; _files" : ""} ;;`;
  })
  .join("\n")}
  esac
}
compdef _codex_lb ${PROGRAM}
`;
}

function fish(): string {
  const lines = [`complete -c ${PROGRAM} -f`];
  for (const [name, spec] of commands()) {
    const inCommand = `-n ${quoted(`__fish_seen_subcommand_from ${name}`)}`;
    lines.push(`complete -c ${PROGRAM} -n __fish_use_subcommand -a ${name} -d ${quoted(spec.summary)}`);
    if (spec.words) lines.push(`complete -c ${PROGRAM} ${inCommand} -a ${quoted(spec.words.join(" "))}`);
    if (FILES.has(name)) lines.push(`complete -c ${PROGRAM} ${inCommand} -F`);
    for (const [flag, { type, doc }] of Object.entries({ ...spec.flags, ...COMMON_FLAGS })) {
      lines.push(
        `complete -c ${PROGRAM} ${inCommand} -l ${flag}${type === "string" ? " -r" : ""} -d ${quoted(doc)}`,
      );
    }
  }
  return `${lines.join("\n")}\n`;
}

/** In single quotes, as all three shells read them. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}
