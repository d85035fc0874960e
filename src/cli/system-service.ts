/** `codex-lb service install|uninstall|status`: the program under systemd (machine or user) or launchd. */
import { spawnSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { homedir } from "node:os";
import { basename, dirname, join } from "node:path";
import launchdPlist from "../../packaging/launchd/codex-lb.plist" with { type: "text" };
import systemdUnit from "../../packaging/systemd/codex-lb.service" with { type: "text" };
import systemdUserUnit from "../../packaging/systemd/codex-lb.user.service" with { type: "text" };
import { CodedError } from "../core/errors.ts";
import { USAGE_ERROR } from "./args.ts";

/** What the command needs to know of the machine. */
export interface Machine {
  platform: NodeJS.Platform;
  uid: number;
  homeDir: string;
  /** The running executable. */
  executable: string;
  /** Before every path that is written; "" except in tests. */
  root: string;
  /** Runs a command; `exitCode` null when there is no such command. */
  run(command: string[]): { exitCode: number | null; output: string };
}

export function thisMachine(): Machine {
  return {
    platform: process.platform,
    uid: process.getuid?.() ?? -1,
    homeDir: homedir(),
    executable: process.execPath,
    root: "",
    run(command) {
      const { status, stdout, stderr } = spawnSync(command[0]!, command.slice(1), { encoding: "utf8" });
      return { exitCode: status, output: `${stdout ?? ""}${stderr ?? ""}` };
    },
  };
}

/** Where things go, and how the service manager is told. */
interface Plan {
  manager: string;
  binary: string;
  unitFile: string;
  unit: string;
  start: string[][];
  stop: string[][];
  isActive: string[];
  /** What to know after the installation. */
  notes: string[];
}

const ACTIONS = ["install", "uninstall", "status"] as const;

/** The path that stands in the files under packaging/. */
const PACKAGED_BINARY = "/usr/local/bin/codex-lb";
const PACKAGED_HOME = "/Users/you";

/** Resolves with the exit code: of `status` 0 when it runs, 3 when not (as `systemctl status`). Throws CodedError. */
export function serviceCommand(operands: readonly string[], machine: Machine): number {
  const action = ACTIONS.find((known) => known === operands[0]);
  if (action === undefined || operands.length !== 1) {
    throw new CodedError(USAGE_ERROR, `Expected one of ${ACTIONS.join(", ")}. See: codex-lb service --help`);
  }
  const plan = planFor(machine);
  switch (action) {
    case "install":
      return install(plan, machine);
    case "uninstall":
      return uninstall(plan, machine);
    case "status":
      return status(plan, machine);
  }
}

function planFor(machine: Machine): Plan {
  const { platform, uid, homeDir } = machine;
  if (platform === "linux") return uid === 0 ? systemPlan() : userPlan(homeDir);
  if (platform === "darwin" && uid !== 0) return launchdPlan(homeDir, uid);
  if (platform === "darwin") {
    throw new CodedError("not_as_root", "On macOS this installs a service of one user: run it without sudo.");
  }
  throw new CodedError(
    "no_service_manager",
    "This knows systemd and launchd. On Windows, let the Task Scheduler run `codex-lb.exe serve` at log-on (docs/deployment.md).",
  );
}

function systemPlan(): Plan {
  const systemctl = (...args: string[]) => ["systemctl", ...args];
  return {
    manager: "systemd",
    binary: PACKAGED_BINARY,
    unitFile: "/etc/systemd/system/codex-lb.service",
    unit: systemdUnit,
    start: [systemctl("daemon-reload"), systemctl("enable", "codex-lb"), systemctl("restart", "codex-lb")],
    stop: [systemctl("disable", "--now", "codex-lb")],
    isActive: systemctl("is-active", "codex-lb"),
    notes: [
      "Data: /var/lib/codex-lb. Settings: /etc/codex-lb/codex-lb.env. Log: journalctl -u codex-lb",
      "Other commands find it with --data-dir /var/lib/codex-lb, as root.",
    ],
  };
}

function userPlan(homeDir: string): Plan {
  const systemctl = (...args: string[]) => ["systemctl", "--user", ...args];
  const binary = join(homeDir, ".local/bin/codex-lb");
  return {
    manager: "systemd, for this user",
    binary,
    unitFile: join(homeDir, ".config/systemd/user/codex-lb.service"),
    // systemd takes quotes around a path, and a percent sign for a specifier.
    unit: systemdUserUnit.replace(PACKAGED_BINARY, () => `"${binary.replaceAll("%", "%%")}"`),
    start: [systemctl("daemon-reload"), systemctl("enable", "codex-lb"), systemctl("restart", "codex-lb")],
    stop: [systemctl("disable", "--now", "codex-lb")],
    isActive: systemctl("is-active", "codex-lb"),
    notes: [
      `Data and settings (.env): ${join(homeDir, ".codex-lb")}. Log: journalctl --user -u codex-lb`,
      "It runs while you are logged in; `loginctl enable-linger` lets it run from boot on.",
    ],
  };
}

function launchdPlan(homeDir: string, uid: number): Plan {
  const binary = join(homeDir, ".local/bin/codex-lb");
  const unitFile = join(homeDir, "Library/LaunchAgents/codex-lb.plist");
  const domain = `gui/${uid}`;
  return {
    manager: "launchd",
    binary,
    unitFile,
    unit: launchdPlist
      .replace(PACKAGED_BINARY, () => xmlText(binary))
      .replaceAll(PACKAGED_HOME, () => xmlText(homeDir)),
    start: [["launchctl", "bootstrap", domain, unitFile]],
    stop: [["launchctl", "bootout", `${domain}/codex-lb`]],
    isActive: ["launchctl", "print", `${domain}/codex-lb`],
    notes: [
      `Data and settings (.env): ${join(homeDir, ".codex-lb")}. Log: ~/Library/Logs/codex-lb.log`,
      "It starts when you log in.",
    ],
  };
}

function xmlText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

function install({ manager, binary, unitFile, unit, start, stop, notes }: Plan, machine: Machine): number {
  if (!basename(machine.executable).startsWith("codex-lb")) {
    throw new CodedError(
      "not_an_executable",
      "This runs from source. Build the executable first (`npm run build`), then run `dist/codex-lb service install`.",
    );
  }
  const { root, executable } = machine;
  copyProgram(executable, root + binary);
  mkdirSync(dirname(root + unitFile), { recursive: true });
  writeFileSync(root + unitFile, unit, { mode: 0o644 });
  if (machine.platform === "darwin") {
    // launchd changes into the data directory before the program can make it, and does not load a plist twice.
    mkdirSync(`${root}${machine.homeDir}/.codex-lb`, { recursive: true, mode: 0o700 });
    for (const command of stop) machine.run(command);
  }
  for (const command of start) mustRun(command, machine);
  say([
    `Installed as a service of ${manager}, and started.`,
    `Program: ${binary}. Unit: ${unitFile}`,
    ...notes,
  ]);
  return 0;
}

/** By renaming: the file of a running program cannot be written to. */
function copyProgram(from: string, to: string): void {
  if (from === to) return;
  mkdirSync(dirname(to), { recursive: true });
  copyFileSync(from, `${to}.new`);
  chmodSync(`${to}.new`, 0o755);
  renameSync(`${to}.new`, to);
}

function uninstall({ unitFile, stop, start, binary, isActive }: Plan, machine: Machine): number {
  if (!existsSync(machine.root + unitFile)) {
    throw new CodedError("not_installed", `There is no ${unitFile}: nothing to uninstall.`);
  }
  // One that does not run may be unknown to the manager, and is removed all the same.
  if (machine.run(isActive).exitCode === 0) for (const command of stop) mustRun(command, machine);
  else for (const command of stop) machine.run(command);
  rmSync(machine.root + unitFile);
  if (machine.platform === "linux") mustRun(start[0]!, machine); // daemon-reload
  say([`The service is stopped and removed. The program (${binary}) and the data stay.`]);
  return 0;
}

function status({ unitFile, isActive, manager }: Plan, machine: Machine): number {
  const installed = existsSync(machine.root + unitFile);
  const active = installed && machine.run(isActive).exitCode === 0;
  say([
    installed
      ? `${unitFile} (${manager}): ${active ? "running" : "not running"}`
      : "not installed as a service",
  ]);
  return active ? 0 : 3;
}

function mustRun(command: string[], machine: Machine): void {
  const { exitCode, output } = machine.run(command);
  if (exitCode === 0) return;
  const why = exitCode === null ? `there is no ${command[0]} here` : output.trim();
  throw new CodedError("service_manager_failed", `\`${command.join(" ")}\` failed: ${why}`);
}

function say(lines: string[]): void {
  process.stdout.write(`${lines.join("\n")}\n`);
}
