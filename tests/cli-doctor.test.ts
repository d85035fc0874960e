/** Claims about `codex-lb doctor`: a working pool passes, each planted fault is found with its mend. */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Ended, EXECUTABLE, runToEnd } from "./executable.ts";
import { startPool, temporaryDirectory } from "./harness.ts";

type Run = (...args: string[]) => Promise<Ended>;

describe("doctor", () => {
  test("finds nothing wrong with a working pool, and each planted fault with its mend", async () => {
    const { service, simulator, dispose } = await startPool({ accounts: 2 });
    const home = temporaryDirectory("home");
    const codexHome = join(home, ".codex");
    const env = {
      CODEX_LB_DATA_DIR: service.dataDir,
      CODEX_LB_UPSTREAM_BASE_URL: simulator.urls.backendBaseUrl,
      CODEX_LB_AUTH_BASE_URL: simulator.urls.authBaseUrl,
      CODEX_LB_API_KEY: "local",
      HOME: home,
    };
    const run: Run = (...args) => runToEnd([EXECUTABLE, ...args], { cwd: home, env });
    type Report = {
      healthy: boolean;
      findings: { check: string; severity: string; text: string; mend?: string }[];
    };
    const doctor = async () => {
      const { exitCode, stdout } = await run("doctor", "--json");
      const report = JSON.parse(stdout) as Report;
      expect(exitCode).toBe(report.healthy ? 0 : 1);
      return report;
    };
    const worst = ({ findings }: Report) =>
      findings.filter(({ severity }) => severity === "warning" || severity === "problem");

    await run("connect", "codex", "--write");
    expect(worst(await doctor())).toEqual([]);

    simulator.patchAccount(0, { login: "token_revoked" });
    const codexConfig = readFileSync(join(codexHome, "config.toml"), "utf8");
    writeFileSync(
      join(codexHome, "config.toml"),
      codexConfig
        .replace("model_provider", `chatgpt_base_url = "${service.url}/backend-api"\nmodel_provider`)
        .replace('env_key = "CODEX_LB_API_KEY"', "requires_openai_auth = true"),
    );
    writeFileSync(join(codexHome, "auth.json"), JSON.stringify(simulator.issueAuthJson(1)));
    const found = worst(await doctor());
    expect(found.map(({ check, severity }) => `${check} ${severity}`).toSorted()).toEqual([
      "account problem",
      "codex_config problem",
      "codex_login warning",
    ]);
    expect(found.every(({ mend }) => mend !== undefined && mend !== "")).toBe(true);
    await service.stop();

    // The files of the data directory, with nobody running on them.
    writeFileSync(join(service.dataDir, "encryption.key"), "no key");
    expect(worst(await doctor()).map(({ check }) => check)).toContain("encryption_key");
    rmSync(join(service.dataDir, "encryption.key"));
    expect(worst(await doctor()).map(({ check }) => check)).toContain("encryption_key");
    expect(existsSync(join(service.dataDir, "encryption.key"))).toBe(false);
    writeFileSync(join(service.dataDir, "codex-lb.db"), "no database");
    expect(worst(await doctor()).map(({ check }) => check)).toContain("database");
    await dispose();
    rmSync(home, { recursive: true });
  });
});
