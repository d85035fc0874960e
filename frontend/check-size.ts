/** Fails when the built dashboard weighs more than its budget; run after the build, prints every file. */
import { join } from "node:path";
import { Glob } from "bun";

/** All JavaScript, gzip. */
const TOTAL_BUDGET = 150_000;
/** What the browser must load before the first page shows: the entry, what it imports, and the Overview. */
const FIRST_PAGE_BUDGET = 90_000;
const FIRST_PAGE_CHUNK = /^overview-page-/;

const assets = join(import.meta.dir, "dist", "assets");
const scripts = new Map<string, { gzip: number; imports: string[] }>();
for (const name of [...new Glob("*.js").scanSync({ cwd: assets })].toSorted()) {
  const code = await Bun.file(join(assets, name)).text();
  // Static imports only: a dynamic `import("./x.js")` is loaded when its page is opened.
  const imports = [...code.matchAll(/(?:from|import)\s*["']\.\/([^"']+\.js)["']/g)].map(
    (match) => match[1] ?? "",
  );
  scripts.set(name, { gzip: Bun.gzipSync(code).length, imports });
}

function withImports(name: string, seen = new Set<string>()): Set<string> {
  if (seen.has(name)) return seen;
  seen.add(name);
  for (const imported of scripts.get(name)?.imports ?? []) withImports(imported, seen);
  return seen;
}

const roots = [...scripts.keys()].filter((name) => name.startsWith("index-") || FIRST_PAGE_CHUNK.test(name));
const firstPage = new Set(roots.flatMap((name) => [...withImports(name)]));
const sum = (names: Iterable<string>) =>
  [...names].reduce((total, name) => total + (scripts.get(name)?.gzip ?? 0), 0);
const total = sum(scripts.keys());
const first = sum(firstPage);

for (const [name, { gzip }] of scripts)
  console.log(`${String(gzip).padStart(7)} ${firstPage.has(name) ? "*" : " "} ${name}`);
console.log(`first page (*) ${first} of ${FIRST_PAGE_BUDGET}, all ${total} of ${TOTAL_BUDGET} bytes gzip`);
if (roots.length < 2) {
  console.error("The entry or the Overview was not found among the assets.");
  process.exit(1);
}
if (total > TOTAL_BUDGET || first > FIRST_PAGE_BUDGET) process.exit(1);
