/** Clients that are too large to be dependencies of everybody: fetched once into a cache, and left out where there is no registry. */
import { existsSync, mkdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { ROOT, runToEnd } from "./executable.ts";

const CACHE = join(ROOT, "node_modules", ".cache", "codex-lb-clients");

/** Words of npm and pip for "there is no way to the registry", as against a package that is wrong. */
const NO_REGISTRY =
  /ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|ENETUNREACH|NewConnectionError|Name or service not known|Max retries exceeded/;

/** `npm install` of exact packages; their `node_modules`, or null when the registry cannot be reached. */
export function npmClient(...packages: string[]): Promise<string | null> {
  return cached(packages.join("+").replaceAll("/", "_"), async (directory) => {
    const install = ["npm", "install", "--no-save", "--ignore-scripts", "--no-audit", "--no-fund"];
    return runToEnd([...install, "--prefix", directory, ...packages], {
      cwd: directory,
      env: registryEnvironment(),
    });
  }).then((directory) => directory && join(directory, "node_modules"));
}

/** A virtual environment with exact packages; its `python`, or null when there is no Python or no registry. */
export async function pythonClient(...packages: string[]): Promise<string | null> {
  if (Bun.which("python3") === null) return null;
  const directory = await cached(packages.join("+").replaceAll("=", "-"), async (place) => {
    const made = await runToEnd(["python3", "-m", "venv", place], { cwd: dirname(place) });
    if (made.exitCode !== 0) return made;
    const pip = [
      join(place, "bin", "python"),
      "-m",
      "pip",
      "install",
      "--quiet",
      "--disable-pip-version-check",
    ];
    return runToEnd([...pip, ...packages], { cwd: place, env: registryEnvironment() });
  });
  return directory && join(directory, "bin", "python");
}

/** The directory that `fill` filled, once for all runs. */
async function cached(
  name: string,
  fill: (directory: string) => Promise<{ exitCode: number | null; stdout: string; stderr: string }>,
): Promise<string | null> {
  const directory = join(CACHE, name);
  if (existsSync(`${directory}.complete`)) return directory;
  rmSync(directory, { recursive: true, force: true });
  mkdirSync(directory, { recursive: true });
  const { exitCode, stdout, stderr } = await fill(directory);
  if (exitCode === 0) {
    await Bun.write(`${directory}.complete`, "");
    return directory;
  }
  rmSync(directory, { recursive: true, force: true });
  if (NO_REGISTRY.test(stdout + stderr)) {
    console.log(`left out: ${name}, because the registry cannot be reached`);
    return null;
  }
  throw new Error(`${name} could not be installed: ${stdout}${stderr}`);
}

/** Where the registries are may be set in the home directory and in the environment; nothing else of them is passed on. */
function registryEnvironment(): Record<string, string> {
  return Object.fromEntries(
    Object.entries(process.env).filter(
      ([name, value]) =>
        value !== undefined &&
        /^(HOME|npm_config_.*|PIP_.*|https?_proxy|no_proxy|SSL_CERT_FILE|NODE_EXTRA_CA_CERTS)$/i.test(name),
    ),
  ) as Record<string, string>;
}
