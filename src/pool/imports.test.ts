/** A login that is imported again, over the whole service. */
import { afterEach, expect, test } from "bun:test";
import { type RunningService, startService } from "../testing/running-service.ts";

let service: RunningService;
afterEach(() => service.stop());

async function importFile(login: unknown): Promise<string> {
  const form = new FormData();
  form.set("auth_json", new File([JSON.stringify(login)], "auth.json"));
  const reply = await service.adminJson<{ status: string }>("/api/accounts/import", {
    method: "POST",
    body: form,
  });
  return reply.status;
}

async function account(): Promise<{ status: string; alias: string | null }> {
  const { accounts } = await service.adminJson<{ accounts: { status: string; alias: string | null }[] }>(
    "/api/accounts",
  );
  return accounts[0]!;
}

const refuseToken = () =>
  service.simulator.addFault({
    moment: "before_headers",
    act: { kind: "error", name: "token_expired" },
    times: 1,
  });

test("a file whose refresh token was used up since does not end the login", async () => {
  service = await startService({ accounts: [{}], imported: 0 });
  const file = service.simulator.issueAuthJson(0);
  await importFile(file);
  refuseToken();
  expect((await service.turn()).status).toBe(200);
  expect(service.simulator.counters.refreshes).toBe(1);
  await importFile(file);
  refuseToken();
  expect((await service.turn()).status).toBe(200);
  expect(service.simulator.counters).toMatchObject({ refreshes: 2, reuseDetections: 0 });
  expect((await account()).status).toBe("active");
  await service.restart();
  refuseToken();
  expect((await service.turn()).status).toBe(200);
  expect(service.simulator.counters).toMatchObject({ refreshes: 3, reuseDetections: 0 });
});

test("a new login of an account takes the place of its old one", async () => {
  service = await startService({ accounts: [{}], imported: 0 });
  await importFile(service.simulator.issueAuthJson(0));
  await importFile(service.simulator.issueAuthJson(0));
  refuseToken();
  expect((await service.turn()).status).toBe(200);
  expect(service.simulator.counters.reuseDetections).toBe(0);
});

test("any login takes the place of one that was lost", async () => {
  service = await startService({ accounts: [{}], imported: 0 });
  const older = service.simulator.issueAuthJson(0);
  await importFile(service.simulator.issueAuthJson(0));
  service.simulator.addFault({
    moment: "before_headers",
    act: { kind: "error", name: "token_revoked" },
    times: 1,
  });
  await service.turn();
  expect((await account()).status).toBe("reauth_required");
  expect(await importFile(older)).toBe("active");
  expect((await service.turn()).status).toBe(200);
});

test("a paused account stays paused, also after a restart", async () => {
  service = await startService({ accounts: [{}] });
  await service.admin(`/api/accounts/${service.accountIds[0]}/pause`, { method: "POST" });
  expect(await importFile(service.simulator.issueAuthJson(0))).toBe("paused");
  await service.restart();
  expect((await account()).status).toBe("paused");
});
