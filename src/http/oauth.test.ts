/** Claims about logging accounts in over the API, against the simulated issuer, and about logging them out. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type RunningService, startService } from "../testing/running-service.ts";

let service: RunningService;
beforeEach(async () => {
  service = await startService({ imported: 1 });
});
afterEach(() => service.stop());

type Fields = Record<string, never>;
const post = (path: string, json: unknown) => service.adminJson<Fields>(`/api/oauth/${path}`, { json });
const accounts = async () => (await service.adminJson<{ accounts: Fields[] }>("/api/accounts")).accounts;

async function refusal(path: string, json: unknown) {
  const reply = await service.admin(path, { json });
  return { status: reply.status, code: ((await reply.json()) as { error: { code: string } }).error.code };
}

test("a device login: code and address to show, pending, then the account", async () => {
  service.simulator.setLoginAccount(1);
  const flow = await post("start", {});
  expect(flow).toMatchObject({
    method: "device",
    intervalSeconds: 5,
    authorizationUrl: null,
    callbackUrl: null,
  });
  expect(Number(flow.expiresInSeconds)).toBeGreaterThan(800);
  expect(await post("complete", { flowId: flow.flowId })).toMatchObject({
    status: "pending",
    accountId: null,
  });
  service.simulator.approveDevice(flow.userCode!);
  expect(await post("complete", { flowId: flow.flowId })).toMatchObject({
    status: "success",
    errorMessage: null,
  });
  const { accountId } = await service.adminJson<Fields>(`/api/oauth/status?flowId=${flow.flowId}`);
  expect((await accounts()).map((account) => account.accountId)).toContain(accountId);
  expect(await service.adminJson("/api/oauth/status")).toMatchObject({ flowId: flow.flowId });
});

test("logging in again heals the account in place: id, name and settings stay, whatever imports may overwrite", async () => {
  const [id] = service.accountIds;
  await service.admin("/api/settings", { method: "PUT", json: { importWithoutOverwrite: true } });
  await service.admin(`/api/accounts/${id}/alias`, { method: "PUT", json: { alias: "Mine" } });
  service.simulator.patchAccount(0, { login: "token_invalidated" });
  await service.turn();
  const { authorizationUrl, flowId } = await post("start", { forceMethod: "browser", accountId: id });
  service.simulator.patchAccount(0, { login: "ok" });
  const callbackUrl = (await fetch(authorizationUrl!, { redirect: "manual" })).headers.get("location");
  expect(await post("manual-callback", { callbackUrl, flowId })).toMatchObject({
    status: "success",
    accountId: id,
  });
  expect(await accounts()).toEqual([
    expect.objectContaining({ accountId: id, alias: "Mine", status: "active", statusReason: null }),
  ]);
  expect((await service.turn()).status).toBe(200);
});

test("without naming the account, a login of a known one is a conflict while imports may not overwrite", async () => {
  await service.admin("/api/settings", { method: "PUT", json: { importWithoutOverwrite: true } });
  const { authorizationUrl, flowId } = await post("start", { forceMethod: "browser" });
  const callbackUrl = (await fetch(authorizationUrl!, { redirect: "manual" })).headers.get("location");
  expect(await post("manual-callback", { callbackUrl, flowId })).toMatchObject({
    status: "error",
    errorCode: "duplicate_identity_conflict",
  });
});

test("what cannot be is refused with a code", async () => {
  expect(await refusal("/api/oauth/start", { accountId: "acc_none" })).toEqual({
    status: 404,
    code: "account_not_found",
  });
  expect(await refusal("/api/oauth/start", { forceMethod: "carrier pigeon" })).toEqual({
    status: 422,
    code: "validation_error",
  });
  expect(await refusal("/api/oauth/cancel", { flowId: "none" })).toEqual({
    status: 404,
    code: "login_flow_not_found",
  });
  expect(await refusal("/api/oauth/manual-callback", { callbackUrl: "https://example.com" })).toEqual({
    status: 400,
    code: "invalid_callback_url",
  });
  const status = await service.admin("/api/oauth/status?flowId=none");
  expect(status.status).toBe(404);
  service.simulator.addFault({ route: "device", act: { kind: "status", status: 500, body: {} } });
  expect(await refusal("/api/oauth/start", { forceMethod: "device" })).toEqual({
    status: 502,
    code: "upstream_unavailable",
  });
});

test("deleting an account logs it out at OpenAI when asked, and stays when that fails", async () => {
  const [id] = service.accountIds;
  const remove = (query: string) => service.admin(`/api/accounts/${id}${query}`, { method: "DELETE" });
  const revocations = () => service.simulator.requests.filter(({ route }) => route === "revoke").length;
  service.simulator.addFault({ route: "revoke", act: { kind: "status", status: 503, body: {} } });
  expect((await remove("?revoke=true")).status).toBe(502);
  expect(await accounts()).toHaveLength(1);
  expect((await remove("?revoke=true")).status).toBe(204);
  expect([revocations(), await accounts()]).toEqual([2, []]);
  await service.importAccount(0);
  expect((await remove("")).status).toBe(204);
  expect(revocations()).toBe(2);
});
