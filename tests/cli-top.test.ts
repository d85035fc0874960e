/** Claims about `codex-lb top`: in a terminal, and once as plain lines. */
import { describe, expect, test } from "bun:test";
import { EXECUTABLE, runToEnd } from "./executable.ts";
import { askTurn, rowsOnceWritten, startPool } from "./harness.ts";
import { openTerminal } from "./tui-terminal.ts";

describe("top", () => {
  test("in a terminal of 80×24 it follows the pool, pauses an account, and leaves the terminal as it was", async () => {
    const { service, dispose } = await startPool({ accounts: 2 });
    const env = { CODEX_LB_DATA_DIR: service.dataDir, HOME: service.dataDir };
    // Whether lines are read as typed is the terminal's own word on its mode.
    const script = `${EXECUTABLE} top; echo "left with $?"; stty -a | grep -ow -- '-*icanon'; sleep 60`;
    const terminal = openTerminal(["bash", "-c", script], {
      cwd: service.dataDir,
      env,
      columns: 80,
      rows: 24,
    });
    try {
      const screen = await terminal.shows(/2 of 2 accounts active/);
      expect(screen).toContain("q quit");
      await askTurn(service, "hello");
      await terminal.shows(/gpt-5\.5 +pool-[12]@exa… +ok /);
      terminal.press("Down");
      await terminal.shows(/▸ pool-1@example\.com/);
      terminal.press("p");
      await terminal.shows(/pool-1@example\.com +plus +paused/);
      terminal.press("p");
      await terminal.shows(/pool-1@example\.com +plus +active/);
      terminal.type("fpool-2");
      terminal.press("Enter");
      await terminal.shows(/filter: pool-2/);
      expect(terminal.screen()).not.toContain("pool-1@example.com ");
      terminal.press("q");
      const after = await terminal.shows(/left with 0\s+icanon/);
      expect(after).not.toContain("ACCOUNT");
    } finally {
      terminal.close();
      await dispose();
    }
  });

  test("--once shows accounts, spend and requests in 80 columns", async () => {
    const { service, dispose } = await startPool({ accounts: 2 });
    await askTurn(service, "hello");
    await rowsOnceWritten(service, 1);
    const env = { CODEX_LB_DATA_DIR: service.dataDir };
    const { exitCode, stdout } = await runToEnd([EXECUTABLE, "top", "--once"], { cwd: service.dataDir, env });
    expect(exitCode).toBe(0);
    const lines = stdout.trimEnd().split("\n");
    expect(Math.max(...lines.map((line) => Bun.stringWidth(line)))).toBeLessThanOrEqual(80);
    expect(stdout).toContain("2 of 2 accounts active");
    expect(stdout).toMatch(/pool-1@example\.com +plus +active +5h/);
    expect(stdout).toMatch(/gpt-5\.5 +pool-[12]@exa… +ok /);
    expect(stdout).not.toContain("\x1b");
    await service.stop();
    expect(await runToEnd([EXECUTABLE, "top", "--once"], { cwd: service.dataDir, env })).toMatchObject({
      exitCode: 1,
      stderr: expect.stringContaining("No codex-lb runs"),
    });
    await dispose();
  });
});
