/** A terminal drawn line by line: only what changed is written, and it is left as it was found. */

export interface Screen {
  draw(lines: readonly string[]): void;
  size(): { columns: number; rows: number };
  /** Idempotent. */
  close(): void;
}

const ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J";
const LEAVE = "\x1b[?25h\x1b[?1049l";
const USUAL = { columns: 80, rows: 24 };

export function openScreen(
  { stdin, stdout }: { stdin: NodeJS.ReadStream; stdout: NodeJS.WriteStream },
  on: { key(key: string): void; resize(): void },
): Screen {
  let drawn: string[] = [];
  let closed = false;
  const onData = (bytes: Buffer) => {
    for (const key of keysOf(bytes.toString("utf8"))) on.key(key);
  };
  const onResize = () => {
    drawn = [];
    stdout.write("\x1b[2J");
    on.resize();
  };

  function close(): void {
    if (closed) return;
    closed = true;
    stdin.off("data", onData);
    stdout.off("resize", onResize);
    process.off("exit", close);
    stdin.setRawMode(false);
    stdin.pause();
    stdout.write(LEAVE);
  }

  // Also when the program ends by a defect: a terminal in raw mode is of no use to anybody.
  process.once("exit", close);
  stdin.setRawMode(true);
  stdin.resume();
  stdin.on("data", onData);
  stdout.on("resize", onResize);
  stdout.write(ENTER);
  return {
    draw(lines) {
      if (!closed) stdout.write(changes(drawn, lines));
      drawn = [...lines];
    },
    size: () => ({ columns: stdout.columns || USUAL.columns, rows: stdout.rows || USUAL.rows }),
    close,
  };
}

/** What to write so that a terminal showing `before` shows `after`. */
export function changes(before: readonly string[], after: readonly string[]): string {
  let text = "";
  for (let row = 0; row < Math.max(before.length, after.length); row++) {
    const line = after[row] ?? "";
    if (line !== before[row]) text += `\x1b[${row + 1};1H${line}\x1b[K`;
  }
  return text;
}

const KEY = new RegExp(String.raw`\u001b\[[A-Za-z]|[^]`, "gu");

/** A paste or a fast typist sends several keys at once; an arrow is three bytes that belong together. */
export function keysOf(text: string): string[] {
  return text.match(KEY) ?? [];
}
