/** Claims about comparing versions of Bun. */
import { expect, test } from "bun:test";
import { isAtLeast, MINIMUM_BUN } from "./version.ts";

test.each([
  ["1.4.4", "1.4.4", true],
  ["1.4.10", "1.4.4", true],
  ["1.5.0-canary.20261101", "1.4.4", true],
  ["2.0.0", "1.4.4", true],
  ["1.4.3", "1.4.4", false],
  ["1.3.99", "1.4.4", false],
  ["0.9.9", "1.4.4", false],
])("Bun %s satisfies %s: %p", (running, minimum, expected) => {
  expect(isAtLeast(running, minimum)).toBe(expected);
});

test("the Bun that runs these tests is the one that package.json pins", () => {
  expect(Bun.version).toBe(MINIMUM_BUN);
});
