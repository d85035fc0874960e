/** Claims about shell completion: the scripts are sound, and bash offers what there is. */
import { expect, test } from "bun:test";
import { join } from "node:path";
import { COMMANDS } from "./args.ts";

const script = (shell: string) =>
  Bun.spawnSync([
    process.execPath,
    "-e",
    `process.argv[2]; (await import(${JSON.stringify(join(import.meta.dir, "completion.ts"))})).completionCommand(["${shell}"])`,
  ]).stdout.toString();

function complete(...words: string[]): string[] {
  const line = words.map((word) => `'${word}'`).join(" ");
  const source = `${script("bash")}\nCOMP_WORDS=(codex-lb ${line}); COMP_CWORD=${words.length}; _codex_lb; printf '%s\\n' "\${COMPREPLY[@]}"`;
  return Bun.spawnSync(["bash", "-c", source]).stdout.toString().split("\n").filter(Boolean);
}

test("bash completes commands, what they do, and their flags", () => {
  expect(complete("").toSorted()).toEqual(Object.keys(COMMANDS).toSorted());
  expect(complete("accounts", "pa")).toEqual(["pause"]);
  expect(complete("connect", "--w")).toEqual(["--write"]);
  expect(complete("import", "x")).toEqual([]);
});

test.each(["zsh", "fish"])("%s knows every command and flag", (shell) => {
  const text = script(shell);
  for (const [name, { flags }] of Object.entries(COMMANDS)) {
    expect(text).toContain(name);
    for (const flag of Object.keys(flags))
      expect(text).toContain(shell === "fish" ? `-l ${flag}` : `--${flag}`);
  }
});
