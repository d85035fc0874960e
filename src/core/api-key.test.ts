import { describe, expect, test } from "bun:test";
import {
  hashKey,
  isEqualInConstantTime,
  KEY_RANDOM_BYTES,
  makeKey,
  mayUse,
  mayUseModel,
  type PresentedKey,
  presentedKey,
} from "./api-key.ts";

const NOW = Date.parse("2026-11-20T10:00:00Z");
const { key, keyHash, keyPrefix } = makeKey(new Uint8Array(KEY_RANDOM_BYTES).fill(0xfb));
const ours = key.reveal();

test("a key is sk-clb- and 32 url-safe bytes, known by its hash and first 15 characters", () => {
  expect(ours).toMatch(/^sk-clb-[\w-]{43}$/);
  expect(ours).toContain("-_v7-_v7");
  expect(keyPrefix).toBe("sk-clb--_v7-_v7");
  expect(keyPrefix).toHaveLength(15);
  expect(keyHash).toBe(hashKey(ours));
  expect(keyHash).toMatch(/^[0-9a-f]{64}$/);
  expect(JSON.stringify({ key })).not.toContain("clb");
});

test("the hash is plain SHA-256 in hex", () => {
  expect(hashKey("abc")).toBe("ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
});

test.each([
  ["", "", true],
  ["token", "token", true],
  ["token", "Token", false],
  ["token", "token ", false],
  ["", "token", false],
])("%p equals %p: %p", (a, b, expected) => {
  expect(isEqualInConstantTime(a, b)).toBe(expected);
});

const found: PresentedKey = { kind: "key", keyHash };
test.each<[string, Record<string, string>, PresentedKey]>([
  ["a bearer", { authorization: `Bearer ${ours}` }, found],
  ["a bearer in other case", { authorization: `bearer  ${ours}` }, found],
  ["our header beside a ChatGPT login", { authorization: "Bearer eyJ.a.b", "x-lb-key": ours }, found],
  ["Anthropic's header", { "x-api-key": ours }, found],
  ["Azure's header", { "api-key": ours }, found],
  ["our key behind a foreign x-api-key", { "x-api-key": "sk-other", "api-key": ours }, found],
  ["a foreign login", { authorization: "Bearer eyJ.a.b" }, { kind: "foreign" }],
  ["basic auth", { authorization: "Basic dTpw" }, { kind: "foreign" }],
  ["nothing", {}, { kind: "none" }],
  ["an empty header", { authorization: " " }, { kind: "none" }],
  [
    "a wrong key of ours",
    { authorization: "Bearer sk-clb-wrong" },
    { kind: "key", keyHash: hashKey("sk-clb-wrong") },
  ],
])("%s", (_name, headers, expected) => {
  expect(presentedKey((name) => headers[name])).toEqual(expected);
});

describe("what a key may do", () => {
  const open = { isActive: true, expiresAtMs: null, allowedModels: null, enforcedModel: null };
  test.each([
    ["an open key, any model", open, "gpt-5.5", "allowed"],
    ["no model at all", { ...open, allowedModels: ["gpt-5.5"] }, null, "allowed"],
    ["a switched-off key", { ...open, isActive: false }, null, "inactive"],
    ["an expired key", { ...open, expiresAtMs: NOW }, null, "expired"],
    ["a key about to expire", { ...open, expiresAtMs: NOW + 1 }, null, "allowed"],
    ["an allowed model", { ...open, allowedModels: ["gpt-5.4", "gpt-5.5"] }, "gpt-5.5", "allowed"],
    [
      "a snapshot of an allowed model",
      { ...open, allowedModels: ["gpt-5.5"] },
      "gpt-5.5-2026-04-01",
      "allowed",
    ],
    [
      "a sibling of an allowed model",
      { ...open, allowedModels: ["gpt-5.5"] },
      "gpt-5.5-pro",
      "model_not_allowed",
    ],
    [
      "any model when one is enforced",
      { ...open, allowedModels: ["gpt-5.5"], enforcedModel: "gpt-5.5" },
      "x",
      "allowed",
    ],
  ] as const)("%s", (_name, rights, model, expected) => {
    const copy = {
      ...rights,
      allowedModels: rights.allowedModels === null ? null : [...rights.allowedModels],
    };
    expect(mayUse(copy, { model, nowMs: NOW }).kind).toBe(expected);
  });
  test("a refusal says what is allowed", () => {
    const verdict = mayUse({ ...open, allowedModels: ["gpt-5.4", "gpt-5.5"] }, { model: "o9", nowMs: NOW });
    expect(verdict).toEqual({
      kind: "model_not_allowed",
      message: 'codex-lb: this API key may not use the model "o9". It may use: gpt-5.4, gpt-5.5.',
    });
  });
  test("a model list can be filtered for a key", () => {
    const list = ["gpt-5.4", "gpt-5.5", "gpt-5.5-2026-04-01"];
    expect(list.filter((model) => mayUseModel({ allowedModels: ["gpt-5.5"] }, model))).toEqual(list.slice(1));
    expect(list.filter((model) => mayUseModel({ allowedModels: null }, model))).toEqual(list);
  });
});
