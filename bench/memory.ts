/** Resident memory over a while: garbage comes and goes, so that one reading says little. */
import { median } from "./load.ts";
import type { Started } from "./processes.ts";

const SAMPLE_MS = 250;

export interface MemoryWatch {
  /** Ends it; bytes. */
  end(): { median: number; lowest: number; highest: number };
}

export function watchMemory(process: Started): MemoryWatch {
  const samples = [process.rssBytes()];
  const timer = setInterval(() => void samples.push(process.rssBytes()), SAMPLE_MS);
  return {
    end() {
      clearInterval(timer);
      samples.push(process.rssBytes());
      return { median: median(samples), lowest: Math.min(...samples), highest: Math.max(...samples) };
    },
  };
}

/** The lowest within `ms`: what garbage was about to be collected is not counted. */
export async function settledBytes(process: Started, ms: number): Promise<number> {
  const watch = watchMemory(process);
  await Bun.sleep(ms);
  return watch.end().lowest;
}
