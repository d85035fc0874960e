/** The process is killed while a login is renewed: the login survives, except in the one moment that nobody can close. */
import { afterAll, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { TURN_BODY } from "../src/testing/running-service.ts";
import { startPool, startService, temporaryDirectory } from "./harness.ts";
import { waitFor } from "./wait.ts";

/** How long the issuer's answer takes in these tests: the moment between its rotating the token and our having it. */
const ANSWER_MS = 400;

type Moment = "before the issuer is asked" | "while the answer is on its way" | "right after the answer";

const directories: string[] = [];
afterAll(() => directories.forEach((directory) => rmSync(directory, { recursive: true, force: true })));

async function turn(url: string): Promise<string> {
  const reply = await fetch(`${url}/backend-api/codex/responses`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(TURN_BODY),
  });
  return reply.text();
}

/** Kills the service at `moment` of a refresh, starts it again, and tells what the account's next turn comes to. */
async function killAt(
  moment: Moment,
  reuseGraceMs: number,
): Promise<{ text: string; reuseDetections: number }> {
  const dataDir = temporaryDirectory("crash");
  directories.push(dataDir);
  const pool = await startPool({ accounts: 1, dataDir, simulator: { refreshReuseGraceMs: reuseGraceMs } });
  const { simulator, service } = pool;
  try {
    await turn(service.url);
    const refreshes = simulator.counters.refreshes;
    if (moment === "before the issuer is asked")
      simulator.addFault({ route: "token", act: { kind: "reset" }, times: null });
    else simulator.addFault({ route: "token", act: { kind: "delay", delayMs: ANSWER_MS } });
    simulator.patchAccount(0, { expireAccessTokens: true });
    const interrupted = turn(service.url).catch(() => "");
    if (moment === "before the issuer is asked") {
      await waitFor("the issuer was asked", () =>
        simulator.requests.some((entry) => entry.route === "token"),
      );
    } else {
      await waitFor("the token was rotated", () => simulator.counters.refreshes > refreshes);
      if (moment === "right after the answer") await interrupted;
    }
    service.signal("SIGKILL");
    await service.exited();
    await interrupted;
    simulator.clearFaults();
    const again = await startService({ simulator, dataDir });
    try {
      return { text: await turn(again.url), reuseDetections: simulator.counters.reuseDetections };
    } finally {
      await again.dispose();
    }
  } finally {
    await pool.dispose();
  }
}

describe("kill -9 during a refresh", () => {
  const moments: Moment[] = [
    "before the issuer is asked",
    "while the answer is on its way",
    "right after the answer",
  ];
  for (const moment of moments) {
    test(`${moment}: the login survives where the issuer allows the old token a while longer`, async () => {
      const { text, reuseDetections } = await killAt(moment, 3_600_000);
      expect(text).toContain("response.completed");
      expect(reuseDetections).toBe(0);
    });
  }

  for (const moment of [moments[0]!, moments[2]!]) {
    test(`${moment}: the login survives even where it does not`, async () => {
      const { text, reuseDetections } = await killAt(moment, 0);
      expect(text).toContain("response.completed");
      expect(reuseDetections).toBe(0);
    });
  }

  test("while the answer is on its way, without such an allowance, the account asks for a new login", async () => {
    const { text } = await killAt("while the answer is on its way", 0);
    expect(JSON.parse(text).error.message).toContain("must log in again");
  });
});
