/**
 * `npm test`: the checks, the unit tests, then the tests of the executable. The last line is `N passed, N failed`; the exit
 * code is 0 only when something ran and nothing failed.
 */
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

interface Suite {
  title: string;
  paths: string[];
  /** For one test. */
  timeoutMs: number;
  /** For all of them: a suite that hangs is a failure, not a wait. */
  limitMs: number;
}

const MINUTE_MS = 60_000;

const UNIT: Suite = {
  title: "unit tests",
  paths: ["./src/", "./scripts/", "./frontend/src/"],
  timeoutMs: 20_000,
  limitMs: 10 * MINUTE_MS,
};

/** Real clients, browsers and processes. */
const END_TO_END: Suite = {
  title: "tests of the executable",
  paths: ["./tests/"],
  timeoutMs: 2 * MINUTE_MS,
  limitMs: 40 * MINUTE_MS,
};

const root = join(import.meta.dir, "..");
/** What the tests leave behind goes with it, also when one was killed. */
const scratch = mkdtempSync(join(tmpdir(), "codex-lb-test-"));
const total = { passed: 0, failed: 0 };

function step(title: string, args: string[], limitMs: number): boolean {
  console.log(`\n== ${title}`);
  const { exitCode } = Bun.spawnSync([process.execPath, ...args], {
    cwd: root,
    env: { ...process.env, TMPDIR: scratch },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: limitMs,
    killSignal: "SIGKILL",
  });
  return exitCode === 0;
}

/** Counts from the report that bun writes; a run that ends badly without a failed test counts as one failure. */
function runSuite({ title, paths, timeoutMs, limitMs }: Suite): void {
  const report = join(scratch, "report.xml");
  const reporting = ["--reporter=junit", `--reporter-outfile=${report}`];
  const succeeded = step(title, ["test", `--timeout=${timeoutMs}`, ...reporting, ...paths], limitMs);
  const { tests, failures, skipped } = readReport(report);
  rmSync(report, { force: true });
  total.passed += tests - failures - skipped;
  total.failed += succeeded ? failures : Math.max(1, failures);
  if (skipped > 0) console.log(`${title}: ${skipped} skipped`);
}

function readReport(path: string): { tests: number; failures: number; skipped: number } {
  let head = "";
  try {
    head = /<testsuites [^>]*>/.exec(readFileSync(path, "utf8"))?.[0] ?? "";
  } catch {
    // No report: the run died before its end.
  }
  const count = (name: string) => Number(new RegExp(` ${name}="(\\d+)"`).exec(head)?.[1] ?? 0);
  return { tests: count("tests"), failures: count("failures"), skipped: count("skipped") };
}

if (!step("checks", ["scripts/check.ts"], 5 * MINUTE_MS)) total.failed += 1;
runSuite(UNIT);
if (!step("build", ["scripts/build.ts", "--if-changed"], 5 * MINUTE_MS)) total.failed += 1;
if (!step("size of the dashboard", ["frontend/check-size.ts"], MINUTE_MS)) total.failed += 1;
runSuite(END_TO_END);

rmSync(scratch, { recursive: true, force: true });
console.log(`\n${total.passed} passed, ${total.failed} failed`);
process.exit(total.failed === 0 && total.passed > 0 ? 0 : 1);
