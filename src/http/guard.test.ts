/** Claims about who gets into the admin API, and as what. */
import { describe, expect, test } from "bun:test";
import { Secret } from "../core/secret.ts";
import { createLocate } from "./locality.ts";
import { admit, createGuard, NO_SIGN_IN, type SessionAnswer, type SignIn } from "./guard.ts";

const TOKEN = "right-token";

function ask(options: {
  token?: boolean;
  peer?: string;
  headers?: Record<string, string>;
  signIn?: Partial<SignIn>;
}) {
  const guard = createGuard({
    adminToken: options.token === false ? null : new Secret(TOKEN),
    signIn: { ...NO_SIGN_IN, ...options.signIn },
  });
  const headers = { host: "127.0.0.1:2455", ...options.headers };
  const request = new Request("http://127.0.0.1:2455/api/accounts", { headers });
  const locate = createLocate({ trustedProxies: [], tls: false });
  return guard.ask(request, locate(request, options.peer ?? "127.0.0.1"));
}
const session = (answer: SessionAnswer, passwordSet = true): Partial<SignIn> => ({
  sessionOf: () => answer,
  passwordSet: () => passwordSet,
});
const admin: SessionAnswer = { kind: "signed_in", sessionId: "s1", role: "admin" };

describe("with an admin token", () => {
  const cases: [string, Parameters<typeof ask>[0], string][] = [
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
  const cases: [string, Parameters<typeof ask>[0], string][] = [
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
    expect(ask({ token: false, peer: "192.168.1.7" }).missing).toBe("bootstrap_required");
  });
});

describe("a session", () => {
  test("of a guest may read and not write", () => {
    const guest = ask({ signIn: session({ kind: "signed_in", sessionId: "s2", role: "guest" }) });
    expect(() => admit(guest, "GET")).not.toThrow();
    expect(() => admit(guest, "POST")).toThrow(
      expect.objectContaining({ code: "read_only_access", status: 403 }),
    );
  });
  test("without its second factor is nobody yet", () => {
    const half = ask({ signIn: session({ kind: "totp_required" }) });
    expect(() => admit(half, "GET")).toThrow(expect.objectContaining({ code: "totp_required", status: 401 }));
  });
  test("does not work from another site's page", () => {
    expect(ask({ signIn: session(admin), headers: { "sec-fetch-site": "same-site" } }).role).toBe("nobody");
  });
});
