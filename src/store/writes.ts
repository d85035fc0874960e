/** The writes that may lose the last second, as values that can travel to another thread, and how a batch of them is written. */
import type { RequestRecord } from "../core/record.ts";
import type { AccountStateChange } from "./accounts.ts";
import type { AffinityRow } from "./affinity.ts";
import type { Store } from "./open.ts";
import type { CreditsRow, WindowsReading } from "./windows.ts";

/** Everything but a finished request. */
export type Write =
  | { kind: "windows_seen"; reading: WindowsReading }
  | { kind: "windows_replaced"; reading: WindowsReading }
  | { kind: "credits_seen"; row: CreditsRow }
  | { kind: "affinity_seen"; row: AffinityRow }
  | { kind: "key_used"; apiKeyId: string; atMs: number }
  | { kind: "account_state"; accountId: string; change: AccountStateChange }
  | { kind: "plan_seen"; accountId: string; planType: string };

export interface Batch {
  records: RequestRecord[];
  writes: Write[];
}

export interface Refused {
  what: Write["kind"] | "request";
  code: string;
}

/** `refused`: rows that are themselves at fault, given up. Not ok: nothing was written, and trying again may help. */
export type BatchResult = { ok: true; refused: Refused[] } | { ok: false; code: string };

export type WriteTarget = Pick<Store, "transaction" | "requests" | "windows" | "affinity" | "apiKeys"> & {
  accounts: Pick<Store["accounts"], "setState" | "patch">;
};

/** All of the batch in one transaction. Never throws. */
export function applyBatch(store: WriteTarget, { records, writes }: Batch): BatchResult {
  const refused: Refused[] = [];
  function tryWrite(what: Refused["what"], write: () => void): void {
    try {
      write();
    } catch (error) {
      if (!isFaultOfRow(error)) throw error;
      refused.push({ what, code: codeOf(error) });
    }
  }
  /** All together; when one of them is at fault, one by one. */
  function writeRecords(): void {
    if (records.length === 0) return;
    try {
      store.requests.insertBatch(records);
    } catch (error) {
      if (!isFaultOfRow(error)) throw error;
      for (const record of records) tryWrite("request", () => store.requests.insertBatch([record]));
    }
  }
  try {
    store.transaction(() => {
      refused.length = 0;
      writeRecords();
      for (const write of writes) tryWrite(write.kind, () => applyWrite(store, write));
    });
    return { ok: true, refused };
  } catch (error) {
    return { ok: false, code: codeOf(error) };
  }
}

function applyWrite(store: WriteTarget, write: Write): void {
  switch (write.kind) {
    case "windows_seen":
      store.windows.save(write.reading);
      break;
    case "windows_replaced":
      store.windows.replace(write.reading);
      break;
    case "credits_seen":
      store.windows.saveCredits(write.row);
      break;
    case "affinity_seen":
      store.affinity.put(write.row);
      break;
    case "key_used":
      store.apiKeys.markUsed(write.apiKeyId, write.atMs);
      break;
    case "account_state":
      store.accounts.setState(write.accountId, write.change);
      break;
    case "plan_seen":
      store.accounts.patch(write.accountId, { planType: write.planType });
      break;
  }
}

export function codeOf(error: unknown): string {
  return (error as { code?: string }).code ?? (error as Error).name;
}

/** A broken constraint or a value that SQLite cannot hold; everything else with an SQLite code is the disk's or a lock's. */
function isFaultOfRow(error: unknown): boolean {
  return !/^SQLITE_(?!CONSTRAINT|MISMATCH|TOOBIG|RANGE)/.test(codeOf(error));
}
