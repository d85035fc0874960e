/** One upstream WebSocket of one account: opened in the account's name, its frames handed on as fast as they are taken. */
import { upstreamHead } from "../core/headers.ts";
import type { PooledAccount } from "../pool/pool.ts";
import type { Origin } from "../upstream/connection.ts";
import { parseOrigin } from "../upstream/http1.ts";
import type { Dialling, SocketEnd, UpstreamSocket, WebSocketClient } from "../upstream/websocket.ts";

/** RFC 6455 7.4.1. */
const NORMAL_CLOSURE = 1000;

export interface UpstreamLink {
  readonly account: PooledAccount;
  /** False: send more only after `drained`. */
  send(frame: Uint8Array): boolean;
  drained(): Promise<void>;
  ended(): boolean;
  /** Ends it now; `onEnd` is not called any more. */
  close(): void;
}

export interface LinkEvents {
  /** A promise holds back the next frame. */
  onFrame(frame: Buffer): Promise<void> | undefined;
  onEnd(end: SocketEnd): void;
}

/** Takes the frames of an opened socket until it ends or is closed. */
export function createLink(socket: UpstreamSocket, account: PooledAccount, events: LinkEvents): UpstreamLink {
  let closed = false;

  async function pump(): Promise<void> {
    for (;;) {
      let frame = socket.receive();
      if (frame instanceof Promise) frame = await frame;
      if (closed) return;
      if (frame === null) {
        events.onEnd(socket.ended()!);
        return;
      }
      const taken = events.onFrame(frame);
      if (taken) await taken;
    }
  }
  void pump();
  return {
    account,
    send: (frame) => socket.send(frame),
    drained: () => socket.drained(),
    ended: () => closed || socket.ended() !== null,
    close() {
      closed = true;
      socket.close(NORMAL_CLOSURE);
    },
  };
}

/** Headers of the client's handshake that speak of its own connection to us. */
const OWN_CONNECTION = /^sec-websocket-/;

export interface DialerPorts {
  sockets: WebSocketClient;
  upstreamBaseUrl: string;
  connectTimeoutMs: number;
}

export type Dialer = (account: PooledAccount, handshake: ReadonlyMap<string, string>) => Dialling;

/** Opens the Responses socket as an account, with the headers of the client's handshake. */
export function createDialer({ sockets, upstreamBaseUrl, connectTimeoutMs }: DialerPorts): Dialer {
  const base = parseOrigin(upstreamBaseUrl);
  return (account, handshake) => {
    const asked = account.routing?.origin ?? null;
    const origin: Origin = asked === null ? base.origin : parseOrigin(asked).origin;
    const head = upstreamHead({
      method: "GET",
      target: `${base.path}/codex/responses`,
      host: origin.host,
      headers: [...handshake].filter(([name]) => !OWN_CONNECTION.test(name)),
      identity: {
        bearer: account.credentials.accessToken.reveal(),
        chatgptAccountId: account.chatgptAccountId,
        routingOverride: account.routing?.routingOverride ?? null,
        cookie: account.cookie,
        drop: null,
      },
      bodyBytes: null,
    });
    return sockets.dial({ origin, head, connectTimeoutMs });
  };
}
