/** The fenced blocks of README.md and docs/, with what their info string says of them. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./executable.ts";

/** The port that the pages are written for. */
const DOCUMENTED = /\b(127\.0\.0\.1|localhost):2455\b/g;

export interface Block {
  /** Path in the repository. */
  page: string;
  /** Of its first line, for messages. */
  line: number;
  /** First word of the info string. */
  language: string;
  /** `sh example`: shown, not run. */
  isExample: boolean;
  text: string;
}

export const PAGES = [
  "README.md",
  ...readdirSync(join(ROOT, "docs")).filter((name) => name.endsWith(".md")),
].map((name) => (name === "README.md" ? name : `docs/${name}`));

export function readPage(page: string): string {
  return readFileSync(join(ROOT, page), "utf8");
}

export function blocksOf(page: string): Block[] {
  const text = readPage(page);
  return [...text.matchAll(/^```([^\n]*)\n(.*?)^```$/gms)].map((match) => {
    const [language = "", ...rest] = match[1]!.split(" ");
    const line = text.slice(0, match.index).split("\n").length + 1;
    return { page, line, language, isExample: rest.includes("example"), text: match[2]! };
  });
}

/** The one block of a language on a page. */
export function blockOf(page: string, language: string): string {
  const found = blocksOf(page).filter((block) => block.language === language);
  if (found.length !== 1) throw new Error(`${page} has ${found.length} blocks of ${language}, not one`);
  return found[0]!.text;
}

/** As a reader types it whose service listens on `port`. */
export function forPort(text: string, port: number): string {
  return text.replaceAll(DOCUMENTED, `$1:${port}`);
}
