/**
 * The npm packages: `codex-lb`, a launcher of a few lines, and one optional package for each platform that holds the
 * executable. npm installs the one whose `os`, `cpu` and `libc` fit.
 */
import { chmodSync, copyFileSync, cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { ROOT } from "./compile.ts";
import { run, type Target, TARGETS } from "./targets.ts";

/** What stands in a package.json. */
export type Manifest = { name: string; version: string } & Record<string, unknown>;

const { version, license } = packageJson;
const DESCRIPTION = "Several ChatGPT/Codex accounts behind one endpoint";

export function platformPackageName({ name }: Target): string {
  return `@codex-lb/${name}`;
}

export function mainManifest(): Manifest {
  return {
    name: "codex-lb",
    version,
    description: DESCRIPTION,
    license,
    type: "module",
    bin: { "codex-lb": "codex-lb.js" },
    engines: { node: ">=20" },
    files: ["codex-lb.js", "README.md", "LICENSE"],
    optionalDependencies: Object.fromEntries(TARGETS.map((target) => [platformPackageName(target), version])),
  };
}

export function platformManifest(target: Target): Manifest {
  return {
    name: platformPackageName(target),
    version,
    description: `${DESCRIPTION}: the executable for ${target.name}`,
    license,
    os: [target.os],
    cpu: [target.cpu],
    ...(target.os === "linux" && { libc: [target.libc] }),
    files: [binaryName(target), "LICENSE"],
  };
}

export function binaryName({ os }: Target): string {
  return os === "win32" ? "codex-lb.exe" : "codex-lb";
}

/** Packs `codex-lb` and the platforms for which there is an executable; the tarballs' paths, by package name. */
export function packAll(directory: string, executables: ReadonlyMap<string, string>): Map<string, string> {
  rmSync(directory, { recursive: true, force: true });
  const packed = new Map<string, string>();
  for (const target of TARGETS) {
    const executable = executables.get(target.name);
    if (executable === undefined) continue;
    const folder = startPackage(directory, target.name, platformManifest(target));
    copyFileSync(executable, join(folder, binaryName(target)));
    chmodSync(join(folder, binaryName(target)), 0o755);
    packed.set(platformPackageName(target), pack(directory, folder));
  }
  const folder = startPackage(directory, "codex-lb", mainManifest());
  copyFileSync(join(ROOT, "packaging", "npm", "codex-lb.js"), join(folder, "codex-lb.js"));
  cpSync(join(ROOT, "README.md"), join(folder, "README.md"));
  packed.set("codex-lb", pack(directory, folder));
  return packed;
}

function startPackage(directory: string, name: string, manifest: Manifest): string {
  const folder = join(directory, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
  copyFileSync(join(ROOT, "LICENSE"), join(folder, "LICENSE"));
  return folder;
}

/** Leaves the tarball alone: the folder holds a second copy of the executable. */
function pack(directory: string, folder: string): string {
  const { stdout } = run(["npm", "pack", "--silent", "--pack-destination", directory], folder);
  rmSync(folder, { recursive: true });
  return join(directory, stdout.trim());
}
