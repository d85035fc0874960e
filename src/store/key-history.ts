/** The log as the budgets of keys need it when the program starts. */
import type { Counted } from "../core/limits.ts";
import { NONE } from "./requests.ts";
import type { RollupStore } from "./rollups.ts";

/** As `KeyHistory` of the pool asks for it. */
export function createKeyHistory(rollups: RollupStore) {
  return {
    totals() {
      return new Map(rollups.sums({ sinceMs: 0 }, ["key"]).map((sum) => [sum.apiKeyId ?? NONE, sum]));
    },
    hours(sinceMs: number, byModel: boolean): Map<string, Counted[]> {
      const hours = new Map<string, Counted[]>();
      for (const sum of rollups.sums({ sinceMs }, byModel ? ["bucket", "key", "model"] : ["bucket", "key"])) {
        const keyId = sum.apiKeyId ?? NONE;
        if (keyId === NONE) continue;
        const counted = { ...sum, atMs: sum.bucketMs ?? sinceMs };
        const known = hours.get(keyId);
        if (known) known.push(counted);
        else hours.set(keyId, [counted]);
      }
      return hours;
    },
    rows(keyId: string, fromMs: number, untilMs: number): Counted[] {
      return rollups.keyRows(keyId, fromMs, untilMs).map((row) => ({ ...row, atMs: fromMs }));
    },
  };
}
