/** The one listener: proxy paths go straight to their handlers, everything else to the application. */
import { readFileSync } from "node:fs";
import type { Server } from "bun";
import { CodedError } from "../core/errors.ts";
import type { SocketSession } from "../proxy/socket-session.ts";
import { MAX_MESSAGE_BYTES } from "../upstream/websocket-frames.ts";
import type { Client, Locate } from "./locality.ts";

/** A handler of the proxy's paths. */
export interface ProxyRoute {
  method: string;
  /** An exact path, or a prefix when it ends in `/*`. */
  path: string;
  handle(request: Request, client: Client): Promise<Response> | Response;
}

/** A path on which clients open WebSockets. */
export interface SocketRoute {
  path: string;
  /** An answer instead of the socket, or what is to be done with it. */
  open(request: Request, client: Client): Response | { session: SocketSession; headers: [string, string][] };
}

export interface HttpServer {
  start(): { url: string; port: number };
  /** Refuses new connections; open ones go on. */
  stopAccepting(): void;
  /** Closes what is still open. */
  stop(): Promise<void>;
}

export interface HttpServerOptions {
  hostname: string;
  port: number;
  locate: Locate;
  /** PEM files; null: without TLS. */
  tls: { certFile: string; keyFile: string } | null;
  proxyRoutes: readonly ProxyRoute[];
  socketRoutes: readonly SocketRoute[];
  /** What no proxy route takes. */
  application(request: Request, client: Client): Promise<Response> | Response;
  /** How long the application's requests with a body may take until their answer begins. Default 120. */
  bodyTimeoutS?: number;
  /** How long a stranger's connection may be silent. Default 120. */
  idleTimeoutS?: number;
  onError(error: Error): Response;
}

/** Bodies are bounded by their readers, which answer in the caller's own error shape; Bun's own limit is only a last resort. */
const MAX_REQUEST_BODY_BYTES = 1024 * 1024 * 1024;

/** A hundred small files over a slow line take less; Bun measures from the head to the first byte of the answer. */
const BODY_TIMEOUT_S = 120;

/** Longer than reverse proxies keep their unused connections (nginx: 60 s): whoever closes first must not be us. */
const IDLE_TIMEOUT_S = 120;

export function createHttpServer(options: HttpServerOptions): HttpServer {
  const exact = new Map<string, ProxyRoute>();
  const prefixes: ProxyRoute[] = [];
  for (const route of options.proxyRoutes) {
    if (route.path.endsWith("/*")) prefixes.push(route);
    else exact.set(`${route.method} ${route.path}`, route);
  }
  const sockets = new Map(options.socketRoutes.map((route) => [route.path, route]));
  let server: Server<SocketSession> | null = null;

  function findRoute(method: string, path: string): ProxyRoute | null {
    const route = exact.get(`${method} ${path}`);
    if (route) return route;
    for (const prefix of prefixes) {
      if (path.startsWith(prefix.path.slice(0, -1)) && (prefix.method === "*" || prefix.method === method))
        return prefix;
    }
    return null;
  }

  /** undefined: the connection is a socket from now on. */
  function openSocket(
    route: SocketRoute,
    { request, client, bun }: { request: Request; client: Client; bun: Server<SocketSession> },
  ): Response | undefined {
    const opened = route.open(request, client);
    if (opened instanceof Response) return opened;
    if (bun.upgrade(request, { data: opened.session, headers: opened.headers })) return undefined;
    opened.session.closed();
    return new Response("This is no WebSocket handshake.", { status: 400 });
  }

  async function fromApplication(request: Request, client: Client): Promise<Response> {
    const response = await options.application(request, client);
    // Bun does not take what is sent for a sign of life.
    if (response.headers.get("content-type")?.startsWith("text/event-stream")) client.mayBeSilent?.();
    return response;
  }

  return {
    start() {
      try {
        server = Bun.serve({
          hostname: options.hostname,
          port: options.port,
          ...(options.tls && { tls: readTls(options.tls) }),
          // Or strangers could hold connections for nothing, and with them all that the system has.
          idleTimeout: options.idleTimeoutS ?? IDLE_TIMEOUT_S,
          maxRequestBodySize: MAX_REQUEST_BODY_BYTES,
          fetch(request, bun) {
            const client = options.locate(request, bun.requestIP(request)?.address ?? "");
            // Streams may be silent for many minutes while a model thinks.
            client.mayBeSilent = () => bun.timeout(request, 0);
            if (request.headers.get("upgrade")?.toLowerCase() === "websocket") {
              const socket = sockets.get(pathOf(request.url));
              if (socket) return openSocket(socket, { request, client, bun });
            }
            const route = findRoute(request.method, pathOf(request.url));
            if (route) return route.handle(request, client);
            // Whoever sends a body drop by drop is let go; on the proxy's paths the door comes before the body.
            if (request.body !== null) bun.timeout(request, options.bodyTimeoutS ?? BODY_TIMEOUT_S);
            return fromApplication(request, client);
          },
          error: options.onError,
          websocket: {
            // Its windows would cost tens of kilobytes per socket; clients go without (UPSTREAM D).
            perMessageDeflate: false,
            // Sessions decide themselves how long they may be silent, and ping.
            idleTimeout: 0,
            maxPayloadLength: MAX_MESSAGE_BYTES,
            // A queue holds one message more than its owner was willing to send; a longer one is a fault, not a slow client.
            backpressureLimit: 2 * MAX_MESSAGE_BYTES,
            closeOnBackpressureLimit: true,
            open: (socket) => socket.data.opened(socket),
            message: (socket, data) => socket.data.message(data),
            drain: (socket) => socket.data.drained(),
            pong: (socket) => socket.data.ponged(),
            close: (socket) => socket.data.closed(),
          },
        });
      } catch (error) {
        throw startError(error, options);
      }
      const host = options.hostname.includes(":") ? `[${options.hostname}]` : options.hostname;
      return {
        url: `${options.tls === null ? "http" : "https"}://${host}:${server.port}`,
        port: server.port!,
      };
    },
    stopAccepting() {
      void server?.stop(false);
    },
    async stop() {
      await server?.stop(true);
      server = null;
    },
  };
}

/** The path of an absolute URL without its query, as it was sent. */
export function pathOf(url: string): string {
  const start = url.indexOf("/", url.indexOf("://") + 3);
  if (start < 0) return "/";
  const query = url.indexOf("?", start);
  return query < 0 ? url.slice(start) : url.slice(start, query);
}

function readTls({ certFile, keyFile }: { certFile: string; keyFile: string }) {
  const read = (path: string) => {
    try {
      return readFileSync(path, "utf8");
    } catch {
      throw new CodedError(
        "invalid_setting",
        `The file ${path} for TLS cannot be read. Check its path and permissions.`,
      );
    }
  };
  return { cert: read(certFile), key: read(keyFile) };
}

function startError(error: unknown, { hostname, port }: HttpServerOptions): unknown {
  const code = (error as { code?: string }).code;
  if (code === "EADDRINUSE") {
    return new CodedError(
      "port_in_use",
      `Port ${port} on ${hostname} is taken by another program. Stop that one, or choose a port: CODEX_LB_PORT=2456 or --port 2456.`,
    );
  }
  if (code === "EACCES") {
    return new CodedError(
      "port_not_allowed",
      `Port ${port} needs more rights than this user has. Choose one above 1024: --port 2455.`,
    );
  }
  if (code === "EADDRNOTAVAIL" || code === "ENOTFOUND") {
    return new CodedError(
      "host_not_available",
      `This machine has no address ${hostname}. Set CODEX_LB_HOST to one that it has, or to 0.0.0.0.`,
    );
  }
  return error;
}
