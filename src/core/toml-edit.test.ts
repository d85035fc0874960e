/** Claims about editing TOML: what was asked for changes, and no other byte. */
import { describe, expect, test } from "bun:test";
import { removeTomlKey, replaceTomlTable, setTomlKeys } from "./toml-edit.ts";

const CASES: [claim: string, before: string, edit: (text: string) => string, after: string][] = [
  ["an empty file gets the key", "", (text) => setTomlKeys(text, [], { model: '"m"' }), 'model = "m"\n'],
  [
    "a key is replaced where it stands",
    '# mine\nmodel = "old" # why\nother = 1\n\n[a]\nmodel = "not this"\n',
    (text) => setTomlKeys(text, [], { model: '"new"' }),
    '# mine\nmodel = "new"\nother = 1\n\n[a]\nmodel = "not this"\n',
  ],
  [
    "a new root key comes behind the others, not into the last table",
    "x = 1\n\n[a]\ny = 2\n",
    (text) => setTomlKeys(text, [], { z: "3" }),
    "x = 1\nz = 3\n\n[a]\ny = 2\n",
  ],
  [
    "a root key comes before the first table of a file that has none",
    "# top\n\n[a]\ny = 2\n",
    (text) => setTomlKeys(text, [], { z: "3" }),
    "# top\n\nz = 3\n\n[a]\ny = 2\n",
  ],
  [
    "a key goes into a table that is there",
    "[features]\nweb = true\n\n[b]\n",
    (text) => setTomlKeys(text, ["features"], { web: "false", apps: "false" }),
    "[features]\nweb = false\napps = false\n\n[b]\n",
  ],
  [
    "a missing table is appended",
    "[b]\nq = 1",
    (text) => setTomlKeys(text, ["features"], { apps: "false" }),
    "[b]\nq = 1\n\n[features]\napps = false\n",
  ],
  [
    "a value over several lines is replaced whole",
    'list = [ # [\n  "a=]", # ]\n  "b",\n]\ntext = """\n[not a table]\nmodel = 1\n"""\nmodel = 1\n',
    (text) => setTomlKeys(text, [], { list: "[]", model: "2" }),
    'list = []\ntext = """\n[not a table]\nmodel = 1\n"""\nmodel = 2\n',
  ],
  [
    "a table is replaced with what is below it, and comments of the next one stay",
    '[p."x-y"]\na = 1\n[p.x-y.sub]\nb = 2\n\n# of q\n[q]\nc = 3\n',
    (text) => replaceTomlTable(text, ["p", "x-y"], { n: "9" }),
    "[p.x-y]\nn = 9\n\n# of q\n[q]\nc = 3\n",
  ],
  [
    "a table with a longer name of the same beginning is another one",
    "[p.xy]\na = 1\n",
    (text) => replaceTomlTable(text, ["p", "x"], { n: "9" }),
    "[p.xy]\na = 1\n\n[p.x]\nn = 9\n",
  ],
  [
    "Windows line ends stay",
    "x = 1\r\n\r\n[a]\r\n",
    (text) => setTomlKeys(text, [], { x: "2", y: "3" }),
    "x = 2\r\ny = 3\r\n\r\n[a]\r\n",
  ],
  [
    "a root key is removed",
    "a = 1\nb = 2\n[t]\nb = 3\n",
    (text) => removeTomlKey(text, "b"),
    "a = 1\n[t]\nb = 3\n",
  ],
];

describe("editing", () => {
  test.each(CASES)("%s", (_claim, before, edit, after) => {
    expect(edit(before)).toBe(after);
    expect(edit(after)).toBe(after);
  });
});
