/** The least that a relay on Bun can be: its own server, its own fetch, nothing else. The runtime's own limit. */
const upstream = process.argv[2];
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 0,
  maxRequestBodySize: 1024 * 1024 * 1024,
  async fetch(request) {
    const headers = new Headers(request.headers);
    headers.delete("host");
    headers.set("accept-encoding", "identity");
    const reply = await fetch(`${upstream}${new URL(request.url).pathname}`, {
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
});
console.log(`http://127.0.0.1:${server.port}`);
