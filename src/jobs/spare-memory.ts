/** Gives back what a burst of requests left behind: an idle process collects no garbage by itself, and keeps its pages for hours. */
import type { Job } from "./scheduler.ts";

const EVERY_MS = 5_000;
/** Processor time in that while below which nobody waits for us: a collection holds every stream up for some milliseconds. */
const QUIET_CPU_MS = 100;
/** Growth since the last collection that is worth one. */
const WORTH_BYTES = 4 * 1024 * 1024;

export interface ProcessMemory {
  /** Resident bytes. */
  resident(): number;
  /** Processor time used so far, in milliseconds. */
  cpuMs(): number;
  collect(): void;
}

export function createSpareMemoryJob(memory: ProcessMemory): Job {
  let kept = 0;
  let cpuMs = memory.cpuMs();
  return {
    name: "spare memory",
    everyMs: () => EVERY_MS,
    run() {
      const before = cpuMs;
      cpuMs = memory.cpuMs();
      if (cpuMs - before > QUIET_CPU_MS) return;
      const resident = memory.resident();
      if (resident < kept + WORTH_BYTES) {
        // Pages that the system took back by itself count as growth when they come again.
        kept = Math.min(kept, resident);
        return;
      }
      memory.collect();
      kept = memory.resident();
    },
  };
}

export const processMemory: ProcessMemory = {
  resident: () => process.memoryUsage.rss(),
  cpuMs() {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1000;
  },
  collect: () => Bun.gc(true),
};
