/** An HTTP client on a bare socket that can do what no library allows: stop reading, leave in the middle, be one of hundreds. */
import type { Socket } from "bun";

export interface RawRequest {
  port: number;
  path: string;
  method?: string;
  headers?: Record<string, string>;
  body?: Uint8Array | string;
  /** Stop reading as soon as this much of the reply has come. */
  stallAfterBytes?: number;
}

export interface RawClient {
  /** Bytes of the reply so far, head included. */
  received(): number;
  /** The reply's start, at most KEPT_BYTES of it, head included. */
  text(): string;
  status(): number | null;
  /** The last chunk of a chunked reply has come. */
  ended(): boolean;
  closed(): boolean;
  /** More bytes on the same connection. False: the other side reads too slowly, and they wait here. */
  write(bytes: Uint8Array | string): boolean;
  /** Written, but not yet taken by the system. */
  unsentBytes(): number;
  resume(): void;
  /** Closes with a TCP reset, as a killed process does. */
  leave(): void;
}

/** Enough of a reply to see what it is; long replies are only counted. */
const KEPT_BYTES = 64 * 1024;
const LAST_CHUNK = "0\r\n\r\n";

export function requestHead(request: RawRequest): string {
  const { method = "POST", path, headers = {}, body } = request;
  const bytes = body === undefined ? null : Buffer.byteLength(body);
  const lines = [`${method} ${path} HTTP/1.1`, `host: 127.0.0.1:${request.port}`];
  const all = {
    "content-type": "application/json",
    ...(bytes === null ? {} : { "content-length": String(bytes) }),
    ...headers,
  };
  for (const [name, value] of Object.entries(all)) lines.push(`${name}: ${value}`);
  return `${lines.join("\r\n")}\r\n\r\n`;
}

/** Connects and sends the request; resolves once it is on its way. */
export async function openRaw(request: RawRequest): Promise<RawClient> {
  let received = 0;
  let closed = false;
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let last = Buffer.alloc(0);
  let stallAt = request.stallAfterBytes ?? Number.POSITIVE_INFINITY;
  const unsent: Uint8Array[] = [];

  function flush(socket: Socket): boolean {
    while (unsent.length > 0) {
      const written = Math.max(0, socket.write(unsent[0]!));
      if (written < unsent[0]!.byteLength) {
        unsent[0] = unsent[0]!.subarray(written);
        return false;
      }
      unsent.shift();
    }
    return true;
  }

  const socket = await Bun.connect({
    hostname: "127.0.0.1",
    port: request.port,
    socket: {
      data(from, bytes) {
        received += bytes.byteLength;
        last = Buffer.concat([last, bytes.subarray(-LAST_CHUNK.length)]).subarray(-LAST_CHUNK.length);
        if (keptBytes < KEPT_BYTES) {
          kept.push(Buffer.from(bytes));
          keptBytes += bytes.byteLength;
        }
        if (received >= stallAt) from.pause();
      },
      drain: (to) => void flush(to),
      close: () => void (closed = true),
      error: () => void (closed = true),
    },
  });
  const text = () => Buffer.concat(kept).toString("utf8");
  const write = (bytes: Uint8Array | string) => {
    unsent.push(Buffer.from(bytes as string));
    return flush(socket);
  };
  write(requestHead(request));
  if (request.body !== undefined) write(request.body);
  return {
    received: () => received,
    text,
    status: () => Number(/^HTTP\/1\.1 (\d{3})/.exec(text())?.[1] ?? 0) || null,
    ended: () => last.toString("latin1") === LAST_CHUNK,
    closed: () => closed,
    write,
    unsentBytes: () => unsent.reduce((sum, bytes) => sum + bytes.byteLength, 0),
    resume() {
      stallAt = Number.POSITIVE_INFINITY;
      socket.resume();
    },
    leave: () => socket.terminate(),
  };
}
