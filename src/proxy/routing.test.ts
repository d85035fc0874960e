/** Where requests go, over the whole service: spread, stickiness, token refresh, and storms. */
import { describe, expect, test } from "bun:test";
import { systemClock } from "../ports.ts";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";

const QUIET = { CODEX_LB_USAGE_REFRESH_INTERVAL_SECONDS: "3600" };
/** Windows that never fill, so that thousands of turns leave every account as it was. */
const ENDLESS = {
  windows: [
    { minutes: 300, percentPer1kTokens: 0 },
    { minutes: 10_080, percentPer1kTokens: 0 },
  ],
};

async function withService(
  options: Parameters<typeof startService>[0],
  work: (service: RunningService) => Promise<void>,
): Promise<void> {
  const service = await startService({ ...options, env: { ...QUIET, ...options?.env } });
  try {
    await work(service);
  } finally {
    await service.stop();
  }
}

const turnsPerAccount = (service: RunningService) =>
  service.simulator.accounts().map((account) => account.turns);

describe("spread and stickiness", () => {
  test("400 requests at once over 20 equal accounts are spread within a quarter of even", async () => {
    await withService({ accounts: Array.from({ length: 20 }, () => ENDLESS) }, async (service) => {
      service.simulator.addScript({ turn: { kind: "auto" }, delivery: { gapMs: 20 }, times: null });
      await Promise.all(Array.from({ length: 400 }, () => service.turn()));
      for (const turns of turnsPerAccount(service)) {
        expect(turns).toBeGreaterThanOrEqual(15);
        expect(turns).toBeLessThanOrEqual(25);
      }
    });
  });

  test("a conversation of 50 turns uses one account, its sub-agents too", async () => {
    await withService({ accounts: Array.from({ length: 5 }, () => ENDLESS) }, async (service) => {
      for (let turn = 0; turn < 50; turn++) {
        await service.turn({
          headers: { "session-id": "root", "thread-id": turn % 5 === 4 ? `agent-${turn}` : "root" },
        });
      }
      expect(turnsPerAccount(service).toSorted((a, b) => b - a)).toEqual([50, 0, 0, 0, 0]);
    });
  });

  test("a spent account loses its conversations at once, and they stay where they went", async () => {
    await withService({ accounts: [ENDLESS, ENDLESS, ENDLESS] }, async (service) => {
      const headers = { "session-id": "root" };
      await service.turn({ headers });
      const first = turnsPerAccount(service).indexOf(1);
      service.simulator.addFault({
        act: { kind: "error", name: "usage_limit_reached", resetsInSeconds: 3600 },
        when: { account: first },
        times: null,
      });
      for (let turn = 0; turn < 9; turn++) await service.turn({ headers });
      const others = turnsPerAccount(service).filter((_, index) => index !== first);
      expect(others.toSorted((a, b) => a - b)).toEqual([0, 9]);
    });
  });

  test("a turn state never travels to another account", async () => {
    await withService({ accounts: [ENDLESS, ENDLESS] }, async (service) => {
      const headers = { "session-id": "root" };
      const reply = await service.fetch("/backend-api/codex/responses", {
        method: "POST",
        headers,
        body: JSON.stringify(TURN_BODY),
      });
      await reply.text();
      const turnState = reply.headers.get("x-codex-turn-state")!;
      expect(turnState).toBeString();
      const first = turnsPerAccount(service).indexOf(1);
      const sent = () => service.simulator.requests.findLast((entry) => entry.route === "responses")!;
      await service.turn({ headers: { ...headers, "x-codex-turn-state": turnState } });
      expect(sent().account).toBe(first);
      expect(sent().headers).toContainEqual(["x-codex-turn-state", turnState]);
      service.simulator.addFault({
        act: { kind: "error", name: "token_revoked" },
        when: { account: first },
        times: null,
      });
      await service.turn({ headers: { ...headers, "x-codex-turn-state": turnState } });
      expect(sent().account).toBe(1 - first);
      expect(sent().headers.map(([name]) => name)).not.toContain("x-codex-turn-state");
    });
  });

  test("what another account sealed is taken out, once, when the new one cannot read it", async () => {
    await withService({ accounts: [ENDLESS, ENDLESS], simulator: { keepBodies: true } }, async (service) => {
      service.simulator.addFault({ act: { kind: "error", name: "invalid_encrypted_content_null_code" } });
      const input = [
        ...TURN_BODY.input,
        { type: "reasoning", id: "rs_1", summary: [], encrypted_content: "gAAAA-of-another-account" },
        { type: "message", role: "assistant", content: [{ type: "output_text", text: "Hello." }] },
      ];
      const { status, text } = await service.turn({ body: { input } });
      expect(status).toBe(200);
      expect(text).toContain("response.completed");
      const [first, second, ...more] = service.simulator.requests.filter(
        (entry) => entry.route === "responses",
      );
      expect(more).toEqual([]);
      const types = (entry: typeof first) =>
        (entry!.json as { input: { type: string }[] }).input.map((item) => item.type);
      expect(types(first)).toEqual(["message", "reasoning", "message"]);
      expect(types(second)).toEqual(["message", "message"]);
      expect(second!.account).toBe(first!.account);
    });
  });
});

describe("tokens", () => {
  test("200 requests that meet an expired token together cost one refresh", async () => {
    await withService({ accounts: [ENDLESS] }, async (service) => {
      service.simulator.patchAccount(0, { expireAccessTokens: true });
      service.simulator.addFault({ route: "token", act: { kind: "delay", delayMs: 100 } });
      const turns = await Promise.all(Array.from({ length: 200 }, () => service.turn()));
      expect(turns.filter(({ text }) => text.includes("response.completed"))).toHaveLength(200);
      expect(service.simulator.counters.refreshes).toBe(1);
      expect(service.simulator.counters.reuseDetections).toBe(0);
    });
  });

  test("a token about to end is renewed before it is used, and the renewed one survives a restart", async () => {
    await withService({ accounts: [{ ...ENDLESS, accessTokenLifetimeMs: 4 * 60_000 }] }, async (service) => {
      await service.turn();
      expect(service.simulator.counters.refreshes).toBeGreaterThanOrEqual(1);
      await service.restart();
      const { text } = await service.turn();
      expect(text).toContain("response.completed");
      expect(service.simulator.counters.reuseDetections).toBe(0);
    });
  });

  test("an issuer that fails costs the account nothing but this request's turn on it", async () => {
    await withService({ accounts: [{ ...ENDLESS, startExpired: true }, ENDLESS] }, async (service) => {
      service.simulator.addFault({
        route: "token",
        act: { kind: "error", name: "server_error" },
        times: null,
      });
      for (let turn = 0; turn < 4; turn++)
        expect((await service.turn()).text).toContain("response.completed");
      const { accounts } = await service.adminJson<{ accounts: { status: string }[] }>("/api/accounts");
      expect(accounts.map((account) => account.status)).toEqual(["active", "active"]);
    });
  });

  test("a refresh token that is gone takes the account out at once, and 401 never reaches the client", async () => {
    await withService({ accounts: [ENDLESS, ENDLESS] }, async (service) => {
      service.simulator.addFault({
        route: "token",
        act: {
          kind: "status",
          status: 401,
          body: { error: { code: "refresh_token_reused", message: "used" } },
        },
        times: null,
      });
      service.simulator.patchAccount(0, { expireAccessTokens: true });
      for (let turn = 0; turn < 4; turn++) expect((await service.turn()).status).toBe(200);
      const { accounts } = await service.adminJson<{ accounts: { status: string; statusReason: string }[] }>(
        "/api/accounts",
      );
      expect(accounts[0]!.status).toBe("reauth_required");
      expect(accounts[0]!.statusReason).toContain("log in again");
    });
  });

  test("a seeded storm of 10,000 requests with tokens that end all the time never uses a refresh token twice", async () => {
    const accounts = Array.from({ length: 8 }, () => ({ ...ENDLESS, accessTokenLifetimeMs: 303_000 }));
    await withService({ accounts, simulator: { seed: 7 } }, async (service) => {
      service.simulator.setStorm({ probability: 0.1, accounts: [0, 1, 2, 3, 4, 5] });
      let whole = 0;
      const worker = async (worker: number) => {
        for (let turn = 0; turn < 200; turn++) {
          if (turn % 40 === worker % 40)
            service.simulator.patchAccount(worker % 8, { expireAccessTokens: true });
          const { text } = await service.turn();
          if (text.includes('"type":"response.completed"')) whole++;
        }
      };
      await Promise.all(Array.from({ length: 50 }, (_, index) => worker(index)));
      expect(service.simulator.counters.reuseDetections).toBe(0);
      expect(service.simulator.counters.refreshes).toBeGreaterThan(8);
      expect(whole).toBeGreaterThan(9_000);
      expect(service.simulator.counters.openRequests).toBe(0);
    });
  }, 120_000);
});

describe("a full pool", () => {
  const settings = async (service: RunningService, patch: Record<string, unknown>) => {
    await service.adminJson("/api/settings", { method: "PUT", json: patch });
  };

  test("a request waits for a place and is served when one is free", async () => {
    await withService({ accounts: [ENDLESS] }, async (service) => {
      await settings(service, { maxConcurrentRequestsPerAccount: 1 });
      service.simulator.addScript({ turn: { kind: "auto" }, delivery: { gapMs: 10 }, times: null });
      const turns = await Promise.all(Array.from({ length: 4 }, () => service.turn()));
      expect(turns.every(({ text }) => text.includes("response.completed"))).toBe(true);
      expect(Math.max(...service.simulator.accounts().map((account) => account.openTurns))).toBe(0);
    });
  });

  test("a request that waited in vain is told so by us, with when to try again", async () => {
    await withService({ accounts: [ENDLESS] }, async (service) => {
      await settings(service, { maxConcurrentRequestsPerAccount: 1, queueWaitSeconds: 0 });
      service.simulator.addFault({ moment: "after_text", act: { kind: "hang" } });
      const abort = new AbortController();
      const first = await service.fetch("/backend-api/codex/responses", {
        method: "POST",
        body: JSON.stringify(TURN_BODY),
        signal: abort.signal,
      });
      const second = await service.fetch("/backend-api/codex/responses", {
        method: "POST",
        body: JSON.stringify(TURN_BODY),
      });
      expect(second.status).toBe(429);
      expect(second.headers.get("retry-after")).toBe("5");
      expect(await second.text()).toContain("codex-lb: every account serves as many requests as it may");
      abort.abort();
      await first.text().catch(() => {});
    });
  });
});

test("an account's workspace routing is applied upstream", async () => {
  await withService({ accounts: [{ ...ENDLESS, accountRoutingOverride: "us" }] }, async (service) => {
    const sent = () => service.simulator.requests.findLast((entry) => entry.route === "responses")!.headers;
    const deadline = Date.now() + 5_000;
    do await service.turn();
    while (!sent().some(([name]) => name === "x-openai-account-routing-override") && Date.now() < deadline);
    expect(sent()).toContainEqual(["x-openai-account-routing-override", "us"]);
  });
});

describe("refused tokens", () => {
  const refuseAll = (service: RunningService, account: number) =>
    service.simulator.addFault({
      act: { kind: "status", status: 401, body: {} },
      when: { account },
      times: null,
    });

  test("an account that is refused with a fresh token pauses; its login is not taken for lost", async () => {
    await withService({ accounts: [ENDLESS, ENDLESS] }, async (service) => {
      refuseAll(service, 0);
      for (let turn = 0; turn < 4; turn++)
        expect((await service.turn()).text).toContain("response.completed");
      const { accounts } = await service.adminJson<{ accounts: { status: string }[] }>("/api/accounts");
      expect(accounts.map(({ status }) => status)).toEqual(["active", "active"]);
      const asked = service.simulator.requests.filter(
        (entry) => entry.route === "responses" && entry.account === 0,
      );
      expect(asked).toHaveLength(2);
    });
  });

  test("one that goes on for ten minutes is a lost login", async () => {
    let nowMs = Date.now();
    const clock = { ...systemClock, now: () => nowMs };
    await withService(
      { accounts: [ENDLESS, ENDLESS], ports: { clock }, simulator: { clock } },
      async (service) => {
        refuseAll(service, 0);
        const statusOf = async () => {
          const { accounts } = await service.adminJson<{ accounts: { status: string }[] }>("/api/accounts");
          return accounts[0]!.status;
        };
        const tryAccount = async () => {
          await service.adminJson("/api/settings", {
            method: "PUT",
            json: { routingStrategy: "single_account", singleAccountId: service.accountIds[0] },
          });
          await service.turn();
        };
        await tryAccount();
        nowMs += 9 * 60_000;
        await tryAccount();
        expect(await statusOf()).toBe("active");
        nowMs += 61_000;
        await tryAccount();
        expect(await statusOf()).toBe("reauth_required");
      },
    );
  });
});

test("each account gets back the cookies that the edge set for it, and the client none", async () => {
  await withService({ accounts: [ENDLESS, ENDLESS] }, async (service) => {
    const headers = { "session-id": "root", cookie: "session=of-the-client" };
    const first = await service.fetch("/backend-api/codex/responses", {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify(TURN_BODY),
    });
    await first.text();
    expect(first.headers.get("set-cookie")).toBeNull();
    await service.turn({ headers });
    const [before, after] = service.simulator.requests.filter((entry) => entry.route === "responses");
    const cookieOf = (entry: typeof before) => entry!.headers.find(([name]) => name === "cookie")?.[1];
    expect(cookieOf(before)).toBeUndefined();
    expect(cookieOf(after)).toBe(`__cf_bm=sim-${after!.account}`);
  });
});
