/** Which headers pass between client and upstream, and which are ours to set. */
import type { HeaderList } from "./header-list.ts";

/** Connection-level headers (RFC 9110 7.6.1) and those that the client of a connection sets itself. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/**
 * Never sent upstream: credentials and cookies of the client, what says who relayed the request, and what our own
 * connection decides. `accept-encoding` goes because the Codex client cannot read a compressed reply (UPSTREAM J.2).
 */
const NOT_UPSTREAM = new Set([
  ...HOP_BY_HOP,
  "host",
  "content-length",
  "expect",
  "authorization",
  "chatgpt-account-id",
  "x-openai-account-routing-override",
  "x-lb-key",
  "x-api-key",
  "api-key",
  "cookie",
  "accept-encoding",
  "forwarded",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-forwarded-port",
  "x-forwarded-prefix",
  "x-forwarded-server",
  "x-forwarded-user",
  "x-real-ip",
  "x-client-ip",
  "via",
  "cf-connecting-ip",
  "cf-connecting-ipv6",
  "cf-ipcountry",
  "cf-ray",
  "cf-visitor",
  "true-client-ip",
]);

/** Never sent to the client: framing, cookies of the account, and what describes upstream's host. */
const NOT_TO_CLIENT = new Set([
  ...HOP_BY_HOP,
  "content-length",
  "set-cookie",
  "alt-svc",
  "server",
  "date",
  "strict-transport-security",
  "nel",
  "report-to",
  "expect-ct",
  "access-control-allow-origin",
  "access-control-allow-credentials",
  "access-control-expose-headers",
]);

export interface UpstreamIdentity {
  bearer: string;
  /** null when the login names no account. */
  chatgptAccountId: string | null;
  /** Value of `x-openai-account-routing-override`, when upstream asked for one. */
  routingOverride: string | null;
  /** The account's own cookies as one header value; null when it has none. */
  cookie: string | null;
  /** Names to leave out of what the client sent (lower case), for example a turn state of another account. */
  drop: ReadonlySet<string> | null;
}

/**
 * The request line and header block of a relayed request, credentials replaced, in HTTP/1.1 wire form. A header whose value could
 * end its line is left out: values also come from the bodies of requests.
 */
export function upstreamHead(request: {
  method: string;
  /** Path and query. */
  target: string;
  host: string;
  headers: Iterable<[string, string]>;
  identity: UpstreamIdentity;
  bodyBytes: number | null;
}): string {
  const { identity } = request;
  let head = `${request.method} ${request.target} HTTP/1.1\r\nhost: ${request.host}\r\n`;
  for (const [name, value] of request.headers) {
    if (NOT_UPSTREAM.has(name) || identity.drop?.has(name)) continue;
    head += headerLine(name, value);
  }
  head += headerLine("authorization", `Bearer ${identity.bearer}`);
  if (identity.chatgptAccountId) head += headerLine("chatgpt-account-id", identity.chatgptAccountId);
  if (identity.routingOverride)
    head += headerLine("x-openai-account-routing-override", identity.routingOverride);
  if (identity.cookie) head += headerLine("cookie", identity.cookie);
  if (request.bodyBytes !== null) head += `content-length: ${request.bodyBytes}\r\n`;
  return `${head}\r\n`;
}

/** Also what latin-1 cannot hold: of U+010A only the line feed would be left on the wire. */
const UNPRINTABLE = /[^\t\x20-\x7e\x80-\xff]/;

function headerLine(name: string, value: string): string {
  return UNPRINTABLE.test(value) ? "" : `${name}: ${value}\r\n`;
}

/** The headers of upstream's reply that the client gets. Values with control characters are left out. */
export function clientHeaders(reply: HeaderList): [string, string][] {
  return reply.entries.filter(([name, value]) => !NOT_TO_CLIENT.has(name) && !UNPRINTABLE.test(value));
}
