/** Runs the recurring jobs of one table, each at its own pace and never twice at the same time. */
import type { Clock, Log, Timer } from "../ports.ts";

export interface Job {
  name: string;
  /** Milliseconds from the end of one run to the start of the next. Asked each time. */
  everyMs(): number;
  run(): Promise<void> | void;
}

export interface Scheduler {
  start(): void;
  /** Lets the runs that are under way end. */
  stop(): Promise<void>;
}

export function createScheduler({
  clock,
  log,
  jobs,
}: {
  clock: Clock;
  log: Log;
  jobs: readonly Job[];
}): Scheduler {
  const timers = new Map<string, Timer>();
  const running = new Set<Promise<void>>();
  let stopped = false;

  function plan(job: Job): void {
    if (!stopped)
      timers.set(
        job.name,
        clock.schedule(job.everyMs(), () => launch(job)),
      );
  }
  function launch(job: Job): void {
    const run = (async () => {
      try {
        await job.run();
      } catch (error) {
        log.error("job failed", {
          job: job.name,
          error: error instanceof Error ? error.message : String(error),
        });
      }
    })();
    running.add(run);
    void run.finally(() => {
      running.delete(run);
      plan(job);
    });
  }

  return {
    start() {
      for (const job of jobs) plan(job);
    },
    async stop() {
      stopped = true;
      for (const timer of timers.values()) timer.cancel();
      await Promise.allSettled(running);
    },
  };
}
