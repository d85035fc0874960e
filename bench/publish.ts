/** `npm run bench:publish`: copies the latest whole results into docs/speed.md, each between its two markers. */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { readRun, RESULTS } from "./results.ts";

const PAGE = resolve(import.meta.dir, "../docs/speed.md");
/** The kinds of result that have a place on the page. */
export const PUBLISHED = ["latest", "compare", "soak"] as const;

/** Throws when the result is a quick one, or of a part: those are for us, not for readers. */
export function publish(name: (typeof PUBLISHED)[number]): void {
  const { run, text } = readRun(name);
  if (run.quick)
    throw new Error(`The ${name} result is of a quick run; without --quick it can be published.`);
  if (!run.whole)
    throw new Error(`The ${name} result has not every scenario: run \`npm run bench\` without names.`);
  const page = readFileSync(PAGE, "utf8");
  const [begin, end] = [`<!-- ${name} -->`, `<!-- /${name} -->`];
  const [from, to] = [page.indexOf(begin), page.indexOf(end)];
  if (from < 0 || to < from) throw new Error(`docs/speed.md has no ${begin} … ${end}.`);
  writeFileSync(PAGE, `${page.slice(0, from)}${begin}\n\n${text}\n${page.slice(to)}`);
  // Tables as the formatter wants them, so that the check stays green.
  Bun.spawnSync([process.execPath, "fmt", "--no-script", PAGE]);
  console.log(`docs/speed.md has the ${name} result of ${run.at}.`);
}

if (import.meta.main) {
  for (const name of PUBLISHED) {
    if (!existsSync(join(RESULTS, `${name}.json`))) continue;
    try {
      publish(name);
    } catch (error) {
      console.error((error as Error).message);
      process.exitCode = 1;
    }
  }
}
