import { describe, expect, test } from "bun:test";
import { cidrText, isIpIn, isLoopback, networkOf, parseCidr, parseCidrList } from "./cidr.ts";

test.each([
  ["10.0.0.0/8", "10.255.0.1", true],
  ["10.0.0.0/8", "11.0.0.1", false],
  ["10.1.2.3/8", "10.9.9.9", true],
  ["192.168.1.128/25", "192.168.1.127", false],
  ["192.168.1.128/25", "192.168.1.128", true],
  ["192.168.1.7", "192.168.1.7", true],
  ["192.168.1.7", "192.168.1.8", false],
  ["0.0.0.0/0", "203.0.113.9", true],
  ["0.0.0.0/0", "2001:db8::1", false],
  ["::/0", "2001:db8::1", true],
  ["::/0", "203.0.113.9", false],
  ["10.0.0.0/8", "::ffff:10.1.2.3", true],
  ["10.0.0.0/8", "::ffff:0a01:0203", true],
  ["::ffff:10.0.0.0/104", "10.1.2.3", true],
  ["::ffff:10.0.0.0/104", "11.1.2.3", false],
  ["fd00::/8", "fd12:3456::1", true],
  ["fd00::/8", "fe80::1", false],
  ["fe80::/10", "fe80::1%eth0", true],
  ["2001:db8::/32", "2001:0DB8:ffff:ffff:ffff:ffff:ffff:ffff", true],
  ["2001:db8::/32", "[2001:db8::9]", true],
  ["2001:db8::1", "2001:db8:0:0:0:0:0:1", true],
  ["10.0.0.0/8", "not an address", false],
  ["10.0.0.0/8", "", false],
])("%p holds %p: %p", (range, ip, expected) => {
  expect(isIpIn(ip, parseCidrList(range))).toBe(expected);
});

test.each([
  "",
  "10.0.0.0/33",
  "10.0.0.0/",
  "10.0.0.0/-1",
  "10.0.0.0/8/8",
  "10.0.0",
  "10.0.0.256",
  "010.0.0.1",
  "1.2.3.4.5",
  "::/129",
  ":::",
  "1::2::3",
  "1:2:3:4:5:6:7",
  "1:2:3:4:5:6:7:8:9",
  "1:2:3:4::5:6:7:8",
  "12345::",
  "1.2.3.4::",
  "::1.2.3",
  ":1::",
  "example.com",
])("%p is no range", (text) => {
  expect(parseCidr(text)).toBeNull();
});

describe("lists", () => {
  test("are separated by commas and white space", () => {
    const ranges = parseCidrList(" 10.0.0.0/8,\n192.168.0.0/16 fd00::/8 ");
    expect(ranges).toHaveLength(3);
    expect(isIpIn("192.168.4.4", ranges)).toBe(true);
    expect(parseCidrList("")).toEqual([]);
  });
  test("name the entry at fault", () => {
    expect(() => parseCidrList("10.0.0.0/8, 10.0.0.0/99")).toThrow('"10.0.0.0/99" is not an address range');
  });
});

test.each([
  ["127.0.0.1", true],
  ["127.255.0.9", true],
  ["::1", true],
  ["0:0:0:0:0:0:0:1", true],
  ["::ffff:127.0.0.1", true],
  ["128.0.0.1", false],
  ["::2", false],
  ["::", false],
  ["0.0.0.0", false],
  ["localhost", false],
])("%p is loopback: %p", (ip, expected) => {
  expect(isLoopback(ip)).toBe(expected);
});

test("the network of an address is what its neighbours share", () => {
  const prefix = { ipv4: 32, ipv6: 64 };
  expect(networkOf("2001:db8::1", prefix)).toBe(networkOf("2001:db8:0:0:ffff::2", prefix));
  expect(networkOf("2001:db8::1", prefix)).not.toBe(networkOf("2001:db8:0:1::1", prefix));
  expect(networkOf("::ffff:192.0.2.7", prefix)).toBe(networkOf("192.0.2.7", prefix));
  expect(networkOf("192.0.2.7", prefix)).not.toBe(networkOf("192.0.2.8", prefix));
  expect(networkOf("nonsense", prefix)).toBe("nonsense");
});

test.each([
  ["10.1.0.0/16", "10.1.0.0/16"],
  ["192.0.2.7", "192.0.2.7/32"],
  ["2001:db8::/32", "2001:db8:0:0:0:0:0:0/32"],
])("%s is written as %s", (text, written) => expect(cidrText(parseCidr(text)!)).toBe(written));
