/** Claims about the log: nothing that comes from outside can forge a line or steer the terminal that shows it. */
import { expect, test } from "bun:test";
import { createLog } from "./ports.ts";

const NASTY =
  'x\r\n2026-01-01T00:00:00.000Z info  forged\u001b[31m\u009b2J\u007f\u2028\u202e\u2066 "quoted" back\\slash\u0000';

test.each(["text", "json"] as const)("a value in a %s line stays one value of one line", (format) => {
  const lines: string[] = [];
  const log = createLog({ level: "info", format, write: (line) => lines.push(line), now: () => 0 });
  log.info("request", { model: NASTY, next: 1 });
  expect(lines).toHaveLength(1);
  expect(lines[0]).toEndWith("\n");
  expect(lines[0]!.slice(0, -1)).not.toMatch(/\p{Cc}|\p{Zl}|\p{Zp}|\p{Bidi_Control}/u);
  const written = format === "json" ? lines[0]! : /model=("(?:[^"\\]|\\.)*") next=1/.exec(lines[0]!)![1]!;
  const read: unknown = JSON.parse(written);
  expect(format === "json" ? (read as { model: string }).model : read).toBe(NASTY);
});

test("plain values stay readable, and what is below the level is not written", () => {
  const lines: string[] = [];
  const log = createLog({ level: "warn", format: "text", write: (line) => lines.push(line), now: () => 0 });
  log.info("quiet");
  log.warn("ready", { url: "http://127.0.0.1:2455", none: undefined, empty: "", count: 2 });
  expect(lines).toEqual([
    '1970-01-01T00:00:00.000Z warn  ready url=http://127.0.0.1:2455 empty="" count=2\n',
  ]);
});
