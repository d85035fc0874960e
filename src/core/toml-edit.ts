/** Changes keys and tables in a TOML text and leaves every other byte as it is: comments, order, blank lines, odd spelling. */

/** Literals by key, as they are to stand in the file: `true`, `"text"`. */
export type TomlEntries = Readonly<Record<string, string>>;

interface Statement {
  kind: "header" | "key" | "other";
  /** The table's or the key's dotted path. */
  path: string[];
  start: number;
  /** Behind the line break. */
  end: number;
}

/** Sets keys of a table (`[]`: of the root), each where it stands, else at the table's end; a missing table is appended. */
export function setTomlKeys(text: string, table: readonly string[], entries: TomlEntries): string {
  let edited = text;
  for (const [key, literal] of Object.entries(entries))
    edited = setKey(edited, table, `${key} = ${literal}`, key);
  return edited;
}

/** Removes a key of the root, if it is there. */
export function removeTomlKey(text: string, key: string): string {
  const found = statementsOf(text, []).find(({ kind, path }) => kind === "key" && isSame(path, [key]));
  return found === undefined ? text : text.slice(0, found.start) + text.slice(found.end);
}

/** Puts a table with exactly these entries where it is, or at the end; tables below it go. */
export function replaceTomlTable(text: string, table: readonly string[], entries: TomlEntries): string {
  const lines = [
    `[${table.map(bareOrQuoted).join(".")}]`,
    ...Object.entries(entries).map(([key, value]) => `${key} = ${value}`),
  ];
  const block = lines.join(lineBreakOf(text)) + lineBreakOf(text);
  let place: number | null = null;
  let kept = "";
  let at = 0;
  const all = scan(text);
  for (const [index, statement] of all.entries()) {
    if (statement.kind !== "header" || !isBelow(statement.path, table)) continue;
    const end = contentEnd(text, all, index);
    kept += text.slice(at, statement.start);
    if (place === null && isSame(statement.path, table)) place = kept.length;
    at = end;
  }
  kept += text.slice(at);
  return place === null ? append(kept, block) : kept.slice(0, place) + block + kept.slice(place);
}

function setKey(text: string, table: readonly string[], line: string, key: string): string {
  const inTable = statementsOf(text, table);
  const found = inTable.find(({ kind, path }) => kind === "key" && isSame(path, [key]));
  const lineBreak = lineBreakOf(text);
  if (found !== undefined) {
    const old = text.slice(found.start, found.end);
    const comment = /\n?$/.exec(old)![0] === "" ? "" : lineBreak;
    return text.slice(0, found.start) + line + comment + text.slice(found.end);
  }
  const last = inTable.findLast(({ kind }) => kind !== "other");
  if (last !== undefined) {
    const before = text.slice(0, last.end);
    return `${before}${before.endsWith("\n") ? "" : lineBreak}${line}${lineBreak}${text.slice(last.end)}`;
  }
  if (table.length > 0)
    return append(text, `[${table.map(bareOrQuoted).join(".")}]${lineBreak}${line}${lineBreak}`);
  // No key at the root yet: before the first table, behind the comments at the top.
  const firstTable = scan(text).find(({ kind }) => kind === "header")?.start ?? text.length;
  const top = text.slice(0, firstTable);
  const gap = top === "" || top.endsWith("\n") ? "" : lineBreak;
  return `${top}${gap}${line}${lineBreak}${firstTable < text.length ? lineBreak : ""}${text.slice(firstTable)}`;
}

/** Appends behind one blank line. */
function append(text: string, block: string): string {
  if (text.trim() === "") return text + block;
  const lineBreak = lineBreakOf(text);
  return `${text}${text.endsWith("\n") ? "" : lineBreak}${lineBreak}${block}`;
}

/** The statements of one table, its header first. */
function statementsOf(text: string, table: readonly string[]): Statement[] {
  const all = scan(text);
  if (table.length === 0) {
    const firstHeader = all.findIndex(({ kind }) => kind === "header");
    return firstHeader < 0 ? all : all.slice(0, firstHeader);
  }
  const header = all.findIndex(({ kind, path }) => kind === "header" && isSame(path, table));
  if (header < 0) return [];
  const next = all.findIndex(({ kind }, index) => index > header && kind === "header");
  return all.slice(header, next < 0 ? undefined : next);
}

/** Where the content of the table that begins at `index` ends: comments and blank lines before the next table belong to that one. */
function contentEnd(text: string, all: readonly Statement[], index: number): number {
  let end = all[index]!.end;
  for (const statement of all.slice(index + 1)) {
    if (statement.kind === "header") return end;
    if (statement.kind === "key") end = statement.end;
  }
  return text.slice(end).trim() === "" ? text.length : end;
}

function scan(text: string): Statement[] {
  const statements: Statement[] = [];
  let at = 0;
  while (at < text.length) {
    const start = at;
    const lineEnd = endOfLine(text, at);
    const line = text.slice(start, lineEnd).trim();
    const header = /^\[\[?([^\]]+)\]\]?\s*(#.*)?$/.exec(line);
    if (line === "" || line.startsWith("#")) {
      at = lineEnd;
      statements.push({ kind: "other", path: [], start, end: at });
    } else if (header !== null) {
      at = lineEnd;
      statements.push({ kind: "header", path: pathOf(header[1]!), start, end: at });
    } else {
      const equals = text.indexOf("=", start);
      at = equals < 0 || equals >= lineEnd ? lineEnd : endOfValue(text, equals + 1);
      statements.push({
        kind: "key",
        path: pathOf(text.slice(start, equals < 0 ? lineEnd : equals)),
        start,
        end: at,
      });
    }
  }
  return statements;
}

function endOfLine(text: string, from: number): number {
  const found = text.indexOf("\n", from);
  return found < 0 ? text.length : found + 1;
}

/** Behind the line on which the value ends: strings and arrays may span several. */
function endOfValue(text: string, from: number): number {
  let depth = 0;
  for (let at = from; at < text.length; at++) {
    const character = text[at]!;
    if (character === "#") at = endOfLine(text, at) - 1;
    if (character === '"' || character === "'") at = endOfString(text, at) - 1;
    else if (character === "[" || character === "{") depth++;
    else if (character === "]" || character === "}") depth--;
    if (text[at] === "\n" && depth <= 0) return at + 1;
  }
  return text.length;
}

function endOfString(text: string, start: number): number {
  const quote = text[start]!;
  const mark = text.startsWith(quote.repeat(3), start) ? quote.repeat(3) : quote;
  for (let at = start + mark.length; at < text.length; at++) {
    if (quote === '"' && text[at] === "\\") at++;
    else if (text.startsWith(mark, at)) return at + mark.length;
    else if (mark.length === 1 && text[at] === "\n") return at; // Not closed: the parser will say so.
  }
  return text.length;
}

/** `a."b c".d` */
function pathOf(text: string): string[] {
  return [...text.matchAll(/"((?:[^"\\]|\\.)*)"|'([^']*)'|([\w-]+)/g)].map(
    ([, double, single, bare]) => double ?? single ?? bare ?? "",
  );
}

function bareOrQuoted(key: string): string {
  return /^[\w-]+$/.test(key) ? key : JSON.stringify(key);
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((part, index) => part === b[index]);
}

function isBelow(path: readonly string[], table: readonly string[]): boolean {
  return path.length >= table.length && table.every((part, index) => part === path[index]);
}

function lineBreakOf(text: string): string {
  return text.includes("\r\n") ? "\r\n" : "\n";
}
