/** `codex-lb demo`: the demo universe on this machine until Ctrl-C. */
import { createServer } from "node:net";
import { createDemo } from "../demo/demo.ts";
import type { Ports } from "../ports.ts";
import { serve } from "./serve.ts";

const FIRST_PORT = 2455;
/** After so many taken ports any free one will do. */
const PORTS_TRIED = 10;
/** What a shell reports for a process ended by a closed terminal. */
const HANGUP_EXIT_CODE = 129;

/** `port` null: 2455, or the next one that is free. Resolves with the exit code. */
export async function demoCommand({ port }: { port: number | null }, ports: Ports): Promise<number> {
  const demo = createDemo({ port: port ?? (await freePort()), ports });
  process.on("SIGHUP", () => process.exit(HANGUP_EXIT_CODE));
  process.stdout.write(
    "A demo: accounts, requests and prices are made up, nothing leaves this machine, nothing is kept.\n",
  );
  const started = {
    async start() {
      const startedAt = performance.now();
      const { url } = await demo.start();
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      process.stdout.write(`Open ${url} (filled in ${seconds} s). Ctrl-C ends it.\n`);
      return { url };
    },
    stop: demo.stop,
  };
  return serve(started, { config: demo.config, log: ports.log, loginFile: null });
}

async function freePort(): Promise<number> {
  for (let port = FIRST_PORT; port < FIRST_PORT + PORTS_TRIED; port++) if (await isFree(port)) return port;
  return 0;
}

/** Whether this machine's loopback address has the port to give. */
export function isFree(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once("error", () => resolve(false));
    server.listen({ port, host: "127.0.0.1", exclusive: true }, () => server.close(() => resolve(true)));
  });
}
