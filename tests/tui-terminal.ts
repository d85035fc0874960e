/** A program in a terminal of tmux: what is on its screen, and keys for it. */
import { waitFor } from "./wait.ts";

export interface Terminal {
  /** The screen's text now. */
  screen(): string;
  /** Waits until the screen matches; the match's screen. */
  shows(pattern: RegExp, limitMs?: number): Promise<string>;
  /** Literal text, as typed. */
  type(text: string): void;
  /** A key by tmux's name. */
  press(key: string): void;
  close(): void;
}

const COLUMNS = 140;
const ROWS = 50;

let count = 0;

/** Runs `command` on a tmux server of its own, so that no other session is touched. */
export function openTerminal(
  command: string[],
  {
    cwd,
    env,
    columns = COLUMNS,
    rows = ROWS,
  }: { cwd: string; env: Record<string, string>; columns?: number; rows?: number },
): Terminal {
  const name = `codex-lb-${process.pid}-${++count}`;
  const tmux = (...args: string[]) =>
    Bun.spawnSync(["tmux", "-L", name, "-f", "/dev/null", ...args], {
      cwd,
      env: { PATH: process.env.PATH!, TERM: "xterm-256color", LANG: "C.UTF-8", ...env },
      stdout: "pipe",
      stderr: "pipe",
    });
  const quoted = command.map((part) => `'${part.replaceAll("'", `'\\''`)}'`).join(" ");
  const size = ["-x", String(columns), "-y", String(rows)];
  const started = tmux("new-session", "-d", "-s", "main", ...size, quoted);
  if (started.exitCode !== 0) throw new Error(`tmux: ${started.stderr.toString()}`);
  const screen = () => tmux("capture-pane", "-p", "-t", "main").stdout.toString();
  return {
    screen,
    async shows(pattern, limitMs = 20_000) {
      let last = "";
      try {
        return await waitFor(
          `the screen shows ${pattern.source}`,
          () => pattern.test((last = screen())) && last,
          limitMs,
        );
      } catch (error) {
        throw new Error(`${(error as Error).message}\n${last}`, { cause: error });
      }
    },
    type: (text) => void tmux("send-keys", "-t", "main", "-l", text),
    press: (key) => void tmux("send-keys", "-t", "main", key),
    close: () => void tmux("kill-server"),
  };
}
