/** IPv4 and IPv6 addresses and ranges. An IPv4-mapped IPv6 address (`::ffff:10.0.0.1`) is that IPv4 address. */
import { CodedError } from "./errors.ts";

interface Address {
  family: 4 | 6;
  bits: bigint;
}

/** A range of addresses of one family: `::/0` holds no IPv4 address. */
export interface Cidr extends Address {
  prefix: number;
}

const WIDTH = { 4: 32, 6: 128 } as const;
/** The upper 96 bits of an IPv4-mapped IPv6 address (RFC 4291, 2.5.5.2). */
const MAPPED_PREFIX = 0xffffn;
const LOOPBACK: Cidr[] = [
  { family: 4, bits: 127n << 24n, prefix: 8 },
  { family: 6, bits: 1n, prefix: 128 },
];

/** Reads `10.0.0.0/8`, `fd00::/8` or a single address. Bits after the prefix may be set. null when it is no such thing. */
export function parseCidr(text: string): Cidr | null {
  const [addressText = "", prefixText, ...rest] = text.trim().split("/");
  const literal = parseLiteral(addressText);
  if (literal === null || rest.length > 0) return null;
  const width = WIDTH[literal.family];
  if (prefixText !== undefined && !/^\d{1,3}$/.test(prefixText)) return null;
  const prefix = prefixText === undefined ? width : Number(prefixText);
  if (prefix > width) return null;
  const unmapped = unmap(literal);
  if (unmapped.family === literal.family) return { ...literal, prefix };
  // A range of mapped addresses shorter than /96 would hold more than IPv4: it stays what it was written as.
  return prefix >= 96 ? { ...unmapped, prefix: prefix - 96 } : { ...literal, prefix };
}

/**
 * Reads a list separated by commas or white space; an empty text is an empty list.
 * Fails with `invalid_cidr`, naming the entry at fault.
 */
export function parseCidrList(text: string): Cidr[] {
  return text
    .split(/[\s,]+/)
    .filter((entry) => entry !== "")
    .map((entry) => {
      const cidr = parseCidr(entry);
      if (cidr === null) {
        throw new CodedError(
          "invalid_cidr",
          `"${entry}" is not an address range; write 10.0.0.0/8 or fd00::/8.`,
        );
      }
      return cidr;
    });
}

/** Whether `ip` lies in one of the ranges. Text that is no address lies in none. */
export function isIpIn(ip: string, ranges: readonly Cidr[]): boolean {
  const literal = parseLiteral(ip.trim());
  if (literal === null) return false;
  const address = unmap(literal);
  return ranges.some(({ family, bits, prefix }) => {
    const hostBits = BigInt(WIDTH[family] - prefix);
    return family === address.family && bits >> hostBits === address.bits >> hostBits;
  });
}

/** As people write it: `10.0.0.0/8`; IPv6 in full. */
export function cidrText({ family, bits, prefix }: Cidr): string {
  const partBits = family === 4 ? 8 : 16;
  const parts = Array.from({ length: WIDTH[family] / partBits }, (_, index) => {
    const part = (bits >> BigInt(WIDTH[family] - (index + 1) * partBits)) & ((1n << BigInt(partBits)) - 1n);
    return part.toString(family === 4 ? 10 : 16);
  });
  return `${parts.join(family === 4 ? "." : ":")}/${prefix}`;
}

/** The network that `ip` belongs to, as a text to compare; text that is no address stays itself. */
export function networkOf(ip: string, prefix: { ipv4: number; ipv6: number }): string {
  const literal = parseLiteral(ip.trim());
  if (literal === null) return ip;
  const { family, bits } = unmap(literal);
  const length = family === 4 ? prefix.ipv4 : prefix.ipv6;
  return `${family}:${(bits >> BigInt(WIDTH[family] - length)).toString(16)}/${length}`;
}

/** 127.0.0.0/8 and ::1, also in mapped form. */
export function isLoopback(ip: string): boolean {
  return isIpIn(ip, LOOPBACK);
}

function unmap(address: Address): Address {
  if (address.family === 6 && address.bits >> 32n === MAPPED_PREFIX) {
    return { family: 4, bits: address.bits & 0xffff_ffffn };
  }
  return address;
}

function parseLiteral(text: string): Address | null {
  const bare = text.replace(/^\[(.*)\]$/, "$1").replace(/%.*$/, "");
  const [family, bits] = bare.includes(":")
    ? ([6, parseIpv6(bare)] as const)
    : ([4, parseIpv4(bare)] as const);
  return bits === null ? null : { family, bits };
}

/** Four decimal parts without leading zeros: some systems read `010` as octal, so it is refused. */
function parseIpv4(text: string): bigint | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let bits = 0n;
  for (const part of parts) {
    if (!/^(0|[1-9]\d{0,2})$/.test(part) || Number(part) > 255) return null;
    bits = (bits << 8n) | BigInt(part);
  }
  return bits;
}

function parseIpv6(text: string): bigint | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = groups(halves[0]!, halves.length === 1);
  const tail = halves.length === 2 ? groups(halves[1]!, true) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  // "::" stands for at least one group; without it there are exactly eight.
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const all = [...head, ...Array.from({ length: missing }, () => 0n), ...tail];
  return all.reduce((bits, group) => (bits << 16n) | group, 0n);
}

/** The 16-bit groups of one side of "::"; the very last may be a dotted IPv4 address, worth two. */
function groups(text: string, isEnd: boolean): bigint[] | null {
  if (text === "") return [];
  const parts = text.split(":");
  const result: bigint[] = [];
  for (const [index, part] of parts.entries()) {
    if (isEnd && index === parts.length - 1 && part.includes(".")) {
      const ipv4 = parseIpv4(part);
      if (ipv4 === null) return null;
      result.push(ipv4 >> 16n, ipv4 & 0xffffn);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return null;
      result.push(BigInt(`0x${part}`));
    }
  }
  return result;
}
