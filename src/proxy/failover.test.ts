/** Faults of upstream at every moment, over the whole service: what the client sees, and what the account becomes. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { FaultAct, FaultMoment } from "../simulator/types.ts";
import { type RunningService, startService, TURN_BODY } from "../testing/running-service.ts";

type State = "active" | "rate_limited" | "quota_exceeded" | "reauth_required" | "deactivated";

interface Case {
  name: string;
  moment: FaultMoment;
  act: FaultAct;
  /** How often it strikes; more than one for faults that are tried again on the same account. */
  times?: number;
  /** What account 0 is afterwards. */
  state: State;
}

const error = (name: Extract<FaultAct, { kind: "error" }>["name"], more = {}): FaultAct => ({
  kind: "error",
  name,
  ...more,
});

/** One account fails, the other is healthy: the client must see a whole answer. */
const HIDDEN: Case[] = [
  {
    name: "usage limit",
    moment: "before_headers",
    act: error("usage_limit_reached", { resetsInSeconds: 3600 }),
    state: "rate_limited",
  },
  {
    name: "plan without usage",
    moment: "before_headers",
    act: error("usage_not_included"),
    state: "quota_exceeded",
  },
  { name: "no credit", moment: "before_headers", act: error("insufficient_quota"), state: "quota_exceeded" },
  { name: "burst 429", moment: "before_headers", act: error("rate_limit_exceeded"), state: "active" },
  {
    name: "burst 429 with Retry-After",
    moment: "before_headers",
    act: error("rate_limit_retry_after", { retryAfterSeconds: 2 }),
    state: "active",
  },
  { name: "expired token", moment: "before_headers", act: error("token_expired"), state: "active" },
  {
    name: "invalidated token",
    moment: "before_headers",
    act: error("token_invalidated"),
    state: "reauth_required",
  },
  { name: "revoked token", moment: "before_headers", act: error("token_revoked"), state: "reauth_required" },
  {
    name: "deactivated account",
    moment: "before_headers",
    act: error("account_deactivated"),
    state: "deactivated",
  },
  {
    name: "deactivated workspace",
    moment: "before_headers",
    act: error("deactivated_workspace"),
    state: "deactivated",
  },
  {
    name: "challenge page",
    moment: "before_headers",
    act: error("challenge_page"),
    times: 2,
    state: "active",
  },
  {
    name: "model not for this plan",
    moment: "before_headers",
    act: error("model_not_supported"),
    state: "active",
  },
  { name: "odd 403", moment: "before_headers", act: error("forbidden"), state: "active" },
  { name: "500", moment: "before_headers", act: error("server_error"), times: 2, state: "active" },
  { name: "502", moment: "before_headers", act: error("bad_gateway"), times: 2, state: "active" },
  {
    name: "503 overloaded",
    moment: "before_headers",
    act: error("server_is_overloaded"),
    times: 2,
    state: "active",
  },
  { name: "529", moment: "before_headers", act: error("overloaded_529"), times: 2, state: "active" },
  { name: "redirect", moment: "before_headers", act: error("redirect"), times: 2, state: "active" },
  { name: "reset", moment: "before_headers", act: { kind: "reset" }, times: 2, state: "active" },
  { name: "closed", moment: "before_headers", act: { kind: "cut" }, times: 2, state: "active" },
  {
    name: "half a status line",
    moment: "before_headers",
    act: { kind: "partial_status_line" },
    times: 2,
    state: "active",
  },
  { name: "silence", moment: "before_headers", act: { kind: "hang" }, state: "active" },
  {
    name: "reset at the first event",
    moment: "first_event",
    act: { kind: "reset" },
    times: 2,
    state: "active",
  },
  {
    name: "closed at the first event",
    moment: "first_event",
    act: { kind: "cut" },
    times: 2,
    state: "active",
  },
  { name: "ended without an event", moment: "first_event", act: { kind: "end" }, times: 2, state: "active" },
  { name: "silence at the first event", moment: "first_event", act: { kind: "hang" }, state: "active" },
  {
    name: "failed: usage limit",
    moment: "first_event",
    act: { kind: "failed", code: "usage_limit_reached", resetsInSeconds: 3600 },
    state: "rate_limited",
  },
  {
    name: "failed: rate limit",
    moment: "first_event",
    act: { kind: "failed", code: "rate_limit_exceeded" },
    state: "active",
  },
  {
    name: "failed: overloaded",
    moment: "first_event",
    act: { kind: "failed", code: "server_is_overloaded" },
    times: 2,
    state: "active",
  },
  {
    name: "failed: unknown code",
    moment: "first_event",
    act: { kind: "failed", code: null },
    times: 2,
    state: "active",
  },
  {
    name: "error event",
    moment: "first_event",
    act: { kind: "error_event", code: "server_error" },
    times: 2,
    state: "active",
  },
  { name: "reset after created", moment: "after_created", act: { kind: "reset" }, times: 2, state: "active" },
  { name: "ended after created", moment: "after_created", act: { kind: "end" }, times: 2, state: "active" },
  {
    name: "failed after created: overloaded",
    moment: "after_created",
    act: { kind: "failed", code: "server_is_overloaded" },
    times: 2,
    state: "active",
  },
  {
    name: "failed after created: usage limit",
    moment: "after_created",
    act: { kind: "failed", code: "usage_limit_reached", resetsInSeconds: 3600 },
    state: "rate_limited",
  },
];

const isWhole = (text: string) =>
  text.includes('"type":"response.completed"') && !text.includes('"type":"response.failed"');

async function stateOf(service: RunningService, index: number): Promise<string> {
  const { accounts } = await service.adminJson<{ accounts: { accountId: string; status: string }[] }>(
    "/api/accounts",
  );
  return accounts.find((account) => account.accountId === service.accountIds[index])!.status;
}

const FAST = {
  CODEX_LB_UPSTREAM_FIRST_EVENT_TIMEOUT_SECONDS: "0.5",
  CODEX_LB_USAGE_REFRESH_INTERVAL_SECONDS: "3600",
};

describe("with one healthy account left the client sees no failure", () => {
  for (const { name, moment, act, times = 1, state } of HIDDEN) {
    test(`${name} (${moment.replaceAll("_", " ")})`, async () => {
      const service = await startService({ env: FAST });
      try {
        // The conversation is on account 0, so that the fault meets it first.
        const headers = { "session-id": "conversation-1" };
        const first = await service.turn({ headers });
        expect(isWhole(first.text)).toBe(true);
        const held = service.simulator.accounts().findIndex((account) => account.turns > 0);
        service.simulator.addFault({ moment, act, times, when: { account: held } });
        const second = await service.turn({ headers });
        expect(second.status).toBe(200);
        expect(isWhole(second.text)).toBe(true);
        expect(second.text.match(/response\.created"/g)).toHaveLength(
          first.text.match(/response\.created"/g)!.length,
        );
        expect(service.simulator.counters.faultsFired).toBe(times);
        expect(await stateOf(service, held)).toBe(state);
        expect(await stateOf(service, 1 - held)).toBe("active");
        expect(service.simulator.counters.openRequests).toBe(0);
      } finally {
        await service.stop();
      }
    });
  }
});

describe("a request at fault is answered by upstream's own words and blames no account", () => {
  const names = [
    "bad_request",
    "context_length_exceeded",
    "cyber_policy",
    "payload_too_large",
    "unprocessable",
  ] as const;
  let service: RunningService;
  beforeAll(async () => {
    service = await startService({ env: FAST });
  });
  afterAll(() => service.stop());
  for (const name of names) {
    test(name, async () => {
      service.simulator.clearRequests();
      service.simulator.addFault({ act: error(name) });
      const { status, text } = await service.turn();
      expect(status).toBeGreaterThanOrEqual(400);
      expect(status).toBeLessThan(500);
      expect(text).not.toContain("codex-lb");
      expect(service.simulator.requests.filter((entry) => entry.route === "responses")).toHaveLength(1);
      expect([await stateOf(service, 0), await stateOf(service, 1)]).toEqual(["active", "active"]);
    });
  }
});

describe("after something was shown there is no retry, but a terminal event", () => {
  const cases: [string, FaultAct][] = [
    ["reset", { kind: "reset" }],
    ["closed", { kind: "cut" }],
    ["ended early", { kind: "end" }],
  ];
  for (const [name, act] of cases) {
    test(name, async () => {
      const service = await startService({ env: FAST });
      try {
        service.simulator.addFault({ moment: "after_text", act });
        const { status, text } = await service.turn();
        expect(status).toBe(200);
        expect(text).toContain("response.output_text.delta");
        const last = text.trimEnd().split("\n\n").at(-1)!;
        expect(last).toStartWith("event: response.failed\ndata: ");
        expect(JSON.parse(last.split("\ndata: ")[1]!).response.error.message).toContain("please retry");
        expect(service.simulator.counters.byRoute.responses).toBe(1);
      } finally {
        await service.stop();
      }
    });
  }
});

describe("when nobody can serve", () => {
  test("a spent pool is one 429 with the earliest reset and no plan", async () => {
    const service = await startService({ env: FAST });
    try {
      service.simulator.addFault({
        act: error("usage_limit_reached", { resetsInSeconds: 7200 }),
        when: { account: 0 },
        times: null,
      });
      service.simulator.addFault({
        act: error("usage_limit_reached", { resetsInSeconds: 3600 }),
        when: { account: 1 },
        times: null,
      });
      const reply = await service.fetch("/backend-api/codex/responses", {
        method: "POST",
        body: JSON.stringify(TURN_BODY),
      });
      const { error: body } = (await reply.json()) as { error: Record<string, unknown> };
      expect(reply.status).toBe(429);
      expect(body.type).toBe("usage_limit_reached");
      expect(body).not.toHaveProperty("plan_type");
      const inSeconds = Number(body.resets_at) - Date.now() / 1000;
      expect(inSeconds).toBeGreaterThan(3_500);
      expect(inSeconds).toBeLessThan(3_700);
      expect(reply.headers.get("x-codex-promo-message")).toBe("All 2 pooled accounts are at their limit");
      // Known to be spent, they are not asked again.
      const asked = service.simulator.counters.byRoute.responses;
      await service.turn();
      expect(service.simulator.counters.byRoute.responses).toBe(asked);
    } finally {
      await service.stop();
    }
  });

  test("an empty pool is a 400 that names the remedy", async () => {
    const service = await startService({ imported: 0, env: FAST });
    try {
      const { status, text } = await service.turn();
      expect(status).toBe(400);
      expect(JSON.parse(text).error).toMatchObject({ code: "no_accounts" });
      expect(text).toContain("codex-lb import");
    } finally {
      await service.stop();
    }
  });

  test("an outage of upstream is a stream that fails at once, not a 5xx", async () => {
    const service = await startService({ env: FAST });
    try {
      service.simulator.addFault({ act: error("bad_gateway"), times: null });
      const { status, text } = await service.turn();
      expect(status).toBe(200);
      expect(text).toStartWith("event: response.failed\n");
      expect(text).toContain("codex-lb: OpenAI");
    } finally {
      await service.stop();
    }
  });
});

test("fifteen accounts that fail in every way do not hide the one that can serve", async () => {
  const service = await startService({ accounts: Array.from({ length: 16 }, () => ({})), env: FAST });
  try {
    const acts: FaultAct[] = [error("server_error"), { kind: "reset" }, error("rate_limit_exceeded")];
    for (let account = 0; account < 15; account++) {
      service.simulator.addFault({ act: acts[account % acts.length]!, when: { account }, times: null });
    }
    for (let turn = 0; turn < 2; turn++) expect(isWhole((await service.turn()).text)).toBe(true);
  } finally {
    await service.stop();
  }
});
