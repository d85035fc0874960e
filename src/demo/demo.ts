/** The demo universe: a simulated upstream, a made-up past, live traffic and the real service on top, all on loopback. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Config, readConfig } from "../config.ts";
import type { Log, Ports, Random } from "../ports.ts";
import { createRuntime, type Runtime } from "../runtime.ts";
import { createSimulator } from "../simulator/simulator.ts";
import { createSeededRandom } from "../simulator/random.ts";
import { openStore } from "../store/open.ts";
import { DEMO_ACCOUNTS, demoCatalogue } from "./cast.ts";
import { fillStore } from "./fill.ts";
import { startTraffic, type Traffic } from "./traffic.ts";

export interface Demo {
  dataDir: string;
  config: Config;
  /** Rejects with the service's own error, `port_in_use` among them. */
  start(): Promise<{ url: string }>;
  /** Stops everything and removes the data directory. Safe after a failed start. */
  stop(): Promise<void>;
}

/** Different numbers would make another demo; the same ones make the same. */
const SEED = 20;
/** The pages follow the simulated windows closely. */
const USAGE_REFRESH_SECONDS = "5";

/** `port` 0: any free one. Nothing of the user's settings is read. */
export function createDemo({ port, ports }: { port: number; ports: Ports }): Demo {
  const dataDir = mkdtempSync(join(tmpdir(), "codex-lb-demo-"));
  const remove = () => rmSync(dataDir, { recursive: true, force: true });
  // However the process ends, short of being killed.
  process.once("exit", remove);
  const simulator = createSimulator({
    accounts: DEMO_ACCOUNTS.map(({ spec }) => spec),
    models: demoCatalogue(),
    seed: SEED,
    journalLimit: 100,
    // Logins of the demo are tried with clients, too: what one account wrote another may read.
    encryptedContent: "any",
  });
  const { config: settings } = readConfig({
    env: {
      CODEX_LB_PORT: String(port),
      CODEX_LB_DATA_DIR: dataDir,
      CODEX_LB_USAGE_REFRESH_INTERVAL_SECONDS: USAGE_REFRESH_SECONDS,
      CODEX_LB_SHUTDOWN_DRAIN_TIMEOUT_SECONDS: "1",
    },
    cwd: dataDir,
    homeDir: dataDir,
  });
  let runtime: Runtime | null = null;
  let traffic: Traffic | null = null;

  return {
    dataDir,
    config: settings,
    async start() {
      const upstream = await simulator.start();
      const config = {
        ...settings,
        upstreamBaseUrl: upstream.backendBaseUrl,
        authBaseUrl: upstream.authBaseUrl,
      };
      const random = seededBytes(SEED);
      const store = openStore({
        dataDir,
        keyFile: config.encryptionKeyFile,
        clock: ports.clock,
        log: ports.log,
      });
      const filled = fillStore(store, { simulator, nowMs: ports.clock.now(), random });
      store.close();
      runtime = await createRuntime(config, { ...ports, log: quiet(ports.log) }, { demo: true });
      const { url } = await runtime.start();
      traffic = startTraffic({ url, simulator, keys: filled.keys, random });
      return { url };
    },
    async stop() {
      await traffic?.stop();
      await runtime?.stop();
      await simulator.stop();
      remove();
      process.off("exit", remove);
    },
  };
}

function seededBytes(seed: number): Random {
  const { next, below } = createSeededRandom(seed);
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => below(256)) };
}

/** A demo makes trouble on purpose: only what nobody planned is worth a line. */
function quiet(log: Log): Log {
  return { ...log, debug() {}, info() {}, warn() {} };
}
