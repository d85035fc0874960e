/** Claims about where a request comes from, and what it cannot pretend. */
import { describe, expect, test } from "bun:test";
import { parseCidrList } from "../core/cidr.ts";
import { createLocate, isLoopbackHost } from "./locality.ts";

function locate(peerIp: string, headers: Record<string, string>, trusted = "") {
  const request = new Request("http://ignored.invalid/", { headers: { host: "127.0.0.1:2455", ...headers } });
  return createLocate({ trustedProxies: parseCidrList(trusted), tls: false })(request, peerIp);
}

describe("without trusted proxies", () => {
  test.each<[string, string, Record<string, string>, boolean]>([
    ["loopback peer, loopback name", "127.0.0.1", {}, true],
    ["the same over IPv6", "::1", { host: "[::1]:2455" }, true],
    ["a mapped address", "::ffff:127.0.0.1", { host: "localhost" }, true],
    ["another machine", "192.0.2.7", {}, false],
    ["another machine that claims a loopback name", "192.0.2.7", { host: "localhost" }, false],
    ["a name rebound to this machine", "127.0.0.1", { host: "rebound.example.com:2455" }, false],
    ["a name that only begins like one", "127.0.0.1", { host: "localhost.example.com" }, false],
    ["the address of every interface", "127.0.0.1", { host: "0.0.0.0:2455" }, false],
    ["two names", "127.0.0.1", { host: "127.0.0.1, rebound.example.com" }, false],
    ["a proxy in front", "127.0.0.1", { "x-forwarded-for": "127.0.0.1" }, false],
    ["a proxy that says so in another way", "127.0.0.1", { forwarded: "for=127.0.0.1" }, false],
  ])("%s: local is as expected", (_, peer, headers, isLocal) => {
    expect(locate(peer, headers)).toMatchObject({ ip: peer, isLocal });
  });

  test("no header changes the address or the scheme", () => {
    const headers = {
      "x-forwarded-for": "198.51.100.1",
      "x-real-ip": "198.51.100.2",
      forwarded: "for=198.51.100.3",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "localhost",
    };
    expect(locate("192.0.2.7", headers)).toEqual({
      ip: "192.0.2.7",
      isLocal: false,
      isSecure: false,
      host: "127.0.0.1:2455",
      viaTrustedProxy: false,
    });
  });
});

describe("behind a trusted proxy", () => {
  const trusted = "127.0.0.1, 10.0.0.0/8";
  test.each<[string, string, string]>([
    ["one hop", "203.0.113.9", "203.0.113.9"],
    ["what the client wrote in front is not believed", "127.0.0.1, 203.0.113.9", "203.0.113.9"],
    [
      "a chain of ours ends at the first stranger",
      "198.51.100.1, 203.0.113.9, 10.1.1.1, 10.2.2.2",
      "203.0.113.9",
    ],
    ["with a port", "203.0.113.9:51000", "203.0.113.9"],
    ["IPv6 with a port", "[2001:db8::9]:51000", "2001:db8::9"],
    ["an entry that is no address hides who it is", "203.0.113.9, unknown, 10.1.1.1", "10.1.1.1"],
    ["nothing but proxies: the outermost", "10.3.3.3, 10.1.1.1", "10.3.3.3"],
    ["empty", "", "127.0.0.1"],
  ])("%s", (_, forwardedFor, ip) => {
    expect(locate("127.0.0.1", { "x-forwarded-for": forwardedFor }, trusted)).toMatchObject({
      ip,
      isLocal: false,
    });
  });

  test.each<[string, string, string, boolean]>([
    ["on this machine", "127.0.0.1", "127.0.0.2", true],
    ["on another machine", "10.1.1.1", "127.0.0.2", false],
    ["on this machine behind one on another", "127.0.0.1", "127.0.0.2, 10.1.1.1", false],
  ])("a loopback address named by a proxy %s", (_, peer, forwardedFor, isLocal) => {
    expect(locate(peer, { "x-forwarded-for": forwardedFor }, trusted)).toMatchObject({
      ip: "127.0.0.2",
      isLocal,
    });
  });

  test("scheme and name are the browser's", () => {
    const headers = {
      "x-forwarded-for": "203.0.113.9",
      "x-forwarded-proto": "https",
      "x-forwarded-host": "lb.example.com",
    };
    expect(locate("10.1.1.1", headers, trusted)).toMatchObject({ isSecure: true, host: "lb.example.com" });
  });

  test("a peer that is no trusted proxy is not believed", () => {
    expect(locate("192.0.2.7", { "x-forwarded-for": "127.0.0.1" }, trusted)).toMatchObject({
      ip: "192.0.2.7",
      isLocal: false,
    });
  });

  test("this machine without a proxy in between stays local", () => {
    expect(locate("127.0.0.1", {}, trusted).isLocal).toBe(true);
  });
});

test.each([
  "",
  "localhost.",
  "127.0.0.1:",
  "127.0.0.1:99999999",
  "[::1",
  "::1",
  "127.1",
  "evil.com:127.0.0.1",
])("%p is no loopback name", (host) => expect(isLoopbackHost(host)).toBe(false));
