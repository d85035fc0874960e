/** The bill of materials: what is inside an executable, as CycloneDX 1.6 JSON. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { Glob } from "bun";
import packageJson from "../package.json" with { type: "json" };
import lockFile from "../package-lock.json" with { type: "json" };

const ROOT = join(import.meta.dir, "..");

interface Locked {
  version?: string;
  license?: string;
  integrity?: string;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  peerDependenciesMeta?: Record<string, { optional?: boolean }>;
}

const locked: Record<string, Locked> = lockFile.packages;

interface Component {
  type: "library" | "framework" | "application";
  "bom-ref": string;
  name: string;
  version: string;
  purl: string;
  licenses?: { license: { id: string } }[];
  hashes?: { alg: "SHA-512"; content: string }[];
}

/**
 * The program's packages, those whose code Vite put into the dashboard, and Bun. The dashboard's are found by the imports
 * of its sources, because package.json counts them as needed for building only.
 */
export function billOfMaterials() {
  const roots = [...Object.keys(packageJson.dependencies), ...dashboardPackages()];
  const paths = closure(roots.map((name) => resolveFrom("", name)));
  const program = component("application", packageJson.name, packageJson.version, packageJson.license);
  const bun = packageJson.devDependencies.bun;
  return {
    bomFormat: "CycloneDX",
    specVersion: "1.6",
    version: 1,
    metadata: { component: program },
    components: [
      component("framework", "bun", bun, "MIT", locked["node_modules/bun"]?.integrity),
      sqlite(),
      ...[...paths].toSorted().map((path) => {
        const { version = "", license, integrity } = locked[path]!;
        return component("library", nameOf(path), version, license, integrity);
      }),
    ],
    dependencies: [
      {
        ref: program["bom-ref"],
        dependsOn: [`pkg:npm/bun@${bun}`, ...roots.map((name) => refAt(resolveFrom("", name)))],
      },
      ...[...paths].toSorted().map((path) => ({ ref: refAt(path), dependsOn: needsOf(path).map(refAt) })),
    ],
  };
}

/** Inside better-sqlite3's addon; warnings about SQLite go by its own name and version. */
function sqlite(): Component {
  const header = readFileSync(join(ROOT, "node_modules/better-sqlite3/deps/sqlite3/sqlite3.h"), "latin1");
  const version = /^#define SQLITE_VERSION +"(.+)"/m.exec(header)?.[1];
  if (version === undefined) throw new Error("better-sqlite3 does not say which SQLite it holds.");
  const purl = `pkg:generic/sqlite@${version}`;
  const licenses = [{ license: { id: "blessing" } }];
  return { type: "library", "bom-ref": purl, name: "sqlite", version, purl, licenses };
}

function component(
  type: Component["type"],
  name: string,
  version: string,
  license?: string,
  integrity?: string,
): Component {
  const purl = `pkg:npm/${name.replace("@", "%40")}@${version}`;
  return {
    type,
    "bom-ref": purl,
    name,
    version,
    purl,
    ...(license && { licenses: [{ license: { id: license } }] }),
    ...(integrity?.startsWith("sha512-") && {
      hashes: [{ alg: "SHA-512", content: Buffer.from(integrity.slice(7), "base64").toString("hex") }],
    }),
  };
}

/** Names of the packages that the dashboard's sources import, styles and fonts included. */
function dashboardPackages(): string[] {
  const names = new Set<string>();
  for (const file of new Glob("frontend/src/**/*.{ts,tsx,css}").scanSync({ cwd: ROOT })) {
    if (file.includes(".test.")) continue;
    const text = readFileSync(join(ROOT, file), "utf8");
    for (const specifier of file.endsWith(".css")
      ? importsOfStyles(text)
      : importsOfCode(text, file.endsWith("x"))) {
      const name = specifier
        .split("/")
        .slice(0, specifier.startsWith("@") ? 2 : 1)
        .join("/");
      if (locked[`node_modules/${name}`]) names.add(name);
    }
  }
  return [...names].toSorted();
}

function importsOfCode(text: string, isTsx: boolean): string[] {
  return new Bun.Transpiler({ loader: isTsx ? "tsx" : "ts" }).scanImports(text).map(({ path }) => path);
}

function importsOfStyles(text: string): string[] {
  return [...text.matchAll(/(?:@import|url\()\s*["']([^"']+)["']/g)].map(([, specifier]) => specifier!);
}

/** Every package that these need, by its path in the lock file. */
function closure(start: readonly string[]): Set<string> {
  const seen = new Set<string>();
  const waiting = [...start];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    waiting.push(...needsOf(path));
  }
  return seen;
}

/** Optional peers are not among them: whoever uses one names it too. */
function needsOf(path: string): string[] {
  const { dependencies, peerDependencies, peerDependenciesMeta = {} } = locked[path]!;
  return Object.keys({ ...dependencies, ...peerDependencies }).flatMap((name) => {
    const found = findFrom(path, name);
    return found === null || peerDependenciesMeta[name]?.optional || isForTypesOnly(name) ? [] : [found];
  });
}

/** Types leave nothing in the executable; neither does the compiler that some packages name as a peer. */
function isForTypesOnly(name: string): boolean {
  return name.startsWith("@types/") || ["typescript", "bun-types", "csstype", "openapi-types"].includes(name);
}

function resolveFrom(path: string, name: string): string {
  const found = findFrom(path, name);
  if (found === null) throw new Error(`package-lock.json does not hold ${name}.`);
  return found;
}

/** As Node resolves: the nearest node_modules, upwards. */
function findFrom(path: string, name: string): string | null {
  for (let at = path; ; at = at.slice(0, Math.max(0, at.lastIndexOf("node_modules/") - 1))) {
    const candidate = `${at === "" ? "" : `${at}/`}node_modules/${name}`;
    if (locked[candidate]) return candidate;
    if (at === "") return null;
  }
}

function nameOf(path: string): string {
  return path.slice(path.lastIndexOf("node_modules/") + "node_modules/".length);
}

function refAt(path: string): string {
  return `pkg:npm/${nameOf(path).replace("@", "%40")}@${locked[path]!.version}`;
}
