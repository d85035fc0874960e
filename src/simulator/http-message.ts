/** HTTP/1.1 messages as text and bytes: heads parsed and written, chunks framed. */

const STATUS_TEXT: Record<number, string> = {
  101: "Switching Protocols",
  200: "OK",
  302: "Found",
  304: "Not Modified",
  307: "Temporary Redirect",
  400: "Bad Request",
  401: "Unauthorized",
  402: "Payment Required",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  413: "Payload Too Large",
  422: "Unprocessable Entity",
  426: "Upgrade Required",
  429: "Too Many Requests",
  500: "Internal Server Error",
  502: "Bad Gateway",
  503: "Service Unavailable",
};

export type HeaderList = [string, string][];

export interface WireRequest {
  method: string;
  /** As received, query included. */
  target: string;
  path: string;
  query: string;
  /** In wire order and case. */
  headers: HeaderList;
  /** First value of a header; name in lower case. */
  header(name: string): string | undefined;
  body: Uint8Array;
}

export type Framing = "chunked" | "close" | { length: number };

const CRLF = Buffer.from("\r\n");

/** null: not an HTTP request. */
export function parseHead(text: string): WireRequest | null {
  const lines = text.split("\r\n");
  const [method, target] = lines[0]!.split(" ");
  if (method === undefined || target === undefined) return null;
  const headers: HeaderList = [];
  const first = new Map<string, string>();
  for (let at = 1; at < lines.length; at++) {
    const line = lines[at]!;
    const colon = line.indexOf(":");
    if (colon <= 0) return null;
    const name = line.slice(0, colon);
    const value = line.slice(colon + 1).trim();
    headers.push([name, value]);
    const key = name.toLowerCase();
    if (!first.has(key)) first.set(key, value);
  }
  const mark = target.indexOf("?");
  return {
    method,
    target,
    path: mark < 0 ? target : target.slice(0, mark),
    query: mark < 0 ? "" : target.slice(mark + 1),
    headers,
    header: (name) => first.get(name),
    body: EMPTY,
  };
}

const EMPTY = new Uint8Array(0);

export function encodeHead(status: number, headers: HeaderList, framing: Framing, close: boolean): Buffer {
  let text = `HTTP/1.1 ${status} ${STATUS_TEXT[status] ?? "Status"}\r\n`;
  for (const [name, value] of headers) text += `${name}: ${value}\r\n`;
  if (status !== 101) {
    if (framing === "chunked") text += "transfer-encoding: chunked\r\n";
    else if (framing !== "close") text += `content-length: ${framing.length}\r\n`;
    if (close) text += "connection: close\r\n";
  }
  return Buffer.from(`${text}\r\n`, "latin1");
}

export function encodeChunk(bytes: Uint8Array): Buffer {
  return Buffer.concat([Buffer.from(`${bytes.length.toString(16)}\r\n`, "latin1"), bytes, CRLF]);
}
