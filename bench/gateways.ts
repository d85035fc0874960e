/** Other gateways, each as it is installed: how to start it, how to point it at a local upstream, how to ask it. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { importAccounts, KEY_LIMITS } from "./codex-lb.ts";
import { freePort } from "./nginx.ts";
import { PROXY_CORE, start, type Started } from "./processes.ts";
import { accessToken, RESPONSES_PATH } from "./targets.ts";

export type Dialect = "responses" | "chat";
export const CHAT_PATH = "/v1/chat/completions";

export interface GatewayContext {
  /** The installed program, with arguments of the user's own. */
  command: string[];
  /** Scratch space of its own. */
  directory: string;
  /** Origin of the simulated Codex backend. */
  codexUpstream: string;
  /** Origin of the OpenAI-compatible mock. */
  openaiUpstream: string;
  /** The pooled accounts, one auth.json each. */
  authFiles: readonly string[];
}

export interface RunningGateway {
  origin: string;
  process: Started;
  headers: Record<string, string>;
}

export interface Gateway {
  name: string;
  /** How it is set up, and what of codex-lb's work it does not do. For the table's notes. */
  setup: string;
  /** The path for each way that it can be asked. */
  paths: Partial<Record<Dialect, string>>;
  start(context: GatewayContext): Promise<RunningGateway>;
}

/** Python and its packages take their time. */
const READY_MS = 90_000;

const pythonCodexLb = (name: string, setup: string, env: Record<string, string>): Gateway => ({
  name,
  setup,
  paths: { responses: RESPONSES_PATH, chat: CHAT_PATH },
  async start({ command, directory, codexUpstream, authFiles }) {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const process = await start([...command, "--port", String(port)], {
      core: PROXY_CORE,
      ready: { url: `${origin}/health` },
      readyMs: READY_MS,
      cwd: directory,
      env: {
        HOME: directory,
        CODEX_LB_DATA_DIR: join(directory, "data"),
        CODEX_LB_UPSTREAM_BASE_URL: `${codexUpstream}/backend-api`,
        // It would call home, and renew logins that need none.
        CODEX_LB_TELEMETRY_ENABLED: "false",
        CODEX_LB_AUTH_GUARDIAN_ENABLED: "false",
        ...env,
      },
    });
    try {
      await importAccounts(origin, authFiles, {});
      const settings = (await jsonOf(`${origin}/api/settings`)) as object;
      await jsonOf(`${origin}/api/settings`, "PUT", { ...settings, apiKeyAuthEnabled: true });
      const key = (await jsonOf(`${origin}/api/api-keys/`, "POST", {
        name: "benchmark",
        limits: KEY_LIMITS,
      })) as {
        key: string;
      };
      return { origin, process, headers: { authorization: `Bearer ${key.key}` } };
    } catch (error) {
      await process.stop();
      throw error;
    }
  },
});

async function jsonOf(url: string, method = "GET", json?: unknown): Promise<unknown> {
  const reply = await fetch(url, {
    method,
    headers: { "content-type": "application/json" },
    ...(json === undefined ? {} : { body: JSON.stringify(json) }),
  });
  if (!reply.ok) throw new Error(`${method} ${url}: ${reply.status} ${await reply.text()}`);
  return reply.json();
}

const cliProxyApi: Gateway = {
  name: "cliproxyapi",
  setup:
    "20 Codex credentials with our upstream as base URL, client key on, else its defaults: round robin, no conversations, no limits per key, no log on disk",
  paths: { responses: "/v1/responses", chat: CHAT_PATH },
  async start({ command, directory, codexUpstream, authFiles }) {
    const port = await freePort();
    const credentials = await Promise.all(
      authFiles.map(
        async (file) =>
          `  - api-key: "${await accessToken(file)}"\n    base-url: "${codexUpstream}/backend-api/codex"`,
      ),
    );
    const config = join(directory, "config.yaml");
    const head = `host: 127.0.0.1\nport: ${port}\nauth-dir: "${join(directory, "auth")}"\napi-keys: ["benchmark"]`;
    writeFileSync(config, `${head}\ncodex-api-key:\n${credentials.join("\n")}\n`);
    const process = await start([...command, "--config", config, "-local-model"], {
      core: PROXY_CORE,
      ready: /API server started/,
      readyMs: READY_MS,
      cwd: directory,
      env: { HOME: directory },
    });
    return { origin: `http://127.0.0.1:${port}`, process, headers: { authorization: "Bearer benchmark" } };
  },
};

const liteLlm: Gateway = {
  name: "litellm",
  setup:
    "one deployment at an OpenAI-compatible mock, master key on, one worker, no database: no accounts to choose from, no limits per key, no log",
  paths: { chat: CHAT_PATH },
  async start({ command, directory, openaiUpstream }) {
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    const config = join(directory, "config.yaml");
    writeFileSync(
      config,
      `model_list:
  - model_name: gpt-5.5
    litellm_params: { model: openai/gpt-5.5, api_base: "${openaiUpstream}/v1", api_key: mock }
general_settings: { master_key: sk-benchmark }
`,
    );
    const address = ["--host", "127.0.0.1", "--port", String(port), "--num_workers", "1"];
    const process = await start([...command, "--config", config, ...address], {
      core: PROXY_CORE,
      ready: { url: `${origin}/health/liveliness` },
      readyMs: READY_MS,
      cwd: directory,
      // Its price table comes with the package; it would fetch a newer one.
      env: { HOME: directory, LITELLM_LOCAL_MODEL_COST_MAP: "True", LITELLM_LOG: "ERROR" },
    });
    return { origin, process, headers: { authorization: "Bearer sk-benchmark" } };
  },
};

export const GATEWAYS: readonly Gateway[] = [
  pythonCodexLb(
    "python-codex-lb",
    "20 accounts, key with limits, its defaults (upstream over WebSocket)",
    {},
  ),
  pythonCodexLb(
    "python-codex-lb-http",
    "the same without its session bridge, upstream over HTTP: the way that codex-lb works",
    {
      CODEX_LB_UPSTREAM_STREAM_TRANSPORT: "http",
      CODEX_LB_HTTP_RESPONSES_SESSION_BRIDGE_ENABLED: "false",
    },
  ),
  cliProxyApi,
  liteLlm,
];

/** Makes the gateway's scratch directory and starts it there. */
export async function startGateway(gateway: Gateway, context: GatewayContext): Promise<RunningGateway> {
  mkdirSync(context.directory, { recursive: true });
  return gateway.start(context);
}
