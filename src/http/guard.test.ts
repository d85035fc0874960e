/** Claims about who gets into the admin API, and as what. */
import { describe, expect, test } from "bun:test";
import { parseCidrList } from "../core/cidr.ts";
import { Secret } from "../core/secret.ts";
import { createLocate } from "./locality.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createThrottle } from "../pool/throttle.ts";
import {
  admit,
  CLI_TOKEN_PREFIX,
  createGuard,
  type Asker,
  type Role,
  type SessionAnswer,
  type SignIn,
} from "./guard.ts";

const TOKEN = "right-token";
const CLI_TOKEN = `${CLI_TOKEN_PREFIX}of-this-run`;

/** While there is no sign-in: no sessions, no password. */
const NO_SIGN_IN: SignIn = {
  sessionOf: () => ({ kind: "none" }),
  passwordSet: () => false,
  totpConfigured: () => false,
  confirm: () => Promise.resolve(),
};

interface Options {
  token?: boolean;
  peer?: string;
  headers?: Record<string, string>;
  signIn?: Partial<SignIn>;
}

function createAsking({ token, signIn }: Options) {
  const guard = createGuard({
    adminToken: token === false ? null : new Secret(TOKEN),
    cliToken: new Secret(CLI_TOKEN),
    userHeader: "x-remote-user",
    signIn: { ...NO_SIGN_IN, ...signIn },
    throttle: createThrottle(createFakeClock()),
    tokenRefused: () => {},
  });
  const locate = createLocate({ trustedProxies: parseCidrList("10.0.0.0/8"), tls: false });
  return (options: Options) => {
    const request = requestFor("GET", "/api/accounts", options.headers);
    return guard.ask(request, locate(request, options.peer ?? "127.0.0.1"));
  };
}

function requestFor(method: string, path: string, headers: Record<string, string> = {}): Request {
  return new Request(`http://127.0.0.1:2455${path}`, {
    method,
    headers: { host: "127.0.0.1:2455", ...headers },
  });
}

const ask = (options: Options) => createAsking(options)(options);
const session = (answer: SessionAnswer, passwordSet = true): Partial<SignIn> => ({
  sessionOf: () => answer,
  passwordSet: () => passwordSet,
});
const admin: SessionAnswer = { kind: "signed_in", sessionId: "s1", role: "admin" };

describe("with an admin token", () => {
  const cases: [string, Options, string][] = [
    [
      "its holder is admin, from anywhere",
      { headers: { authorization: `Bearer ${TOKEN}` }, peer: "203.0.113.9" },
      "admin",
    ],
    ["the scheme's case does not matter", { headers: { authorization: `bearer ${TOKEN}` } }, "admin"],
    [
      "a wrong token is nobody, even on this machine",
      { headers: { authorization: "Bearer wrong" } },
      "nobody",
    ],
    [
      "a wrong token is nobody, even with a session",
      { headers: { authorization: "Bearer wrong" }, signIn: session(admin) },
      "nobody",
    ],
    ["nothing is nobody, even on this machine", {}, "nobody"],
    ["a session still counts", { signIn: session(admin), peer: "203.0.113.9" }, "admin"],
  ];
  test.each(cases)("%s", (_, options, role) => {
    expect(ask(options).role).toBe(role as never);
  });
});

describe("without token and password", () => {
  const cases: [string, Options, string][] = [
    ["this machine is admin", {}, "admin"],
    ["over IPv6 too", { peer: "::1", headers: { host: "[::1]:2455" } }, "admin"],
    ["by name too", { headers: { host: "localhost:2455" } }, "admin"],
    ["another machine is nobody", { peer: "192.168.1.7" }, "nobody"],
    [
      "a name that was rebound to this machine is nobody",
      { headers: { host: "evil.example.com" } },
      "nobody",
    ],
    [
      "a reverse proxy on this machine is nobody",
      { headers: { "x-forwarded-for": "203.0.113.9" } },
      "nobody",
    ],
    ["another site's page is nobody", { headers: { "sec-fetch-site": "cross-site" } }, "nobody"],
    ["another origin is nobody", { headers: { origin: "https://evil.example.com" } }, "nobody"],
    ["an opaque origin is nobody", { headers: { origin: "null" } }, "nobody"],
    [
      "our own page is admin",
      { headers: { origin: "http://127.0.0.1:2455", "sec-fetch-site": "same-origin" } },
      "admin",
    ],
    ["a set password ends it", { signIn: session({ kind: "none" }) }, "nobody"],
  ];
  test.each(cases)("%s", (_, options, role) => {
    expect(ask({ token: false, ...options }).role).toBe(role as never);
  });
  test("a stranger learns that a first password is needed", () => {
    expect(ask({ token: false, peer: "192.168.1.7" }).refusal.code).toBe("bootstrap_required");
  });
});

test("the command line's token is admin while an admin token is set, and while none is", () => {
  const headers = { authorization: `Bearer ${CLI_TOKEN}` };
  for (const token of [true, false]) expect(ask({ token, headers, peer: "192.0.2.7" }).actor).toBe("cli");
  const wrong = { authorization: `Bearer ${CLI_TOKEN_PREFIX}of-another-run` };
  expect(ask({ token: false, headers: wrong }).role).toBe("nobody");
});

test("an API key in the header is no wrong token while no admin token is set", () => {
  expect(ask({ token: false, headers: { authorization: "Bearer sk-clb-abc" } }).role).toBe("admin");
});

describe("a reverse proxy", () => {
  const forwarded = { "x-forwarded-for": "203.0.113.9", "x-remote-user": "alice" };
  test.each<[string, Options, string]>([
    ["that is trusted vouches for a user", { peer: "10.0.0.1", headers: forwarded }, "admin"],
    [
      "that names nobody does not",
      { peer: "10.0.0.1", headers: { ...forwarded, "x-remote-user": " " } },
      "nobody",
    ],
    ["that is not trusted does not", { peer: "203.0.113.1", headers: forwarded }, "nobody"],
    ["is not played by a program on this machine", { headers: { "x-remote-user": "alice" } }, "nobody"],
  ])("%s", (_, options, role) => {
    expect(ask({ ...options, signIn: session({ kind: "none" }) }).role).toBe(role as never);
  });
});

describe("guessing the admin token", () => {
  const guess = (n: number) => ({ peer: "203.0.113.9", headers: { authorization: `Bearer guess-${n}` } });
  const right = { peer: "203.0.113.9", headers: { authorization: `Bearer ${TOKEN}` } };

  test("soon has to wait, and the right one has to as well: it may be the next guess", () => {
    const asking = createAsking({});
    for (let n = 0; n < 5; n++) expect(asking(guess(n)).refusal.code).toBe("authentication_required");
    expect(asking(guess(5)).refusal).toMatchObject({
      code: "rate_limited",
      status: 429,
      retryAfterSeconds: 1,
    });
    expect(asking(right).role).toBe("nobody");
  });

  test("locks neither out who held the right one before, nor another address", () => {
    const asking = createAsking({});
    asking(right);
    for (let n = 0; n < 9; n++) asking(guess(n));
    expect(asking(right).role).toBe("admin");
    expect(asking({ ...right, peer: "203.0.113.10" }).role).toBe("admin");
  });
});

describe("admission", () => {
  const someone = (role: Role, more: Partial<Asker> = {}) => ({
    ...ask({ peer: "192.0.2.7" }),
    role,
    ...more,
  });
  const code = (asker: Asker, method: string, path: string) => {
    try {
      admit(asker, requestFor(method, path));
      return "admitted";
    } catch (error) {
      return (error as { code: string }).code;
    }
  };
  test.each<[Role, string, string, string]>([
    ["admin", "DELETE", "/api/accounts/acc_1", "admitted"],
    ["guest", "GET", "/api/accounts", "admitted"],
    ["guest", "POST", "/api/accounts/import", "read_only_access"],
    ["guest", "GET", "/api/audit-logs", "read_only_access"],
    ["guest", "GET", "/api/dashboard-auth/sessions/", "read_only_access"],
    ["guest", "GET", "/api/dashboard-auth/session", "admitted"],
    ["guest", "POST", "/api/dashboard-auth/logout", "admitted"],
    ["nobody", "GET", "/api/accounts", "authentication_required"],
    ["nobody", "GET", "/api/dashboard-auth/session/", "admitted"],
    ["nobody", "POST", "/api/dashboard-auth/password/login", "admitted"],
    ["nobody", "GET", "/api/dashboard-auth/password/login", "authentication_required"],
    ["nobody", "POST", "/api/dashboard-auth/password/change", "authentication_required"],
    ["nobody", "GET", "/api/dashboard-auth/session/../../accounts", "authentication_required"],
  ])("%s, %s %s: %s", (role, method, path, expected) => {
    expect(code(someone(role), method, path)).toBe(expected);
  });
  test("a page of another site changes nothing, not even who is signed in", () => {
    const foreign = someone("nobody", { fromForeignPage: true });
    for (const method of ["POST", "PUT", "PATCH", "DELETE"])
      expect(code(foreign, method, "/api/dashboard-auth/logout")).toBe("cross_origin_refused");
  });
});

describe("a session", () => {
  test("without its second factor is nobody yet", () => {
    const half = ask({ signIn: session({ kind: "totp_required" }) });
    expect(half).toMatchObject({ role: "nobody", refusal: { code: "totp_required", status: 401 } });
  });
  test("does not work from another site's page", () => {
    expect(ask({ signIn: session(admin), headers: { "sec-fetch-site": "same-site" } }).role).toBe("nobody");
  });
});
