/** Prepaid credit of a key: a ledger of credits and corrections by people and charges by requests; the balance is its sum. */
import { CodedError } from "./errors.ts";

/** What a person may enter; charges are made by requests alone. */
export interface LedgerEntryInput {
  kind: "credit" | "correction";
  /** Positive adds credit, negative takes it. */
  amountMicros: number;
  note: string;
}

/** A million dollars: anything above is a slip of the unit. */
const MAX_AMOUNT_MICROS = 1_000_000_000_000;
const MAX_NOTE_CHARS = 500;

/**
 * Reads `{kind: "credit"|"correction", amountMicros, note}`. A credit adds; a correction adds or takes, but never below zero:
 * only a request that was already running may do that, and only the last one. Fails with 422 `validation_error` and `param`.
 */
export function parseLedgerEntry(body: unknown, balanceMicros: number): LedgerEntryInput {
  if (typeof body !== "object" || body === null) throw invalid("body", "must be a JSON object");
  const { kind, amountMicros, note, ...rest } = body as Record<string, unknown>;
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw invalid(unknown, "is not a field of a ledger entry");
  if (kind !== "credit" && kind !== "correction") throw invalid("kind", "must be credit or correction");
  if (!Number.isSafeInteger(amountMicros) || Math.abs(amountMicros as number) > MAX_AMOUNT_MICROS) {
    throw invalid("amountMicros", "must be a whole number of micro-dollars (1 USD = 1,000,000)");
  }
  const amount = amountMicros as number;
  if (kind === "credit" && amount <= 0) throw invalid("amountMicros", "of a credit must be above 0");
  if (amount === 0) throw invalid("amountMicros", "of a correction must not be 0");
  if (amount < 0 && balanceMicros + amount < 0) {
    throw invalid(
      "amountMicros",
      `would take more than the ${Math.max(0, balanceMicros)} micro-dollars that are left`,
    );
  }
  const text = typeof note === "string" ? note.trim() : "";
  if (text === "" || text.length > MAX_NOTE_CHARS) {
    throw invalid("note", `must be a text of 1 to ${MAX_NOTE_CHARS} characters that says why`);
  }
  return { kind, amountMicros: amount, note: text };
}

function invalid(param: string, problem: string): CodedError {
  return new CodedError("validation_error", `${param} ${problem}.`, { status: 422, param });
}
