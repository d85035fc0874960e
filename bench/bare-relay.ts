/** The least that a relay on Bun can be: its own server, its own fetch and WebSocket, nothing else. The runtime's own limit. */

const upstream = process.argv[2]!;

interface Side {
  upstream: WebSocket;
  early: (string | Buffer)[];
}

const server = Bun.serve<Side>({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  maxRequestBodySize: 1024 * 1024 * 1024,
  async fetch(request, bun) {
    const { pathname } = new URL(request.url);
    if (request.headers.get("upgrade") === "websocket") {
      const authorization = request.headers.get("authorization") ?? "";
      const side: Side = {
        upstream: new WebSocket(`${upstream.replace("http", "ws")}${pathname}`, {
          headers: { authorization },
        } as unknown as string),
        early: [],
      };
      return bun.upgrade(request, { data: side }) ? undefined : new Response(null, { status: 400 });
    }
    const headers = new Headers(request.headers);
    headers.delete("host");
    headers.set("accept-encoding", "identity");
    const reply = await fetch(`${upstream}${pathname}`, {
      method: request.method,
      headers,
      body: request.method === "GET" ? null : await request.bytes(),
      signal: request.signal,
    });
    return new Response(reply.body, {
      status: reply.status,
      headers: { "content-type": reply.headers.get("content-type") ?? "" },
    });
  },
  websocket: {
    perMessageDeflate: false,
    open(socket) {
      const { upstream: other, early } = socket.data;
      other.addEventListener("message", ({ data }) => void socket.send(data as string));
      other.addEventListener("close", () => socket.close());
      other.addEventListener("open", () => {
        for (const message of early.splice(0)) other.send(message);
      });
    },
    message(socket, message) {
      const { upstream: other, early } = socket.data;
      if (other.readyState === WebSocket.OPEN) other.send(message);
      else early.push(message);
    },
    close: (socket) => socket.data.upstream.close(),
  },
});
console.log(`http://127.0.0.1:${server.port}`);
