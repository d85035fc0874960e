import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Secret } from "../core/secret.ts";
import { createKeyFile, createSecretBox, readKeyFile } from "./secrets.ts";

const place = { table: "credentials", row: "acc_a", field: "accessToken" };
const box = createSecretBox(Buffer.alloc(32, 7));

describe("sealed values", () => {
  test("open to what was sealed, and never look the same twice", () => {
    const sealed = box.seal(place, new Secret("tökén"));
    expect(box.open(place, sealed).reveal()).toBe("tökén");
    expect(box.seal(place, new Secret("tökén")).equals(sealed)).toBe(false);
    expect(sealed.includes("tökén")).toBe(false);
  });

  const sealed = box.seal(place, new Secret("token"));
  const flipped = (index: number) => sealed.map((byte, at) => (at === index ? byte ^ 1 : byte));
  const refused: [string, () => Secret][] = [
    ["another table", () => box.open({ ...place, table: "other" }, sealed)],
    ["another row", () => box.open({ ...place, row: "acc_b" }, sealed)],
    ["another field", () => box.open({ ...place, field: "refreshToken" }, sealed)],
    ["another key", () => createSecretBox(Buffer.alloc(32, 8)).open(place, sealed)],
    ["another version", () => box.open(place, flipped(0))],
    ["a changed nonce", () => box.open(place, flipped(1))],
    ["a changed text", () => box.open(place, flipped(14))],
    ["a changed tag", () => box.open(place, flipped(sealed.length - 1))],
    ["a cut value", () => box.open(place, sealed.subarray(0, 20))],
    ["nothing", () => box.open(place, new Uint8Array())],
  ];
  test.each(refused)("do not open with %s", (_, open) => {
    expect(open).toThrow(expect.objectContaining({ code: "secret_unreadable" }));
  });
});

describe("the key file", () => {
  const folder = mkdtempSync(join(tmpdir(), "codex-lb-key-"));
  const path = join(folder, "encryption.key");

  test("is made once, for its owner only, and read back", () => {
    expect(readKeyFile(path)).toBeNull();
    const key = createKeyFile(path);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(Buffer.from(readKeyFile(path) ?? []).equals(key)).toBe(true);
    expect(() => createKeyFile(path)).toThrow();
  });

  test("may hold 32 raw bytes, and nothing else", () => {
    const raw = randomBytes(32);
    writeFileSync(path, raw);
    expect(Buffer.from(readKeyFile(path) ?? []).equals(raw)).toBe(true);
    writeFileSync(path, "short");
    expect(() => readKeyFile(path)).toThrow(expect.objectContaining({ code: "encryption_key_invalid" }));
    rmSync(folder, { recursive: true });
  });
});
