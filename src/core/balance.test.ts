import { expect, test } from "bun:test";
import { parseLedgerEntry } from "./balance.ts";

test.each([
  [{ kind: "credit", amountMicros: 5_000_000, note: " invoice 7 " }, 0],
  [{ kind: "correction", amountMicros: 1, note: "x" }, -5],
  [{ kind: "correction", amountMicros: -100, note: "x" }, 100],
])("%j on a balance of %p is taken", (body, balanceMicros) => {
  expect(parseLedgerEntry(body, balanceMicros)).toEqual({ ...body, note: body.note.trim() } as never);
});

test.each<[unknown, number, string]>([
  [null, 0, "body"],
  [{ kind: "charge", amountMicros: 1, note: "x" }, 0, "kind"],
  [{ kind: "credit", amountMicros: 0, note: "x" }, 0, "amountMicros"],
  [{ kind: "credit", amountMicros: -1, note: "x" }, 10, "amountMicros"],
  [{ kind: "credit", amountMicros: 1.5, note: "x" }, 0, "amountMicros"],
  [{ kind: "credit", amountMicros: "1", note: "x" }, 0, "amountMicros"],
  [{ kind: "credit", amountMicros: 2e12, note: "x" }, 0, "amountMicros"],
  [{ kind: "correction", amountMicros: 0, note: "x" }, 0, "amountMicros"],
  [{ kind: "correction", amountMicros: -101, note: "x" }, 100, "amountMicros"],
  [{ kind: "correction", amountMicros: -1, note: "x" }, -5, "amountMicros"],
  [{ kind: "credit", amountMicros: 1 }, 0, "note"],
  [{ kind: "credit", amountMicros: 1, note: "x".repeat(501) }, 0, "note"],
  [{ kind: "credit", amountMicros: 1, note: "x", amount: 1 }, 0, "amount"],
])("%j on a balance of %p is refused at %p", (body, balanceMicros, param) => {
  expect(() => parseLedgerEntry(body, balanceMicros)).toThrow(
    expect.objectContaining({ code: "validation_error", status: 422, param }),
  );
});
