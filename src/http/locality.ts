/** Where a request comes from: the address that can be believed, and whether that is this very machine. */
import { type Cidr, isIpIn, isLoopback } from "../core/cidr.ts";

export interface Client {
  /** Of the connection, or what a trusted reverse proxy says. Text of a stranger's header never gets here. */
  ip: string;
  /**
   * A program or browser on this machine that asked for a loopback name. False behind a reverse proxy that is not trusted, and for a
   * page that rebinds its own name to 127.0.0.1.
   */
  isLocal: boolean;
  /** The browser's own connection is TLS. */
  isSecure: boolean;
  /** Name and port as the browser has them in its address bar; "" when the request names none. */
  host: string;
  /** The connection comes from a reverse proxy whose headers are believed. */
  viaTrustedProxy: boolean;
  /** For whom was let in: from now on the connection may be silent for any time. Absent within this process. */
  mayBeSilent?(): void;
}

/** `peerIp` is the address of the connection itself. */
export type Locate = (request: Request, peerIp: string) => Client;

/** Headers by which something in between says that the peer is not who asks. */
const FORWARDING_HEADERS = [
  "forwarded",
  "via",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-real-ip",
  "x-client-ip",
  "true-client-ip",
  "cf-connecting-ip",
];
/** More hops than this are no chain of proxies that anybody runs. */
const MAX_HOPS = 32;

/** `trustedProxies` is empty while CODEX_LB_FIREWALL_TRUST_PROXY_HEADERS is off. */
export function createLocate(options: { trustedProxies: readonly Cidr[]; tls: boolean }): Locate {
  const { trustedProxies, tls } = options;

  function behindProxy({ headers }: Request, proxyIp: string): Client {
    const host = lastOf(headers.get("x-forwarded-host")) ?? headers.get("host") ?? "";
    const isSecure = (lastOf(headers.get("x-forwarded-proto")) ?? (tls ? "https" : "http")) === "https";
    const hops = (headers.get("x-forwarded-for") ?? "").split(",").slice(-MAX_HOPS);
    const facts = { isSecure, host, viaTrustedProxy: true };
    // A proxy elsewhere that names a loopback address speaks of its own machine, or repeats what its client claims.
    let isHere = isLoopback(proxyIp);
    // Each proxy appends the address that it saw: the last one that is no proxy of ours is the client.
    for (const hop of hops.toReversed()) {
      const ip = addressIn(hop);
      // Who forwarded it is known, for whom is not: never local.
      if (ip === null) break;
      if (!isIpIn(ip, trustedProxies))
        return { ...facts, ip, isLocal: isHere && isLoopback(ip) && isLoopbackHost(host) };
      isHere &&= isLoopback(ip);
      proxyIp = ip;
    }
    return { ...facts, ip: proxyIp, isLocal: false };
  }

  return (request, peerIp) => {
    if (trustedProxies.length > 0 && isIpIn(peerIp, trustedProxies) && isForwarded(request))
      return behindProxy(request, peerIp);
    const host = request.headers.get("host") ?? "";
    const isLocal = isLoopback(peerIp) && isLoopbackHost(host) && !isForwarded(request);
    return { ip: peerIp, isLocal, isSecure: tls, host, viaTrustedProxy: false };
  };
}

function isForwarded({ headers }: Request): boolean {
  return FORWARDING_HEADERS.some((name) => headers.has(name));
}

function lastOf(list: string | null): string | null {
  return list?.split(",").at(-1)?.trim().toLowerCase() ?? null;
}

/** `10.0.0.1`, `10.0.0.1:5000`, `2001:db8::1` or `[2001:db8::1]:5000`; null when it is something else. */
function addressIn(hop: string): string | null {
  const text = hop.trim();
  const ip =
    /^\[([\da-f:.]+)\](?::\d{1,5})?$/i.exec(text)?.[1] ??
    text.replace(/^(\d+\.\d+\.\d+\.\d+):\d{1,5}$/, "$1");
  return isIpIn(ip, EVERYWHERE) ? ip : null;
}

const EVERYWHERE: Cidr[] = [
  { family: 4, bits: 0n, prefix: 0 },
  { family: 6, bits: 0n, prefix: 0 },
];

/** `localhost` and loopback addresses, with or without a port. `0.0.0.0` is none: a foreign page can ask for it. */
export function isLoopbackHost(host: string): boolean {
  const name = /^(\[[\da-f:.]+\]|[^:]+)(?::\d{1,5})?$/i.exec(host)?.[1]?.toLowerCase();
  return name !== undefined && (name === "localhost" || isLoopback(name));
}
