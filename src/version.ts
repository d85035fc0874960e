/** What this program is called, its version, and the Bun that it is built with; package.json is the one place of both. */
import { devDependencies, version } from "../package.json" with { type: "json" };

export const PROGRAM = "codex-lb";
export const VERSION: string = version;

/** The Bun this program is built and tested with. Older ones buffer a whole reply when its reader stalls. */
export const MINIMUM_BUN: string = devDependencies.bun;

/** Whether a version (`1.4.4`, `1.5.0-canary.1`) is at least another. */
export function isAtLeast(running: string, minimum: string): boolean {
  const [have, need] = [numbers(running), numbers(minimum)];
  for (let place = 0; place < 3; place++) {
    const difference = (have[place] ?? 0) - (need[place] ?? 0);
    if (difference !== 0) return difference > 0;
  }
  return true;
}

function numbers(text: string): number[] {
  return text
    .replace(/[-+].*$/, "")
    .split(".")
    .map(Number);
}
