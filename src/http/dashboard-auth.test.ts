/** Claims about signing in, over HTTP against the whole service: first run, password, second factor, sessions, guests, guessing. */
import { afterEach, describe, expect, test } from "bun:test";
import { generateSync } from "otplib";
import { systemClock } from "../ports.ts";
import { type RunningService, startService, TEST_ADMIN_TOKEN } from "../testing/running-service.ts";
import { BEHIND_PROXY, createVisitor, NO_ADMIN_TOKEN, type Visitor } from "../testing/visitor.ts";

const PASSWORD = "correct horse battery";
const OTHER_PASSWORD = "another long password";
const ELSEWHERE = "203.0.113.9";
const AUTH = "/api/dashboard-auth";

let service: RunningService;
/** Added to the service's clock. */
let laterMs = 0;
afterEach(async () => {
  laterMs = 0;
  await service.stop();
});

async function start(env: Record<string, string> = {}) {
  service = await startService({
    imported: 1,
    env: { ...NO_ADMIN_TOKEN, ...BEHIND_PROXY, ...env },
    ports: { clock: { ...systemClock, now: () => Date.now() + laterMs } },
  });
}

const local = () => createVisitor(service);
const stranger = () => createVisitor(service, { from: ELSEWHERE });

async function withPassword(env: Record<string, string> = {}): Promise<Visitor> {
  await start(env);
  const owner = local();
  expect((await owner.ask("POST", `${AUTH}/password/setup`, { password: PASSWORD })).code).toBe("ok");
  return owner;
}

async function signedIn(visitor: Visitor, password = PASSWORD): Promise<Visitor> {
  expect((await visitor.ask("POST", `${AUTH}/password/login`, { password })).status).toBe(200);
  return visitor;
}

/** Switches the second factor on; the step of the code that did it is used up. */
async function withTotp(owner: Visitor): Promise<{ secret: string; recoveryCodes: string[] }> {
  const { body } = await owner.ask("POST", `${AUTH}/totp/setup/start`, {});
  const secret = body.secret as string;
  const confirmed = await owner.ask("POST", `${AUTH}/totp/setup/confirm`, { secret, code: codeOf(secret) });
  expect(confirmed.code).toBe("ok");
  return { secret, recoveryCodes: confirmed.body.recoveryCodes as string[] };
}

/** `steps` of 30 seconds from now. */
function codeOf(secret: string, steps = 0): string {
  return generateSync({ secret, epoch: Math.floor((Date.now() + laterMs) / 1000) + steps * 30 });
}

function bootstrapToken(): string | undefined {
  return /#bootstrap=([\w-]+)/.exec(service.lines.join(""))?.[1];
}

describe("the first run", () => {
  test("on this machine everything is open, and nothing in the log is a way in", async () => {
    await start();
    const owner = local();
    expect((await owner.ask("GET", "/api/accounts")).status).toBe(200);
    expect((await owner.ask("GET", `${AUTH}/session`)).body).toMatchObject({
      authenticated: true,
      passwordRequired: false,
      bootstrapRequired: false,
      role: "admin",
    });
    expect(bootstrapToken()).toBeUndefined();
  });

  test("from elsewhere nothing answers, and the one-time link in the log sets the password once", async () => {
    await start();
    const visitor = stranger();
    expect(await visitor.ask("GET", "/api/accounts")).toMatchObject({
      status: 401,
      code: "bootstrap_required",
    });
    expect((await visitor.ask("GET", `${AUTH}/session`)).body).toMatchObject({
      authenticated: false,
      bootstrapRequired: true,
      role: null,
    });
    await visitor.ask("GET", `${AUTH}/session`);
    expect(service.lines.filter((line) => line.includes("#bootstrap="))).toHaveLength(1);

    const setUp = (bootstrap: string | undefined) =>
      visitor.ask("POST", `${AUTH}/password/setup`, { password: PASSWORD, bootstrapToken: bootstrap });
    expect(await setUp(undefined)).toMatchObject({ status: 401, code: "bootstrap_required" });
    expect(await setUp("wrong")).toMatchObject({ status: 401, code: "bootstrap_required" });
    expect(await setUp(bootstrapToken())).toMatchObject({
      status: 200,
      body: { authenticated: true, role: "admin" },
    });
    expect((await visitor.ask("GET", "/api/accounts")).status).toBe(200);
    expect(await setUp(bootstrapToken())).toMatchObject({ status: 409, code: "password_already_set" });
  });

  test("the link opens nothing twice: when the password is removed there is another one", async () => {
    await start();
    const visitor = stranger();
    const setUp = (bootstrap: string | undefined) =>
      visitor.ask("POST", `${AUTH}/password/setup`, { password: PASSWORD, bootstrapToken: bootstrap });
    await visitor.ask("GET", `${AUTH}/session`);
    const first = bootstrapToken();
    expect((await setUp(first)).status).toBe(200);
    expect((await visitor.ask("DELETE", `${AUTH}/password`, { password: PASSWORD })).status).toBe(200);
    expect(await setUp(first)).toMatchObject({ status: 401, code: "bootstrap_required" });
    await visitor.ask("GET", `${AUTH}/session`);
    const [, second] = [...service.lines.join("").matchAll(/#bootstrap=([\w-]+)/g)].map(([, token]) => token);
    expect((await setUp(second)).status).toBe(200);
  });

  test("a token from the environment is not repeated in the log", async () => {
    await start({ CODEX_LB_DASHBOARD_BOOTSTRAP_TOKEN: "token-of-the-operator" });
    const visitor = stranger();
    await visitor.ask("GET", `${AUTH}/session`);
    const body = { password: PASSWORD, bootstrapToken: "token-of-the-operator" };
    expect((await visitor.ask("POST", `${AUTH}/password/setup`, body)).status).toBe(200);
    expect(service.lines.join("")).not.toContain("token-of-the-operator");
  });

  test("with an admin token nothing anonymous passes, not even here", async () => {
    await start({ CODEX_LB_ADMIN_API_TOKEN: TEST_ADMIN_TOKEN });
    expect(await local().ask("GET", "/api/accounts")).toMatchObject({
      status: 401,
      code: "authentication_required",
    });
    expect((await local().ask("GET", `${AUTH}/session`)).body).toMatchObject({ bootstrapRequired: true });
  });

  test.each(["short", "x".repeat(257), ""])("the password %p is refused", async (password) => {
    await start();
    expect((await local().ask("POST", `${AUTH}/password/setup`, { password })).code).toBe("validation_error");
  });
});

describe("a password", () => {
  test("closes this machine as well, and opens everything from anywhere", async () => {
    await withPassword();
    expect(await local().ask("GET", "/api/accounts")).toMatchObject({
      status: 401,
      code: "authentication_required",
    });
    const visitor = stranger();
    expect(await visitor.ask("POST", `${AUTH}/password/login`, { password: `${PASSWORD}x` })).toMatchObject({
      status: 401,
      code: "invalid_password",
    });
    await signedIn(visitor);
    expect((await visitor.ask("GET", "/api/accounts")).status).toBe(200);
  });

  test("is changed by its holder only; every other session ends, and the own one gets a new id", async () => {
    const owner = await withPassword();
    const elsewhere = await signedIn(stranger());
    const change = (currentPassword: string) =>
      owner.ask("POST", `${AUTH}/password/change`, { currentPassword, newPassword: OTHER_PASSWORD });
    expect(await change("wrong password!")).toMatchObject({ status: 403, code: "invalid_password" });
    const before = owner.cookie;
    expect((await change(PASSWORD)).status).toBe(200);
    expect(owner.cookie).not.toBe(before);
    expect((await owner.ask("GET", "/api/accounts")).status).toBe(200);
    expect((await elsewhere.ask("GET", "/api/accounts")).status).toBe(401);
    const thief = stranger();
    thief.cookie = before;
    expect((await thief.ask("GET", "/api/accounts")).status).toBe(401);
  });

  test("is removed by its holder only, and then this machine alone is open again", async () => {
    const owner = await withPassword();
    expect((await owner.ask("DELETE", `${AUTH}/password`, {})).code).toBe("password_required");
    expect((await owner.ask("DELETE", `${AUTH}/password`, { password: "wrong" })).code).toBe(
      "invalid_password",
    );
    expect((await owner.ask("DELETE", `${AUTH}/password`, { password: PASSWORD })).code).toBe("ok");
    expect((await local().ask("GET", "/api/accounts")).status).toBe(200);
    expect((await stranger().ask("GET", "/api/accounts")).code).toBe("bootstrap_required");
  });

  test("is asked for again before a login leaves, and must exist for that", async () => {
    await start();
    const owner = local();
    const exported = (password?: string) =>
      owner.ask("POST", `/api/accounts/${service.accountIds[0]}/export/auth`, { password });
    expect(await exported()).toMatchObject({ status: 403, code: "password_not_set" });
    await owner.ask("POST", `${AUTH}/password/setup`, { password: PASSWORD });
    expect(await exported()).toMatchObject({ status: 403, code: "password_required" });
    expect(await exported("wrong")).toMatchObject({ status: 403, code: "invalid_password" });
    const file = await exported(PASSWORD);
    expect(file.text).toContain("refresh_token");
    expect(file.headers.get("cache-control")).toBe("no-store");
  });
});

describe("a session", () => {
  test("is a new one at each sign-in, whatever cookie came: a planted one is never signed in", async () => {
    await withPassword();
    const visitor = stranger();
    visitor.cookie = "planted-by-an-attacker";
    await signedIn(visitor);
    expect(visitor.cookie).not.toBe("planted-by-an-attacker");
    const attacker = stranger();
    attacker.cookie = "planted-by-an-attacker";
    expect((await attacker.ask("GET", "/api/accounts")).status).toBe(401);
  });

  test("has a cookie that no script reads and no other site sends, over TLS only where there is TLS", async () => {
    await withPassword();
    const cookieFor = async (headers: Record<string, string>) => {
      const reply = await stranger().ask("POST", `${AUTH}/password/login`, { password: PASSWORD }, headers);
      return reply.headers.get("set-cookie")!;
    };
    const plain = await cookieFor({});
    for (const flag of ["HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"]) expect(plain).toContain(flag);
    expect(plain).not.toContain("Secure");
    expect(await cookieFor({ "x-forwarded-proto": "https" })).toContain("Secure");
  });

  test("ends after three hours without use, and after twelve with", async () => {
    const idle = await withPassword();
    const busy = await signedIn(stranger());
    for (let hours = 2; hours < 12; hours += 2) {
      laterMs = hours * 3_600_000;
      expect((await busy.ask("GET", "/api/accounts")).status).toBe(200);
    }
    expect((await idle.ask("GET", "/api/accounts")).status).toBe(401);
    laterMs = 12 * 3_600_000;
    expect((await busy.ask("GET", "/api/accounts")).status).toBe(401);
  });

  test("is listed with where it is from, and revoked alone or with all others", async () => {
    const owner = await withPassword();
    const [one, two] = [await signedIn(stranger()), await signedIn(stranger())];
    const list = async () =>
      (await owner.ask("GET", `${AUTH}/sessions`)).body.sessions as Record<string, unknown>[];
    expect(await list()).toHaveLength(3);
    expect((await list()).filter(({ current }) => current)).toEqual([
      expect.objectContaining({ role: "admin", clientIp: "127.0.0.1" }),
    ]);
    expect(JSON.stringify(await list())).not.toContain(one.cookie!);
    const theirs = (await list()).find(({ clientIp }) => clientIp === ELSEWHERE)!;
    expect((await owner.ask("DELETE", `${AUTH}/sessions/${theirs.id as string}`)).status).toBe(204);
    expect((await owner.ask("DELETE", `${AUTH}/sessions/${theirs.id as string}`)).code).toBe(
      "session_not_found",
    );
    await owner.ask("DELETE", `${AUTH}/sessions`);
    for (const other of [one, two]) expect((await other.ask("GET", "/api/accounts")).status).toBe(401);
    expect((await owner.ask("GET", "/api/accounts")).status).toBe(200);
  });

  test("survives a restart, and ends when its holder signs out", async () => {
    const owner = await withPassword();
    await service.restart();
    expect((await owner.ask("GET", "/api/accounts")).status).toBe(200);
    const { cookie } = owner;
    await owner.ask("POST", `${AUTH}/logout`);
    expect(owner.cookie).toBeNull();
    owner.cookie = cookie;
    expect((await owner.ask("GET", "/api/accounts")).status).toBe(401);
  });
});

describe("the second factor", () => {
  test("is asked for after the password; a code works once, and the session's id changes", async () => {
    const owner = await withPassword();
    const { secret } = await withTotp(owner);
    const visitor = stranger();
    const login = await visitor.ask("POST", `${AUTH}/password/login`, { password: PASSWORD });
    expect(login.body).toMatchObject({ authenticated: false, totpPending: true, role: null });
    expect((await visitor.ask("GET", "/api/accounts")).code).toBe("totp_required");
    const half = visitor.cookie;
    const verify = (code: string) => visitor.ask("POST", `${AUTH}/totp/verify`, { code });
    expect(await verify("000000")).toMatchObject({ status: 401, code: "totp_invalid_code" });
    // The confirmation used up the present step.
    expect(await verify(codeOf(secret))).toMatchObject({ status: 401, code: "totp_invalid_code" });
    expect((await verify(codeOf(secret, 1))).status).toBe(200);
    expect(visitor.cookie).not.toBe(half);
    expect((await visitor.ask("GET", "/api/accounts")).status).toBe(200);
    const thief = await signedIn(stranger());
    expect((await thief.ask("POST", `${AUTH}/totp/verify`, { code: codeOf(secret, 1) })).code).toBe(
      "totp_invalid_code",
    );
  });

  test("takes the step before and after, and none further off", async () => {
    const owner = await withPassword();
    const { secret } = await withTotp(owner);
    laterMs = 10 * 60_000;
    const trial = async (steps: number) => {
      const visitor = await signedIn(local());
      return (await visitor.ask("POST", `${AUTH}/totp/verify`, { code: codeOf(secret, steps) })).status;
    };
    expect([await trial(-2), await trial(2), await trial(-1), await trial(1)]).toEqual([401, 401, 200, 200]);
  });

  test("has ten recovery codes, each good once, however they are typed", async () => {
    const owner = await withPassword();
    const { recoveryCodes } = await withTotp(owner);
    expect(new Set(recoveryCodes).size).toBe(10);
    const use = async (code: string) => {
      const visitor = await signedIn(local());
      return (await visitor.ask("POST", `${AUTH}/totp/verify`, { code })).status;
    };
    expect(await use(recoveryCodes[0]!.toUpperCase().replaceAll("-", " "))).toBe(200);
    expect(await use(recoveryCodes[0]!)).toBe(401);
    expect(await use(recoveryCodes[1]!)).toBe(200);
  });

  test("is not switched on without a code, nor off, nor replaced", async () => {
    const owner = await withPassword();
    const { body } = await owner.ask("POST", `${AUTH}/totp/setup/start`, {});
    expect(body.qrSvgDataUri as string).toStartWith("data:image/svg+xml;base64,");
    expect(body.otpauthUri as string).toContain(`secret=${body.secret as string}`);
    const confirm = (fields: Record<string, string>) =>
      owner.ask("POST", `${AUTH}/totp/setup/confirm`, { secret: body.secret, code: "000000", ...fields });
    expect((await confirm({})).code).toBe("totp_invalid_code");
    const own = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
    expect((await confirm({ secret: own, code: codeOf(own) })).code).toBe("totp_setup_expired");
    const { secret } = await withTotp(owner);
    expect((await owner.ask("POST", `${AUTH}/totp/setup/start`, {})).code).toBe("totp_already_configured");
    expect(
      (await owner.ask("PUT", "/api/settings", { totpRequiredOnLogin: false })).body.totpRequiredOnLogin,
    ).toBe(true);
    expect((await owner.ask("POST", `${AUTH}/totp/disable`, { code: "000000" })).code).toBe(
      "totp_invalid_code",
    );
    expect((await owner.ask("POST", `${AUTH}/totp/disable`, { code: codeOf(secret, 1) })).code).toBe("ok");
    expect((await signedIn(stranger())).cookie).not.toBeNull();
  });
});

describe("guests", () => {
  async function guest(owner: Visitor): Promise<Visitor> {
    await owner.ask("PUT", "/api/settings", { guestAccessEnabled: true });
    await owner.ask("PUT", `${AUTH}/guest-password`, { password: OTHER_PASSWORD });
    return signedIn(stranger(), OTHER_PASSWORD);
  }

  test("look and do not change, and see no whole e-mail address", async () => {
    const owner = await withPassword();
    const visitor = await guest(owner);
    const email = ((await owner.ask("GET", "/api/accounts")).body.accounts as { email: string }[])[0]!.email;
    const seen = await visitor.ask("GET", "/api/accounts");
    expect(seen.status).toBe(200);
    expect(seen.text).toContain(`${email[0]}…@`);
    expect(seen.text).not.toContain(email);
    expect((await visitor.ask("PUT", "/api/settings", { guestAccessEnabled: false })).code).toBe(
      "read_only_access",
    );
    expect((await visitor.ask("GET", "/api/audit-logs")).code).toBe("read_only_access");
    expect((await visitor.ask("POST", `${AUTH}/password/change`, {})).code).toBe("read_only_access");
  });

  test("are out as soon as the switch is off, or their password changes", async () => {
    const owner = await withPassword();
    const visitor = await guest(owner);
    await owner.ask("PUT", "/api/settings", { guestAccessEnabled: false });
    expect((await visitor.ask("GET", "/api/accounts")).status).toBe(401);
    expect((await stranger().ask("POST", `${AUTH}/password/login`, { password: OTHER_PASSWORD })).code).toBe(
      "invalid_password",
    );
    await owner.ask("PUT", "/api/settings", { guestAccessEnabled: true });
    expect((await visitor.ask("GET", "/api/accounts")).status).toBe(200);
    await owner.ask("PUT", `${AUTH}/guest-password`, { password: null });
    expect((await visitor.ask("GET", "/api/accounts")).status).toBe(401);
  });
});

describe("guessing", () => {
  test("soon waits, whatever header is sent; neither the owner's machine nor another address is held up", async () => {
    await withPassword();
    const guess = (visitor: Visitor, headers: Record<string, string> = {}) =>
      visitor.ask("POST", `${AUTH}/password/login`, { password: "a wrong password" }, headers);
    for (let n = 0; n < 5; n++) expect((await guess(stranger())).status).toBe(401);
    const held = await guess(stranger());
    expect(held).toMatchObject({ status: 429, code: "rate_limited" });
    expect(Number(held.headers.get("retry-after"))).toBeGreaterThan(0);
    // A client in front of the proxy writes what it likes; the proxy appends the truth.
    const dodge = { "x-forwarded-for": `198.51.100.1, ${ELSEWHERE}`, "x-real-ip": "198.51.100.2" };
    expect((await guess(stranger(), dodge)).status).toBe(429);
    await signedIn(local());
    await signedIn(createVisitor(service, { from: "198.51.100.77" }));
  });

  test("at codes is held up as well, by the password's holder too", async () => {
    const owner = await withPassword();
    await withTotp(owner);
    const visitor = await signedIn(stranger());
    const statuses = [];
    for (let n = 0; n < 6; n++)
      statuses.push((await visitor.ask("POST", `${AUTH}/totp/verify`, { code: "000000" })).status);
    expect(statuses).toEqual([401, 401, 401, 401, 401, 429]);
    expect((await visitor.ask("POST", `${AUTH}/password/login`, { password: PASSWORD })).status).toBe(429);
  });
});

test("sign-ins, refusals and changes are in the audit log, with who and from where, without a secret", async () => {
  const owner = await withPassword();
  await stranger().ask("POST", `${AUTH}/password/login`, { password: "guessed-password" });
  await signedIn(stranger());
  const { text, body } = await owner.ask("GET", "/api/audit-logs");
  const entries = (body.logs as { action: string; actor: string; actorIp: string }[]).map(
    ({ action, actor, actorIp }) => `${action} ${actor} ${actorIp}`,
  );
  expect(entries).toEqual([
    `sign_in anonymous ${ELSEWHERE}`,
    `sign_in.refused anonymous ${ELSEWHERE}`,
    "password.set local 127.0.0.1",
    "account.import local 127.0.0.1",
  ]);
  for (const secret of [PASSWORD, "guessed-password"]) expect(text).not.toContain(secret);
});
