/** nginx as people put it before event streams: kept connections, no buffering of replies, no access log, one worker. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { PROXY_CORE, start, type Started } from "./processes.ts";

/** `proxy_pass` to `upstream` on a free port. */
export async function startNginx(
  upstream: string,
  directory: string,
): Promise<{ origin: string; process: Started }> {
  const port = await freePort();
  mkdirSync(directory, { recursive: true });
  const config = join(directory, "nginx.conf");
  writeFileSync(
    config,
    `daemon off; worker_processes 1; pid ${directory}/pid; error_log ${directory}/error.log;
user root; worker_rlimit_nofile 65536;
events { worker_connections 20000; }
http { access_log off; client_body_temp_path ${directory}/body; proxy_temp_path ${directory}/proxy;
 fastcgi_temp_path ${directory}/f; uwsgi_temp_path ${directory}/u; scgi_temp_path ${directory}/s;
 keepalive_requests 1000000000; client_body_buffer_size 32m; client_max_body_size 64m;
 upstream up { server ${new URL(upstream).host}; keepalive 512; keepalive_requests 1000000000; }
 server { listen 127.0.0.1:${port} backlog=8192;
  location / { proxy_pass http://up; proxy_http_version 1.1; proxy_set_header Connection ""; proxy_buffering off;
   proxy_read_timeout 600s; } } }
`,
  );
  const wait = `nginx -c ${config} & pid=$!; trap 'kill $pid; wait $pid' TERM; sleep 0.3; echo ready; wait $pid`;
  const process = await start(["sh", "-c", wait], { core: PROXY_CORE, ready: /ready/ });
  return { origin: `http://127.0.0.1:${port}`, process };
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = Bun.serve({ port: 0, hostname: "127.0.0.1", fetch: () => new Response() });
  const port = server.port!;
  await server.stop(true);
  return port;
}
