/** Claims about the suggestion for a mistyped word. */
import { expect, test } from "bun:test";
import { nearestWord } from "./nearest.ts";

const known = ["serve", "import", "CODEX_LB_PORT", "CODEX_LB_HOST"];

test.each([
  ["imprt", "import"],
  ["sreve", "serve"],
  ["server", "serve"],
  ["CODEX_LB_PROT", "CODEX_LB_PORT"],
  ["CODEX_LB_HOSTS", "CODEX_LB_HOST"],
  ["launch", null],
  ["", null],
])("the nearest word to %p is %p", (word, expected) => {
  expect(nearestWord(word, known)).toBe(expected);
});
