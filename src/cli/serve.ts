/** `codex-lb serve`: starts the service, says where it is, and stops it when a signal asks for it. */
import { readFileSync } from "node:fs";
import type { Config } from "../config.ts";
import { readAuthJson } from "../core/credentials.ts";
import type { Log } from "../ports.ts";
import { PROGRAM, VERSION } from "../version.ts";

/** What is started and stopped: the runtime. `stop` is safe after a failed start. */
export interface Service {
  /** `accounts`: how many the pool has; not given: nobody needs to be told. */
  start(): Promise<{ url: string; accounts?: number }>;
  /** Stops accepting, lets streams finish up to the drain limit, flushes and closes. */
  stop(): Promise<void>;
}

/** After the drain limit: time to end the remaining streams, flush the queue and close the database. */
const STOP_SLACK_MS = 10_000;

/** npm and other launchers pass on the Ctrl-C that the terminal has already delivered: that is one wish, not two. */
const SAME_SIGNAL_MS = 500;

/** What a shell reports for a process ended by the signal. */
const SIGNAL_EXIT_CODES = { SIGINT: 130, SIGTERM: 143 } as const;

/**
 * Runs until SIGINT or SIGTERM; resolves with the exit code. A second signal ends the process at once.
 * Rejects with the service's own error when it cannot start; what had been started is stopped first.
 */
export async function serve(
  service: Service,
  {
    config,
    log,
    loginFile,
  }: { config: Pick<Config, "shutdownDrainTimeoutMs">; log: Log; loginFile: string | null },
): Promise<number> {
  const stopSignal = listenForStop();
  try {
    const { url, accounts } = await service.start();
    process.stdout.write(`${PROGRAM} ${VERSION} is ready on ${url}\n`);
    if (accounts === 0) hintAtLogin(loginFile, log);
  } catch (error) {
    await service.stop().catch(() => undefined); // Why it did not start is the thing to tell.
    throw error;
  }
  log.info("stopping", { signal: await stopSignal, drainSeconds: config.shutdownDrainTimeoutMs / 1000 });
  const limitMs = config.shutdownDrainTimeoutMs + STOP_SLACK_MS;
  const stopped = await Promise.race([service.stop().then(() => true), Bun.sleep(limitMs).then(() => false)]);
  if (stopped) log.info("stopped");
  else log.error("stop took too long", { limitMs });
  return stopped ? 0 : 1;
}

/** The first start: most people have a login on this machine already. */
function hintAtLogin(loginFile: string | null, log: Log): void {
  if (loginFile === null || !holdsLogin(loginFile)) {
    log.info("the pool has no account yet: add one in the dashboard, or with `codex-lb login`");
    return;
  }
  log.info(
    "the pool has no account yet. Codex's login on this machine can be imported; afterwards no other program may refresh it, or it ends for both: sign Codex out, or give the pool a login of its own with `codex-lb login`",
    { import: `${PROGRAM} import ${loginFile}` },
  );
}

/** False also for a file that cannot be read, and for one with nothing but an API key in it. */
function holdsLogin(path: string): boolean {
  try {
    readAuthJson(readFileSync(path), Date.now());
    return true;
  } catch {
    return false;
  }
}

/** Resolves at the first stop signal; a later one ends the process. */
function listenForStop(): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let firstAtMs: number | null = null;
  for (const [signal, exitCode] of Object.entries(SIGNAL_EXIT_CODES)) {
    process.on(signal, () => {
      if (firstAtMs === null) {
        firstAtMs = performance.now();
        resolve(signal);
      } else if (performance.now() - firstAtMs > SAME_SIGNAL_MS) {
        process.exit(exitCode);
      }
    });
  }
  return promise;
}
