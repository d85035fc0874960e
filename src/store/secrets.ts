/** Encryption at rest: AES-256-GCM under a key file, each value bound to the row and field it belongs to. */
import { createCipheriv, createDecipheriv, createHmac, randomBytes } from "node:crypto";
import { closeSync, fsyncSync, openSync, readFileSync, writeSync } from "node:fs";
import { CodedError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";

const KEY_BYTES = 32;
const NONCE_BYTES = 12;
const TAG_BYTES = 16;
/** First byte of every ciphertext: version | nonce | ciphertext | tag. */
const VERSION = 1;

/** Whose value it is. A ciphertext copied to another row or field does not open. */
export interface SecretPlace {
  table: string;
  row: string;
  field: string;
}

export interface SecretBox {
  seal(place: SecretPlace, secret: Secret): Buffer;
  /** Throws when the bytes were changed, moved, or sealed with another key. */
  open(place: SecretPlace, sealed: Uint8Array): Secret;
  /** Names the key without telling it: an HMAC over a constant. */
  fingerprint: string;
}

const associated = (place: SecretPlace) =>
  Buffer.from(JSON.stringify([VERSION, place.table, place.row, place.field]));

export function createSecretBox(key: Uint8Array): SecretBox {
  return {
    seal(place, secret) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv("aes-256-gcm", key, nonce);
      cipher.setAAD(associated(place));
      const sealed = Buffer.concat([cipher.update(secret.reveal(), "utf8"), cipher.final()]);
      return Buffer.concat([Buffer.of(VERSION), nonce, sealed, cipher.getAuthTag()]);
    },
    open(place, sealed) {
      if (sealed[0] !== VERSION || sealed.length < 1 + NONCE_BYTES + TAG_BYTES) throw unreadable(place);
      const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(1, 1 + NONCE_BYTES));
      decipher.setAAD(associated(place));
      decipher.setAuthTag(sealed.subarray(-TAG_BYTES));
      try {
        const text = Buffer.concat([
          decipher.update(sealed.subarray(1 + NONCE_BYTES, -TAG_BYTES)),
          decipher.final(),
        ]);
        return new Secret(text.toString("utf8"));
      } catch {
        throw unreadable(place);
      }
    },
    fingerprint: createHmac("sha256", key).update("codex-lb key fingerprint").digest("hex").slice(0, 32),
  };
}

function unreadable(place: SecretPlace): CodedError {
  return new CodedError(
    "secret_unreadable",
    `The encrypted ${place.table}.${place.field} of ${place.row} was altered and cannot be read. ` +
      `Restore the database from a backup, or import the account again.`,
    { status: 500 },
  );
}

/** The key in the file, or null when there is no file. Accepts 32 raw bytes or their base64 text. Throws `encryption_key_invalid`. */
export function readKeyFile(path: string): Uint8Array | null {
  let content: Buffer;
  try {
    content = readFileSync(path);
  } catch (error) {
    if ((error as { code?: string }).code === "ENOENT") return null;
    throw new CodedError(
      "encryption_key_invalid",
      `The encryption key file ${path} cannot be read. Make it readable for the user that runs codex-lb.`,
      { status: 500 },
    );
  }
  const key =
    content.length === KEY_BYTES ? content : Buffer.from(content.toString("latin1").trim(), "base64");
  if (key.length !== KEY_BYTES)
    throw new CodedError(
      "encryption_key_invalid",
      `The encryption key file ${path} does not hold a 32-byte key. ` +
        `Restore the right file, or point CODEX_LB_ENCRYPTION_KEY_FILE to it.`,
      { status: 500 },
    );
  return key;
}

/** Makes a new key file, readable by its owner only, on disk before this returns. Fails when the file exists. */
export function createKeyFile(path: string): Uint8Array {
  const key = randomBytes(KEY_BYTES);
  const file = openSync(path, "wx", 0o600);
  try {
    writeSync(file, `${key.toString("base64")}\n`);
    fsyncSync(file);
  } finally {
    closeSync(file);
  }
  return key;
}
