/** Claims about docs/deployment.md: what nginx and Caddy are told there lets streams, WebSockets and large bodies through. */
import { afterAll, describe, expect, test } from "bun:test";
import { rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { blockOf, forPort } from "./documentation.ts";
import { EXECUTABLE, runToEnd } from "./executable.ts";
import {
  RESPONSES_PATH,
  rowsOnceWritten,
  type Service,
  startPool,
  temporaryDirectory,
  turnBody,
} from "./harness.ts";
import { waitFor } from "./wait.ts";

const PAGE = "docs/deployment.md";
const HOST = "codex-lb.example.com";
const TRUST = Object.fromEntries(
  blockOf(PAGE, "ini")
    .trim()
    .split("\n")
    .map((line) => line.split("=") as [string, string]),
);

const made: string[] = [];
afterAll(() => {
  for (const path of made) rmSync(path, { recursive: true, force: true });
});

interface Proxy {
  url: string;
  stop(): Promise<void>;
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await new Promise((resolve) => server.once("listening", resolve));
  const { port } = server.address() as { port: number };
  await new Promise((resolve) => server.close(resolve));
  return port;
}

/** Runs it in the foreground until it answers. */
async function startProxy(command: string[], folder: string, url: string): Promise<Proxy> {
  const child = Bun.spawn(command, {
    cwd: folder,
    env: { HOME: folder, PATH: process.env.PATH },
    stdout: "ignore",
    stderr: "pipe",
  });
  let answers = false;
  const ask = () =>
    void get(`${url}/health`)
      .then(({ ok }) => (answers = ok))
      .catch(() => undefined);
  try {
    await waitFor(`${command[0]} answers`, () => {
      if (child.exitCode !== null) throw new Error(`${command[0]} ended`);
      ask();
      return answers;
    });
  } catch (error) {
    child.kill();
    throw new Error(await child.stderr.text(), { cause: error });
  }
  return {
    url,
    async stop() {
      child.kill();
      await child.exited;
    },
  };
}

/** The block as it stands, but for the address it listens on, its certificate's place, and where codex-lb is. */
async function startNginx(service: Service): Promise<Proxy> {
  const folder = temporaryDirectory("nginx");
  made.push(folder);
  const port = await freePort();
  const certificate = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", `/CN=${HOST}`];
  const { exitCode } = await runToEnd(["openssl", ...certificate, "-keyout", "key.pem", "-out", "cert.pem"], {
    cwd: folder,
  });
  expect(exitCode).toBe(0);
  const block = forPort(blockOf(PAGE, "nginx"), service.port)
    .replace("listen 443 ssl", `listen 127.0.0.1:${port} ssl`)
    .replace("/etc/ssl/codex-lb.pem", `${folder}/cert.pem`)
    .replace("/etc/ssl/codex-lb.key", `${folder}/key.pem`);
  const paths = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map(
    (name) => `${name}_temp_path ${folder}/${name};`,
  );
  const user = process.getuid?.() === 0 ? "user root;" : "";
  writeFileSync(
    join(folder, "nginx.conf"),
    `${user} daemon off; pid ${folder}/pid; error_log stderr;\nevents {}\nhttp { access_log off; ${paths.join(" ")}\n${block}}\n`,
  );
  return startProxy(
    ["nginx", "-p", folder, "-c", `${folder}/nginx.conf`, "-e", "stderr"],
    folder,
    `https://127.0.0.1:${port}`,
  );
}

async function startCaddy(service: Service): Promise<Proxy> {
  const folder = temporaryDirectory("caddy");
  made.push(folder);
  const port = await freePort();
  const block = forPort(blockOf(PAGE, "caddyfile"), service.port).replace(
    HOST,
    `http://127.0.0.1:${port}, http://${HOST}:${port}`,
  );
  writeFileSync(join(folder, "Caddyfile"), `{\n\tadmin off\n\tauto_https off\n}\n${block}`);
  return startProxy(
    ["caddy", "run", "--config", "Caddyfile", "--adapter", "caddyfile"],
    folder,
    `http://127.0.0.1:${port}`,
  );
}

const TLS = { rejectUnauthorized: false };
const get = (url: string) => fetch(url, { headers: { host: HOST }, tls: TLS } as RequestInit);

const PROXIES: [string, (service: Service) => Promise<Proxy>][] = [
  ["nginx", startNginx],
  ["caddy", startCaddy],
];

describe.each(PROXIES)("%s, told what the page says", (name, start) => {
  const isHere = Bun.which(name) !== null && Bun.which("openssl") !== null;
  if (!isHere) console.warn(`\nNOT TESTED: the block for ${name}, which is not installed here.\n`);

  test.skipIf(!isHere)(
    "passes on events as they come, WebSockets, large bodies, old headers and the client's address",
    async () => {
      const { service, simulator, dispose } = await startPool({ accounts: 1, env: TRUST });
      const proxy = await start(service);
      try {
        const made = await runToEnd([EXECUTABLE, "keys", "create", "proxied", "--json"], {
          cwd: "/",
          env: { CODEX_LB_DATA_DIR: service.dataDir },
        });
        const key = (JSON.parse(made.stdout) as { key: string }).key;
        const headers = { host: HOST, authorization: `Bearer ${key}`, "content-type": "application/json" };
        const post = (body: unknown, more: Record<string, string> = {}) =>
          fetch(proxy.url + RESPONSES_PATH, {
            method: "POST",
            headers: { ...headers, ...more },
            body: JSON.stringify(body),
            tls: TLS,
          } as RequestInit);

        // The first events arrive although upstream sends no more; with buffering nothing would.
        simulator.addFault({ when: { bodyIncludes: "stay" }, moment: "after_text", act: { kind: "hang" } });
        const open = await post(turnBody("stay"));
        expect(open.status, open.ok ? "" : await open.clone().text()).toBe(200);
        const reader = open.body!.getReader();
        let seen = "";
        while (!seen.includes("output_text.delta"))
          seen += new TextDecoder().decode((await reader.read()).value);
        await reader.cancel();
        await waitFor("upstream is left", () => simulator.counters.openRequests === 0);

        // It arrives: that it is too long for the model is upstream's own word.
        const large = await post(turnBody("x".repeat(20 * 1024 * 1024)), { session_id: "old-client" });
        expect(await large.text()).toContain("context_length_exceeded");
        const received = simulator.requests.findLast(({ route }) => route === "responses")!;
        expect(JSON.stringify(received.headers)).toContain("old-client");

        const socket = new WebSocket(proxy.url.replace("http", "ws") + RESPONSES_PATH, {
          headers,
          tls: TLS,
        });
        const frames: string[] = [];
        socket.addEventListener("message", ({ data }) => void frames.push(String(data)));
        await new Promise((resolve, reject) => {
          socket.addEventListener("open", resolve);
          socket.addEventListener("error", reject);
        });
        socket.send(JSON.stringify({ type: "response.create", ...turnBody("by socket") }));
        await waitFor("the turn ends", () => frames.some((frame) => frame.includes("response.completed")));
        socket.close();

        const rows = await rowsOnceWritten(service, 3);
        expect(new Set(rows.map((row) => row.client_ip))).toEqual(new Set(["127.0.0.1"]));
        // Loopback by address and yet no local: the proxy asked for a public name.
        expect((await get(`${proxy.url}/api/accounts`)).status).toBe(401);
      } finally {
        await proxy.stop();
        await dispose();
      }
    },
  );
});
