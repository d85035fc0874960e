/** What each account served so far: read once from the sums at the start, then counted on, so that no page asks the disk. */
import type { RequestRecord } from "../core/record.ts";

export interface AccountUsage {
  requestCount: number;
  totalTokens: number;
  cachedInputTokens: number;
  costMicros: number;
  /** When it was last asked for something since the start; null: not yet. */
  lastUsedAtMs: number | null;
}

export interface AccountUsageBook {
  of(accountId: string): Readonly<AccountUsage>;
  requestFinished(record: RequestRecord): void;
  forget(accountId: string): void;
}

const NOTHING: AccountUsage = {
  requestCount: 0,
  totalTokens: 0,
  cachedInputTokens: 0,
  costMicros: 0,
  lastUsedAtMs: null,
};

export function createAccountUsageBook(
  recorded: Iterable<{ accountId: string } & Omit<AccountUsage, "lastUsedAtMs">>,
): AccountUsageBook {
  const byAccount = new Map<string, AccountUsage>();
  for (const { accountId, ...sums } of recorded) byAccount.set(accountId, { ...NOTHING, ...sums });

  return {
    of: (accountId) => byAccount.get(accountId) ?? NOTHING,
    requestFinished(record) {
      if (record.accountId === null) return;
      const usage = byAccount.get(record.accountId) ?? { ...NOTHING };
      byAccount.set(record.accountId, usage);
      usage.requestCount++;
      usage.totalTokens += record.inputTokens + record.outputTokens;
      usage.cachedInputTokens += record.cachedInputTokens;
      usage.costMicros += record.totalCostMicros;
      usage.lastUsedAtMs = record.requestedAtMs;
    },
    forget: (accountId) => void byAccount.delete(accountId),
  };
}
