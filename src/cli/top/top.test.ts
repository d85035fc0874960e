/** Claims about the screen of `codex-lb top`: what it knows after events and keys, how it is drawn, what is written for a change. */
import { beforeEach, describe, expect, test } from "bun:test";
import type { AccountSummary } from "../../http/account-views.ts";
import {
  type FinishedRequest,
  initialState,
  onKey,
  onLiveEvent,
  shownAccounts,
  spendPerMinute,
  type TopState,
} from "./model.ts";
import { changes, keysOf } from "./screen.ts";
import { renderTop } from "./view.ts";

const NOW_MS = Date.UTC(2026, 10, 20, 12);
let state: TopState;
beforeEach(() => {
  state = initialState("http://127.0.0.1:2455");
  state.accounts = [account("b", 20), account("a", 90, "paused"), account("c", 55)];
});

function account(name: string, usedPercent: number, status = "active"): AccountSummary {
  const resetAt = new Date(NOW_MS + 3_600_000).toISOString();
  return {
    accountId: `acc_${name}`,
    displayName: `${name}@example.com`,
    email: `${name}@example.com`,
    planType: "plus",
    status,
    statusReason: null,
    statusUntil: null,
    inFlight: 0,
    windows: [{ key: "all:300", minutes: 300, usedPercent, resetAt, scope: "all" }],
    requestUsage: { requestCount: usedPercent },
  } as unknown as AccountSummary;
}

function finished(id: string, more: Partial<FinishedRequest> = {}): FinishedRequest {
  return {
    requestId: id,
    requestedAt: new Date(NOW_MS - 1000).toISOString(),
    accountId: "acc_b",
    apiKeyName: null,
    model: "gpt-5.5",
    status: "ok",
    attempts: [{}],
    tokens: 1234,
    costUsd: 0.5,
    latencyMs: 900,
    ...more,
  } as FinishedRequest;
}

const render = (columns = 80, rows: number | null = 24) =>
  renderTop(state, { columns, rows, colour: false, nowMs: NOW_MS });
const ids = () => shownAccounts(state).map(({ accountId }) => accountId.slice(4));
const press = (...keys: string[]) => keys.map((key) => onKey(state, key));

describe("events", () => {
  test("a request runs until its end, and then counts for the last minute", () => {
    const started = {
      requestId: "r",
      requestedAt: new Date(NOW_MS - 700).toISOString(),
      model: "gpt-5.5",
      accountId: "acc_b",
    };
    onLiveEvent(state, "request_started", started);
    expect(render().join("\n")).toMatch(/gpt-5\.5 +b@example\.… +running +0\.7s/);
    onLiveEvent(state, "request_finished", { ...finished("r") });
    expect(state.running.size).toBe(0);
    expect(spendPerMinute(state, NOW_MS)).toBe(0.5);
    expect(spendPerMinute(state, NOW_MS + 60_000)).toBe(0);
  });

  test("what changes about an account is laid over it", () => {
    onLiveEvent(state, "account_changed", { accountId: "acc_b", status: "rate_limited", inFlight: 3 });
    expect(state.accounts[0]).toMatchObject({ status: "rate_limited", inFlight: 3, planType: "plus" });
  });

  test("thousands of requests leave a bounded state", () => {
    for (let index = 0; index < 3_000; index++) {
      onLiveEvent(state, "request_started", {
        requestId: `s${index}`,
        requestedAt: new Date(NOW_MS).toISOString(),
      });
      onLiveEvent(state, "request_finished", { ...finished(`f${index}`) });
    }
    expect(state.running.size).toBeLessThanOrEqual(500);
    expect(state.finished.length).toBeLessThanOrEqual(500);
    expect(state.finished[0]!.requestId).toBe("f2999");
  });
});

describe("keys", () => {
  test("s goes round the orders", () => {
    const orders = Array.from({ length: 5 }, () => (press("s"), ids().join("")));
    expect([ids().join(""), ...orders]).toEqual(["abc", "abc", "bca", "acb", "acb", "abc"]);
  });

  test("typing a filter narrows the list, Enter keeps it, Esc drops it", () => {
    press("f", "p", "a", "u", "x", "\u007f", "\r");
    expect(ids()).toEqual(["a"]);
    press("\u001b");
    expect(ids()).toHaveLength(3);
  });

  test("p pauses the chosen account; without one it says what to do", () => {
    expect(press("p")).toEqual([null]);
    expect(render().at(-1)).toContain("Choose an account first");
    expect(press("j", "j", "p").at(-1)).toMatchObject({ kind: "toggle", account: { accountId: "acc_c" } });
  });

  test("q and Ctrl-C leave, also while a filter is typed", () => {
    expect(press("q")).toEqual([{ kind: "quit" }]);
    expect(press("f", "q", "\u0003").at(-1)).toEqual({ kind: "quit" });
  });

  test("a burst of input is taken apart into keys", () => {
    expect(keysOf("j\u001b[A\u001bé")).toEqual(["j", "\u001b[A", "\u001b", "é"]);
  });
});

describe("the picture", () => {
  test.each([
    [80, 24],
    [60, 10],
    [200, 60],
  ])("fits %i×%i whatever happens", (columns, rows) => {
    for (let index = 0; index < 90; index++) {
      state.accounts.push(account(`${"很长的名字".repeat(9)}${index}`, index));
      onLiveEvent(state, "request_finished", {
        ...finished(`${index}`, { model: "m".repeat(90), apiKeyName: "k\u001b[2J".repeat(9) }),
      });
    }
    state.today = { requests: 1e6, tokens: 9e12, costUsd: 123_456 };
    const lines = render(columns, rows);
    expect(lines).toHaveLength(rows);
    for (const line of lines) expect(Bun.stringWidth(line)).toBeLessThanOrEqual(columns);
    expect(lines.join("")).not.toContain("\u001b");
  });

  test("the chosen account stays in view in a long list", () => {
    for (let index = 0; index < 60; index++) state.accounts.push(account(`x${index}`, 1));
    for (let index = 0; index < 50; index++) press("j");
    expect(render().some((line) => line.startsWith("▸ "))).toBe(true);
  });

  test("only lines that changed are written", () => {
    const before = render();
    state.message = "said";
    const after = render();
    expect(changes(before, after)).toBe(`\x1b[24;1H${after[23]}\x1b[K`);
    expect(changes(after, after)).toBe("");
  });
});
