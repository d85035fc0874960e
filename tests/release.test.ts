/**
 * Claims about what a release consists of: executables for other platforms, their sums and bill of materials, and the npm
 * packages. Always: this platform's executable, and those for linux-arm64 and darwin-arm64, whose Bun npm has to fetch once.
 * CODEX_LB_TEST_RELEASE=1 builds and inspects every target.
 */
import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import packageJson from "../package.json" with { type: "json" };
import { hostLibc } from "../scripts/compile.ts";
import {
  type Manifest,
  mainManifest,
  packAll,
  platformManifest,
  platformPackageName,
} from "../scripts/npm-packages.ts";
import { buildTarget, fetchBun, sums } from "../scripts/release.ts";
import { billOfMaterials } from "../scripts/sbom.ts";
import { type Target, TARGETS } from "../scripts/targets.ts";
import { brokenPages, readFormat } from "./binary-format.ts";
import { EXECUTABLE, ROOT, runToEnd } from "./executable.ts";
import { temporaryDirectory } from "./harness.ts";
import { waitFor } from "./wait.ts";

const BUILDS_ALL = process.env.CODEX_LB_TEST_RELEASE === "1";
const ALWAYS = ["linux-arm64", "darwin-arm64"];

const made: string[] = [];
function directory(name: string): string {
  made.push(temporaryDirectory(name));
  return made.at(-1)!;
}
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

const ADDONS = join(ROOT, "node_modules/better-sqlite3/prebuilds");

/** Names of better-sqlite3's addons that are in the file, byte for byte. */
function addonsIn(bytes: Buffer): string[] {
  return readdirSync(ADDONS).filter((name) => bytes.includes(readFileSync(join(ADDONS, name))));
}

function expectTarget(bytes: Buffer, { os, cpu, libc }: Target): void {
  const loaders = {
    glibc: { x64: "/lib64/ld-linux-x86-64.so.2", arm64: "/lib/ld-linux-aarch64.so.1" },
    musl: { x64: "/lib/ld-musl-x86_64.so.1", arm64: "/lib/ld-musl-aarch64.so.1" },
  };
  const formats = {
    linux: { format: "elf", cpu, interpreter: loaders[libc][cpu] },
    darwin: { format: "mach-o", cpu },
    win32: { format: "pe", cpu },
  } as const;
  expect(readFormat(bytes)).toEqual(formats[os]);
  expect(addonsIn(bytes)).toEqual([`${os}${libc === "musl" ? "musl" : ""}-${cpu}.node`]);
  // The files that it reads at run time: the migrations and the dashboard.
  expect(bytes.includes("CREATE TABLE `accounts`")).toBe(true);
  expect(bytes.includes(`<script type="module" crossorigin src="/assets/index-`)).toBe(true);
}

const host = TARGETS.find(
  ({ os, cpu, libc }) => os === process.platform && cpu === process.arch && libc === hostLibc(),
)!;

test(`the executable for this platform is one: ${host.name}`, () => {
  expectTarget(readFileSync(EXECUTABLE), host);
});

const built = TARGETS.filter(({ name }) => BUILDS_ALL || ALWAYS.includes(name));

/** Targets whose Bun is neither here nor to be had. Skipped and said aloud; not when every target was asked for. */
const unavailable = new Map<string, string>();
if (!BUILDS_ALL) {
  for (const target of built) {
    await fetchBun(target).catch((error: unknown) => unavailable.set(target.name, String(error)));
  }
}

describe("built from here", () => {
  const output = directory("release");

  for (const target of built) {
    const missing = unavailable.get(target.name);
    if (missing !== undefined)
      console.warn(`\nNOT TESTED: ${target.name}, for want of its Bun. ${missing}\n`);
    test.skipIf(missing !== undefined)(
      `${target.name} has its format, its processor and its addon alone`,
      async () => {
        const path = await buildTarget(target, output);
        const bytes = readFileSync(path);
        expectTarget(bytes, target);
        // macOS runs nothing on Apple silicon whose signature does not hold; Bun signs what it builds.
        if (target.name === "darwin-arm64") expect(brokenPages(bytes)).toBe(0);
        rmSync(path);
        expect(readdirSync(output)).toEqual([]);
      },
    );
  }
});

test("a changed page breaks the signature that is looked at here", () => {
  const addon = readFileSync(join(ADDONS, "darwin-arm64.node"));
  expect(brokenPages(addon)).toBe(0);
  addon[addon.length >> 1]! ^= 1;
  expect(brokenPages(addon)).toBe(1);
});

test.skipIf(Bun.which("sha256sum") === null)("sha256sum accepts the sums, until a byte changes", async () => {
  const folder = directory("sums");
  for (const name of ["one", "two"]) writeFileSync(join(folder, name), name);
  writeFileSync(join(folder, "SHA256SUMS"), sums(folder, ["one", "two"]));
  const check = () => runToEnd(["sha256sum", "--check", "--quiet", "SHA256SUMS"], { cwd: folder });
  expect((await check()).exitCode).toBe(0);
  writeFileSync(join(folder, "two"), "twa");
  expect((await check()).exitCode).toBe(1);
});

test("the bill of materials names what is inside, once, with version, licence and checksum", () => {
  const { components, dependencies, metadata } = billOfMaterials();
  const names = components.map(({ name }) => name);
  expect(names).toEqual(
    expect.arrayContaining(["bun", "sqlite", "elysia", "better-sqlite3", "solid-js", "uplot"]),
  );
  // Its tools are not inside, nor is a client that the tests use.
  for (const tool of ["vite", "oxlint", "@openai/codex", "openai", "typescript"])
    expect(names).not.toContain(tool);
  const refs = components.map((component) => component["bom-ref"]);
  expect(new Set(refs).size).toBe(refs.length);
  for (const component of components) {
    expect(component.version).toMatch(/^\d/);
    expect(component.licenses?.[0]?.license.id).toBeTruthy();
    if (component.name !== "sqlite") expect(component.hashes?.[0]?.content).toMatch(/^[0-9a-f]{128}$/);
  }
  const known = new Set([...refs, metadata.component["bom-ref"]]);
  for (const { ref, dependsOn } of dependencies) {
    for (const name of [ref, ...dependsOn]) expect(known).toContain(name);
  }
});

describe.skipIf(Bun.which("npm") === null)("npm packages, from a registry on this machine", () => {
  /** As any registry: a document per package, and its tarball. Platforms that were not packed have a document alone. */
  function serveRegistry(tarballs: ReadonlyMap<string, string>) {
    const manifests = [mainManifest(), ...TARGETS.map(platformManifest)];
    return Bun.serve({
      hostname: "127.0.0.1",
      port: 0,
      fetch({ url }) {
        const { pathname, origin } = new URL(url);
        const name = decodeURIComponent(pathname.slice(1));
        const tarball = [...tarballs.values()].find((path) => path.endsWith(`/${name}`));
        if (tarball !== undefined) return new Response(Bun.file(tarball));
        const manifest = manifests.find((known) => known.name === name);
        if (manifest === undefined) return new Response("{}", { status: 404 });
        return Response.json(packageDocument(manifest, tarballs.get(name), origin));
      },
    });
  }

  function packageDocument(manifest: Manifest, tarball: string | undefined, origin: string) {
    const { name, version } = manifest;
    const bytes = tarball === undefined ? new Uint8Array() : readFileSync(tarball);
    const integrity = `sha512-${new Bun.CryptoHasher("sha512").update(bytes).digest("base64")}`;
    const dist = { tarball: `${origin}/${tarball?.split("/").at(-1) ?? "not-packed.tgz"}`, integrity };
    return { name, "dist-tags": { latest: version }, versions: { [version]: { ...manifest, dist } } };
  }

  test("`npx codex-lb` in an empty directory runs this platform's executable, and an installed one serves", async () => {
    const packed = directory("npm");
    const tarballs = packAll(packed, new Map([[host.name, EXECUTABLE]]));
    expect([...tarballs.keys()]).toEqual([platformPackageName(host), "codex-lb"]);
    expect(statSync(tarballs.get("codex-lb")!).size).toBeLessThan(50_000);
    await using registry = serveRegistry(tarballs);
    const cwd = directory("empty");
    const env = {
      npm_config_registry: registry.url.href,
      npm_config_cache: directory("npm-cache"),
      npm_config_audit: "false",
      npm_config_update_notifier: "false",
      CODEX_LB_DATA_DIR: join(cwd, "data"),
    };
    const version = await runToEnd(["npx", "--yes", "codex-lb", "--version"], { cwd, env });
    expect(version).toEqual({ exitCode: 0, stdout: `${packageJson.version}\n`, stderr: expect.any(String) });

    writeFileSync(join(cwd, "package.json"), "{}");
    expect((await runToEnd(["npm", "install", "codex-lb"], { cwd, env })).exitCode).toBe(0);
    const scoped = readdirSync(join(cwd, "node_modules/@codex-lb"));
    expect(scoped).toEqual([host.name]);
    const child = Bun.spawn([join(cwd, "node_modules/.bin/codex-lb"), "serve", "--port", "0"], {
      cwd,
      env: { ...env, PATH: process.env.PATH, HOME: cwd },
      stdout: "pipe",
      stderr: "ignore",
    });
    let said = "";
    const reading = (async () => {
      for await (const bytes of child.stdout) said += new TextDecoder().decode(bytes);
    })();
    const url = await waitFor("codex-lb from npm is ready", () => / is ready on (http:\S+)/.exec(said)?.[1]);
    expect(await (await fetch(`${url}/`)).text()).toContain("<!doctype html>");
    expect(await (await fetch(`${url}/health`)).json()).toMatchObject({ version: packageJson.version });
    // What the launcher is sent, the executable gets.
    child.kill("SIGTERM");
    expect(await child.exited).toBe(0);
    await reading;
    expect(fetch(`${url}/health`)).rejects.toThrow();
  });

  test("without the platform's package it says what is missing", async () => {
    const cwd = directory("launcher");
    mkdirSync(join(cwd, "package"));
    writeFileSync(join(cwd, "package", "package.json"), `{"type":"module"}`);
    copyFileSync(join(ROOT, "packaging/npm/codex-lb.js"), join(cwd, "package", "codex-lb.js"));
    const { exitCode, stderr } = await runToEnd(["node", join(cwd, "package", "codex-lb.js")], { cwd });
    expect(exitCode).toBe(1);
    expect(stderr).toContain(`npm did not install @codex-lb/${host.name}`);
  });
});
