/** Claims about the command line: what each argument list means, and what is refused with which hint. */
import { expect, test } from "bun:test";
import { CodedError } from "../core/errors.ts";
import { COMMANDS, type CommandName, parseCommandLine, USAGE_ERROR } from "./args.ts";
import { helpText } from "./help.ts";

test.each([
  [[], { command: "serve", operands: [], options: {}, switches: [] }],
  [["serve"], { command: "serve", operands: [], options: {}, switches: [] }],
  [["--port", "0"], { command: "serve", operands: [], options: { port: "0" }, switches: [] }],
  [
    ["serve", "--host=::1", "--data-dir", "x"],
    { command: "serve", operands: [], options: { host: "::1", "data-dir": "x" }, switches: [] },
  ],
  [["-h"], { command: "serve", operands: [], options: {}, switches: ["help"] }],
  [["--version"], { command: "serve", operands: [], options: {}, switches: ["version"] }],
  [["help", "import"], { command: "import", operands: [], options: {}, switches: ["help"] }],
  [
    ["import", "a.json", "-", "--json"],
    { command: "import", operands: ["a.json", "-"], options: {}, switches: ["json"] },
  ],
  [["import", "--", "-odd.json"], { command: "import", operands: ["-odd.json"], options: {}, switches: [] }],
])("%p is understood", (argv, expected) => {
  const { switches, ...rest } = parseCommandLine(argv);
  expect({ ...rest, switches: [...switches] }).toEqual(expected as never);
});

test.each([
  [["imprt"], `There is no command "imprt"; did you mean "import"?`],
  [["conquer"], `There is no command "conquer".`],
  [["--prot", "1"], "There is no flag --prot; did you mean --port?"],
  [["serve", "--json"], "There is no flag --json."],
  [["serve", "extra"], `"serve" takes no operand, but was given "extra".`],
  [["import"], `"import" needs an operand: FILE|DIR|- ...`],
  [["import", "--json"], `"import" needs an operand: FILE|DIR|- ...`],
  [["--port"], "Option '--port <value>' argument missing."],
])("%p is refused: %s", (argv, message) => {
  let refused: unknown;
  try {
    parseCommandLine(argv);
  } catch (error) {
    refused = error;
  }
  expect(refused).toBeInstanceOf(CodedError);
  expect((refused as CodedError).code).toBe(USAGE_ERROR);
  expect((refused as CodedError).message).toBe(`${message} See: codex-lb --help`);
});

test("the overview names every command, and each command's help every flag of it", () => {
  for (const [name, { flags }] of Object.entries(COMMANDS)) {
    expect(helpText(null)).toContain(`  ${name}`);
    for (const flag of Object.keys(flags)) expect(helpText(name as CommandName)).toContain(`--${flag}`);
  }
});
