/** API keys of ours: how one is made, found in a request, and what it may do. */
import { createHash, timingSafeEqual } from "node:crypto";
import { isSameModel } from "./model-name.ts";
import { Secret } from "./secret.ts";

/** What an operator decides about a key. */
export interface ApiKeySettings {
  name: string;
  isActive: boolean;
  /** null: every model. */
  allowedModels: string[] | null;
  /** Replaces what the client asks for; null: the client decides. */
  enforcedModel: string | null;
  enforcedReasoningEffort: string | null;
  enforcedServiceTier: string | null;
  /** null: every account. */
  assignedAccountIds: string[] | null;
  /** Whether requests are charged against prepaid credit. */
  balanceEnabled: boolean;
  /** Whether the operator's own API key at OpenAI may serve it when no account can. */
  apiKeyLaneAllowed: boolean;
  /** null: never. */
  expiresAtMs: number | null;
}

export const KEY_START = "sk-clb-";
/** Random bytes of a key, encoded url-safe: 43 characters. */
export const KEY_RANDOM_BYTES = 32;
/** What is kept to recognise a key by: `sk-clb-` and eight characters. */
const PREFIX_CHARS = 15;

export interface NewKey {
  /** Shown once. */
  key: Secret;
  keyHash: string;
  keyPrefix: string;
}

/** Makes a key from `KEY_RANDOM_BYTES` random bytes. */
export function makeKey(random: Uint8Array): NewKey {
  const text = KEY_START + random.toBase64({ alphabet: "base64url", omitPadding: true });
  return { key: new Secret(text), keyHash: hashKey(text), keyPrefix: text.slice(0, PREFIX_CHARS) };
}

/** SHA-256, hex: what is stored, and looked up. A key is random enough to need no salt, and the hash hides it from timing. */
export function hashKey(key: string): string {
  return createHash("sha256").update(key).digest("hex");
}

/** Compares two texts in a time that tells nothing of either, their lengths included. */
export function isEqualInConstantTime(a: string, b: string): boolean {
  return timingSafeEqual(createHash("sha256").update(a).digest(), createHash("sha256").update(b).digest());
}

/** What a request brings to identify itself: a key of ours (by its hash), somebody else's credential, or nothing. */
export type PresentedKey = { kind: "key"; keyHash: string } | { kind: "foreign" } | { kind: "none" };

/** Our own header first: next to it `authorization` holds the user's ChatGPT login. */
const KEY_HEADERS = ["x-lb-key", "authorization", "x-api-key", "api-key"];

/**
 * Looks for a key in `x-lb-key`, `authorization: Bearer`, `x-api-key` and `api-key`. The first that is one of ours counts,
 * whatever the others hold. `header` answers lower-case names.
 */
export function presentedKey(header: (name: string) => string | null | undefined): PresentedKey {
  let foreign = false;
  for (const name of KEY_HEADERS) {
    const value = header(name)?.trim();
    if (!value) continue;
    const key = value.replace(/^bearer\s+/i, "");
    if (key.startsWith(KEY_START)) return { kind: "key", keyHash: hashKey(key) };
    foreign = true;
  }
  return { kind: foreign ? "foreign" : "none" };
}

export type KeyVerdict = { kind: "allowed" } | { kind: KeyRefusalReason; message: string };
export type KeyRefusalReason = "inactive" | "expired" | "model_not_allowed";

type Rights = Pick<ApiKeySettings, "isActive" | "expiresAtMs" | "allowedModels" | "enforcedModel">;

/** Whether a key may do a request now. `model` is what the client asked for; null for routes without one. */
export function mayUse(key: Rights, request: { model: string | null; nowMs: number }): KeyVerdict {
  if (!key.isActive) {
    return {
      kind: "inactive",
      message: "codex-lb: this API key is switched off. Ask whoever gave it to you.",
    };
  }
  if (key.expiresAtMs !== null && key.expiresAtMs <= request.nowMs) {
    const at = new Date(key.expiresAtMs).toISOString();
    return { kind: "expired", message: `codex-lb: this API key expired at ${at}. Ask for a new one.` };
  }
  const model = key.enforcedModel ?? request.model;
  if (model === null || mayUseModel(key, model)) return { kind: "allowed" };
  const allowed = key.allowedModels?.join(", ") ?? "";
  const message = `codex-lb: this API key may not use the model "${model}". It may use: ${allowed}.`;
  return { kind: "model_not_allowed", message };
}

/** Also the filter for what a model list shows to the key. A snapshot goes with its model. */
export function mayUseModel(key: Pick<ApiKeySettings, "allowedModels">, model: string): boolean {
  return key.allowedModels === null || key.allowedModels.some((allowed) => isSameModel(allowed, model));
}
