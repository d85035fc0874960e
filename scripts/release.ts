/**
 * `npm run release`: executables for every platform, a bill of materials and SHA-256 sums in `dist/release`, and the npm
 * packages in `dist/npm`; from one machine. Arguments name the targets to build (`linux-x64`); without any it is all.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import lock from "../package-lock.json" with { type: "json" };
import { buildDashboard, compile, ROOT } from "./compile.ts";
import { packAll } from "./npm-packages.ts";
import { billOfMaterials } from "./sbom.ts";
import { run, type Target, TARGETS } from "./targets.ts";

export const RELEASE_DIRECTORY = join(ROOT, "dist", "release");

/** Where the Buns of other platforms are kept between builds. */
const CACHE = join(ROOT, "node_modules", ".cache", "bun");

/** Other than Windows's, as they come from a download: without an extension. */
export function executableName({ name, os }: Target): string {
  return `codex-lb-${packageJson.version}-${name}${os === "win32" ? ".exe" : ""}`;
}

/** Builds one target into `directory`; resolves with the path of the executable. */
export async function buildTarget(built: Target, directory: string): Promise<string> {
  const path = join(directory, executableName(built));
  compile(path, built.libc, { target: built.bunTarget, executable: await fetchBun(built) });
  return path;
}

/**
 * That platform's Bun, in the version and with the checksum of the lock file. npm fetches it, from the registry it is
 * configured for. Throws when it cannot be fetched, or is not what the lock file says.
 */
export async function fetchBun({ bunPackage, os }: Target): Promise<string> {
  const packages: Record<string, { version: string; integrity?: string }> = lock.packages;
  const locked = packages[`node_modules/${bunPackage}`];
  if (!locked?.integrity) throw new Error(`package-lock.json says nothing about ${bunPackage}.`);
  const folder = join(CACHE, `${bunPackage.split("/")[1]}-${locked.version}`);
  const binary = join(folder, "package", "bin", os === "win32" ? "bun.exe" : "bun");
  if (await Bun.file(binary).exists()) return binary;

  const fresh = `${folder}.${process.pid}`;
  mkdirSync(fresh, { recursive: true });
  try {
    const { stdout } = run([
      "npm",
      "pack",
      "--silent",
      "--pack-destination",
      fresh,
      `${bunPackage}@${locked.version}`,
    ]);
    const tarball = join(fresh, stdout.trim());
    const sum = new Bun.CryptoHasher("sha512").update(readFileSync(tarball)).digest("base64");
    if (`sha512-${sum}` !== locked.integrity) {
      throw new Error(`${bunPackage} is not what package-lock.json says: its checksum differs.`);
    }
    run(["tar", "-xzf", tarball, "-C", fresh]);
    rmSync(tarball);
    // In one step, so that a folder that is there is whole.
    rmSync(folder, { recursive: true, force: true });
    renameSync(fresh, folder);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
  return binary;
}

/** The format of sha256sum, so that `sha256sum --check` reads it. */
export function sums(directory: string, names: readonly string[]): string {
  const lines = names.map((name) => {
    const sum = new Bun.CryptoHasher("sha256").update(readFileSync(join(directory, name))).digest("hex");
    return `${sum}  ${name}\n`;
  });
  return lines.join("");
}

async function release(names: readonly string[]): Promise<void> {
  const unknown = names.find((name) => !TARGETS.some((known) => known.name === name));
  if (unknown !== undefined) {
    throw new Error(
      `There is no target "${unknown}"; there are ${TARGETS.map(({ name }) => name).join(", ")}.`,
    );
  }
  const targets = TARGETS.filter(({ name }) => names.length === 0 || names.includes(name));
  rmSync(RELEASE_DIRECTORY, { recursive: true, force: true });
  mkdirSync(RELEASE_DIRECTORY, { recursive: true });
  buildDashboard();
  const files: string[] = [];
  for (const built of targets) {
    await buildTarget(built, RELEASE_DIRECTORY);
    files.push(executableName(built));
  }
  const bill = `codex-lb-${packageJson.version}.cdx.json`;
  writeFileSync(join(RELEASE_DIRECTORY, bill), `${JSON.stringify(billOfMaterials(), null, 2)}\n`);
  files.push(bill);
  writeFileSync(join(RELEASE_DIRECTORY, "SHA256SUMS"), sums(RELEASE_DIRECTORY, files));
  const executables = new Map(
    targets.map((built) => [built.name, join(RELEASE_DIRECTORY, executableName(built))]),
  );
  const tarballs = packAll(join(ROOT, "dist", "npm"), executables);
  for (const file of [...files.map((name) => join(RELEASE_DIRECTORY, name)), ...tarballs.values()]) {
    const megabytes = (Bun.file(file).size / 1e6).toFixed(1);
    console.log(`${megabytes.padStart(7)} MB  ${file.slice(ROOT.length + 1)}`);
  }
}

if (import.meta.main) await release(process.argv.slice(2));
