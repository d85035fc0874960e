/** The blocks of docs/clients.md, as the reader would paste them. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./executable.ts";

/** The address that the page is written for. */
const DOCUMENTED = "127.0.0.1:2455";

/** The fenced blocks below the heading that holds `title`, for a service on `port`. */
export function documentedBlocks(title: string, port: number): string[] {
  const page = readFileSync(join(ROOT, "docs", "clients.md"), "utf8");
  const section = page.split(/^## /m).find((text) => text.split("\n", 1)[0]!.includes(title));
  if (section === undefined) throw new Error(`docs/clients.md has no section "${title}"`);
  return [...section.matchAll(/^```\w*\n(.*?)^```$/gms)].map(([, block]) =>
    block!.replaceAll(DOCUMENTED, `127.0.0.1:${port}`),
  );
}

/** The only or first of them. */
export function documentedBlock(title: string, port: number): string {
  const [block] = documentedBlocks(title, port);
  if (block === undefined) throw new Error(`the section "${title}" has no block`);
  return block;
}
