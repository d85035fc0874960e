/** Claims about `codex-lb service`: what it writes and runs, on a root directory of its own and a recorded service manager. */
import { afterEach, describe, expect, test } from "bun:test";
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Machine, serviceCommand } from "./system-service.ts";

const made: string[] = [];
afterEach(() => {
  for (const path of made.splice(0)) rmSync(path, { recursive: true, force: true });
});

interface Trial {
  root: string;
  ran: string[];
  machine: Machine;
}

/** `fails`: the commands, by a part of their text, that end with exit code 1. */
function trial(options: Partial<Machine> & { fails?: string[] } = {}): Trial {
  const root = mkdtempSync(join(tmpdir(), "codex-lb-service-"));
  made.push(root);
  const executable = join(root, "codex-lb-download");
  writeFileSync(executable, "program");
  const ran: string[] = [];
  const { fails = [], ...rest } = options;
  const machine: Machine = {
    platform: "linux",
    uid: 0,
    homeDir: "/home/ann",
    executable,
    root,
    run(command) {
      const line = command.join(" ");
      ran.push(line);
      const failed = fails.some((part) => line.includes(part));
      return { exitCode: failed ? 1 : 0, output: failed ? "no such unit" : "" };
    },
    ...rest,
  };
  return { root, ran, machine };
}

const read = (path: string) => readFileSync(path, "utf8");

const CASES: [string, Partial<Machine>, { program: string; unit: string; start: string[] }][] = [
  [
    "root on Linux: the machine's systemd",
    {},
    {
      program: "/usr/local/bin/codex-lb",
      unit: "/etc/systemd/system/codex-lb.service",
      start: ["systemctl daemon-reload", "systemctl enable codex-lb", "systemctl restart codex-lb"],
    },
  ],
  [
    "a user on Linux: that user's systemd",
    { uid: 1000 },
    {
      program: "/home/ann/.local/bin/codex-lb",
      unit: "/home/ann/.config/systemd/user/codex-lb.service",
      start: [
        "systemctl --user daemon-reload",
        "systemctl --user enable codex-lb",
        "systemctl --user restart codex-lb",
      ],
    },
  ],
  [
    "a user on macOS: launchd",
    { platform: "darwin", uid: 501, homeDir: "/Users/ann & co" },
    {
      program: "/Users/ann & co/.local/bin/codex-lb",
      unit: "/Users/ann & co/Library/LaunchAgents/codex-lb.plist",
      start: [
        "launchctl bootout gui/501/codex-lb",
        "launchctl bootstrap gui/501 /Users/ann & co/Library/LaunchAgents/codex-lb.plist",
      ],
    },
  ],
];

describe.each(CASES)("%s", (_title, options, { program, unit, start }) => {
  test("install copies the program, writes the unit that runs it, and starts it", () => {
    const { root, ran, machine } = trial(options);
    expect(serviceCommand(["install"], machine)).toBe(0);
    expect(read(root + program)).toBe("program");
    expect(statSync(root + program).mode & 0o777).toBe(0o755);
    expect(read(root + unit)).toContain(program.replace("&", "&amp;"));
    expect(read(root + unit)).not.toContain("/Users/you");
    expect(ran).toEqual(start);
  });

  test("installing again replaces a program that runs", () => {
    const { root, machine } = trial(options);
    serviceCommand(["install"], machine);
    writeFileSync(machine.executable, "newer");
    expect(serviceCommand(["install"], machine)).toBe(0);
    expect(read(root + program)).toBe("newer");
    expect(existsSync(`${root}${program}.new`)).toBe(false);
  });

  test("uninstall stops it and removes the unit, not the program", () => {
    const { root, ran, machine } = trial(options);
    serviceCommand(["install"], machine);
    ran.length = 0;
    expect(serviceCommand(["uninstall"], machine)).toBe(0);
    expect(existsSync(root + unit)).toBe(false);
    expect(existsSync(root + program)).toBe(true);
    expect(ran.some((line) => /disable --now|bootout/.test(line))).toBe(true);
    expect(() => serviceCommand(["uninstall"], machine)).toThrow("nothing to uninstall");
  });

  test("status is 0 when it runs, and 3 when it does not or is not installed", () => {
    const { machine } = trial(options);
    expect(serviceCommand(["status"], machine)).toBe(3);
    serviceCommand(["install"], machine);
    expect(serviceCommand(["status"], machine)).toBe(0);
    const broken: Machine = { ...machine, run: () => ({ exitCode: 1, output: "" }) };
    expect(serviceCommand(["status"], broken)).toBe(3);
  });
});

test("what the service manager says is passed on", () => {
  const { machine } = trial({ fails: ["enable"] });
  expect(() => serviceCommand(["install"], machine)).toThrow(
    "`systemctl enable codex-lb` failed: no such unit",
  );
  const without: Machine = { ...machine, run: () => ({ exitCode: null, output: "" }) };
  expect(() => serviceCommand(["install"], without)).toThrow("there is no systemctl here");
});

test.each<[string, string[], Partial<Machine>, string]>([
  ["Windows is told its own way", ["install"], { platform: "win32" }, "Task Scheduler"],
  ["root on macOS is refused", ["install"], { platform: "darwin" }, "without sudo"],
  ["from source there is nothing to install", ["install"], { executable: "/usr/bin/bun" }, "npm run build"],
  ["an unknown action is named", ["start"], {}, "Expected one of install, uninstall, status"],
])("%s", (_title, operands, options, message) => {
  expect(() => serviceCommand(operands, trial(options).machine)).toThrow(message);
});

test.skipIf(Bun.which("systemd-analyze") === null)("systemd finds nothing wrong with either unit", () => {
  for (const [uid, scope] of [
    [0, "--system"],
    [1000, "--user"],
  ] as const) {
    const { root, machine } = trial({ uid });
    serviceCommand(["install"], machine);
    const path = uid === 0 ? "/etc/systemd/system" : "/home/ann/.config/systemd/user";
    const program = uid === 0 ? "/usr/local/bin/codex-lb" : `"/home/ann/.local/bin/codex-lb"`;
    const unit = join(root, "codex-lb.service");
    // It looks for the program on this machine.
    writeFileSync(unit, read(join(root, path, "codex-lb.service")).replace(program, "/bin/true"));
    const { exitCode, stderr } = Bun.spawnSync(["systemd-analyze", scope, "verify", unit], {
      env: { ...process.env, XDG_RUNTIME_DIR: root },
    });
    expect(stderr.toString()).toBe("");
    expect(exitCode).toBe(0);
  }
});
