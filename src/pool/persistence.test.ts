/** What the pool knows after a restart. */
import { afterEach, expect, test } from "bun:test";
import { type RunningService, startService } from "../testing/running-service.ts";

let service: RunningService | null = null;
afterEach(() => service?.stop());

interface Summary {
  accountId: string;
  planType: string;
  status: string;
  alias: string | null;
  models: string[] | null;
  creditsBalance: string | null;
  windows: { minutes: number; usedPercent: number }[];
  requestUsage: { requestCount: number; totalTokens: number };
}

async function accounts(): Promise<Summary[]> {
  return (await service!.adminJson<{ accounts: Summary[] }>("/api/accounts")).accounts;
}

/** Asked again until the models, which are read after an import, are there. */
async function withModels(): Promise<Summary[]> {
  for (;;) {
    const list = await accounts();
    if (list.every(({ models }) => models !== null)) return list;
    await Bun.sleep(10);
  }
}

test("windows, credits, plan, models, states, names and sums are what they were", async () => {
  service = await startService({
    accounts: [
      { models: ["gpt-5.5"], windows: [{ minutes: 300, usedPercent: 25 }] },
      { credits: { hasCredits: true, unlimited: false, balance: "12.5" } },
    ],
  });
  const [one, two] = service.accountIds;
  service.simulator.patchAccount(1, { planType: "pro" });
  for (const id of [one, two]) await service.adminJson(`/api/accounts/${id}/probe`, { method: "POST" });
  await service.adminJson(`/api/accounts/${one}/alias`, { method: "PUT", json: { alias: "Main" } });
  await service.turn();
  await service.adminJson(`/api/accounts/${two}/pause`, { method: "POST" });
  const before = await withModels();
  expect(before).toMatchObject([
    { alias: "Main", models: ["gpt-5.5"], status: "active" },
    { planType: "pro", creditsBalance: "12.5", status: "paused" },
  ]);
  expect(before.reduce((sum, { requestUsage }) => sum + requestUsage.requestCount, 0)).toBe(1);
  // Nothing can be asked again: what is shown afterwards is what was kept.
  service.simulator.addFault({ route: "usage", times: null, act: { kind: "reset" } });
  service.simulator.addFault({ route: "models", times: null, act: { kind: "reset" } });
  await service.restart();
  const kept = ({
    accountId,
    planType,
    status,
    alias,
    models,
    creditsBalance,
    windows,
    requestUsage,
  }: Summary) => ({
    accountId,
    planType,
    status,
    alias,
    models,
    creditsBalance,
    windows,
    requestUsage,
  });
  expect((await accounts()).map(kept)).toEqual(before.map(kept));
});

test("a conversation stays on its account", async () => {
  service = await startService({ accounts: [{}, {}, {}] });
  const turn = (session: string) => service!.turn({ headers: { "session-id": session } });
  const sessions = ["a", "b", "c", "d", "e", "f"];
  for (const session of sessions) await turn(session);
  const held = async () => {
    const lists = service!.accountIds.map((id) =>
      service!.adminJson<{ sessions: { id: string }[] }>(`/api/accounts/${id}/sessions`),
    );
    return (await Promise.all(lists)).map(({ sessions: list }) =>
      list
        .map(({ id }) => id)
        .filter((id) => id.startsWith("session:"))
        .toSorted(),
    );
  };
  const before = await held();
  expect(before.flat().toSorted()).toEqual(sessions.map((session) => `session:${session}`));
  await service.restart();
  expect(await held()).toEqual(before);
  for (const session of sessions) await turn(session);
  expect(await held()).toEqual(before);
});

test("a deleted account is gone, with everything it held", async () => {
  service = await startService();
  const [one, two] = service.accountIds;
  await service.turn({ headers: { "session-id": "a" } });
  await service.admin(`/api/accounts/${one}`, { method: "DELETE" });
  await service.restart();
  expect((await accounts()).map(({ accountId }) => accountId)).toEqual([two!]);
  expect((await service.turn({ headers: { "session-id": "a" } })).status).toBe(200);
});

test("a stop in the middle of reading a new account harms nothing", async () => {
  service = await startService({ accounts: [{}], imported: 0 });
  service.simulator.addFault({ route: "models", act: { kind: "delay", delayMs: 300 } });
  await service.importAccount(0);
  await service.restart();
  expect(await accounts()).toHaveLength(1);
});
