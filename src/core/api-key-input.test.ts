import { describe, expect, test } from "bun:test";
import { parseKeyPatch, parseNewKey } from "./api-key-input.ts";
import type { ApiKeySettings } from "./api-key.ts";

const PLAIN: ApiKeySettings = {
  name: "Ana",
  isActive: true,
  allowedModels: null,
  enforcedModel: null,
  enforcedReasoningEffort: null,
  enforcedServiceTier: null,
  assignedAccountIds: null,
  balanceEnabled: false,
  apiKeyLaneAllowed: true,
  expiresAtMs: null,
};
const LIMIT = { limitType: "total_tokens", limitWindow: "weekly", maxValue: 1_000_000 };

describe("creating", () => {
  test("a name is enough", () => {
    expect(parseNewKey({ name: " Ana " })).toEqual({ settings: PLAIN, limits: [] });
  });
  test("every field is read, aliases are settled, empty means none", () => {
    const { settings, limits } = parseNewKey({
      name: "Ana",
      isActive: false,
      allowedModels: ["gpt-5.5", "gpt-5.4", "gpt-5.5"],
      enforcedModel: "gpt-5.5",
      enforcedReasoningEffort: "high",
      enforcedServiceTier: "fast",
      assignedAccountIds: [],
      balanceEnabled: true,
      apiKeyLaneAllowed: false,
      expiresAt: "2027-01-31T12:00:00Z",
      limits: [LIMIT, { limitType: "cost_usd", limitWindow: "7d", maxValue: 1, modelFilter: "gpt-5.5" }],
    });
    expect(settings).toEqual({
      name: "Ana",
      isActive: false,
      allowedModels: ["gpt-5.5", "gpt-5.4"],
      enforcedModel: "gpt-5.5",
      enforcedReasoningEffort: "high",
      enforcedServiceTier: "priority",
      assignedAccountIds: null,
      balanceEnabled: true,
      apiKeyLaneAllowed: false,
      expiresAtMs: Date.UTC(2027, 0, 31, 12),
    });
    expect(limits).toEqual([
      { limitType: "total_tokens", limitWindow: "weekly", maxValue: 1_000_000, modelFilter: null },
      { limitType: "cost_usd", limitWindow: "weekly", maxValue: 1, modelFilter: "gpt-5.5" },
    ]);
  });
  test.each([
    ["2027-01-31", Date.UTC(2027, 0, 31)],
    ["2027-01-31T12:00", Date.UTC(2027, 0, 31, 12)],
    ["2027-01-31T12:00:00", Date.UTC(2027, 0, 31, 12)],
    ["2027-01-31T12:00:00.500+02:00", Date.UTC(2027, 0, 31, 10, 0, 0, 500)],
  ])("expiresAt %p", (expiresAt, expected) => {
    expect(parseNewKey({ name: "Ana", expiresAt }).settings.expiresAtMs).toBe(expected);
  });
});

describe("changing", () => {
  test("only what is named changes; limits are left alone unless given", () => {
    expect(parseKeyPatch({ name: "Bo" }, PLAIN)).toEqual({
      settings: { name: "Bo" },
      limits: undefined,
      resetUsage: false,
    });
    expect(parseKeyPatch({ limits: [] }, PLAIN).limits).toEqual([]);
    expect(parseKeyPatch({ resetUsage: true }, PLAIN)).toEqual({
      settings: {},
      limits: undefined,
      resetUsage: true,
    });
    expect(parseKeyPatch({ expiresAt: null, allowedModels: null }, PLAIN).settings).toEqual({
      expiresAtMs: null,
      allowedModels: null,
    });
  });
  test("what a GET answered can be sent back", () => {
    const answered = {
      id: "key_1",
      name: "Ana",
      keyPrefix: "sk-clb-abcdefgh",
      isActive: true,
      allowedModels: null,
      expiresAt: null,
      createdAt: "2026-11-20T10:00:00Z",
      lastUsedAt: null,
      limits: [{ ...LIMIT, id: "l1", currentValue: 7, resetAt: "2026-11-27T10:00:00Z", modelFilter: null }],
      usage: { requestCount: 1 },
    };
    expect(parseKeyPatch(answered, PLAIN).limits).toEqual([
      { limitType: "total_tokens", limitWindow: "weekly", maxValue: 1_000_000, modelFilter: null },
    ]);
  });
  test("an enforced model is checked against the list that will hold", () => {
    const listed = { ...PLAIN, allowedModels: ["gpt-5.4"] };
    expect(() => parseKeyPatch({ enforcedModel: "gpt-5.5" }, listed)).toThrow(
      "allowedModels does not contain",
    );
    expect(
      parseKeyPatch({ enforcedModel: "gpt-5.5", allowedModels: null }, listed).settings.enforcedModel,
    ).toBe("gpt-5.5");
  });
});

test.each<[unknown, string]>([
  [null, "body"],
  [[], "body"],
  [{}, "name"],
  [{ name: "" }, "name"],
  [{ name: "a\nb" }, "name"],
  [{ name: "x".repeat(129) }, "name"],
  [{ name: "a", allowedModel: ["x"] }, "allowedModel"],
  [{ name: "a", isActive: "yes" }, "isActive"],
  [{ name: "a", allowedModels: "gpt-5.5" }, "allowedModels"],
  [{ name: "a", allowedModels: ["gpt-5.5", 5] }, "allowedModels[1]"],
  [{ name: "a", enforcedReasoningEffort: "hihg" }, "enforcedReasoningEffort"],
  [{ name: "a", enforcedServiceTier: "constructor" }, "enforcedServiceTier"],
  [{ name: "a", enforcedModel: "x", allowedModels: ["y"] }, "enforcedModel"],
  [{ name: "a", expiresAt: "tomorrow" }, "expiresAt"],
  [{ name: "a", expiresAt: "2027-13-01" }, "expiresAt"],
  [{ name: "a", expiresAt: 1_800_000_000 }, "expiresAt"],
  [{ name: "a", limits: {} }, "limits"],
  [{ name: "a", limits: [null] }, "limits[0]"],
  [{ name: "a", limits: [LIMIT, { ...LIMIT, maxValue: 0 }] }, "limits[1].maxValue"],
  [{ name: "a", limits: [{ ...LIMIT, maxValue: 1.5 }] }, "limits[0].maxValue"],
  [{ name: "a", limits: [{ ...LIMIT, limitType: "requests" }] }, "limits[0].limitType"],
  [{ name: "a", limits: [{ ...LIMIT, limitWindow: "hourly" }] }, "limits[0].limitWindow"],
  [{ name: "a", limits: [{ ...LIMIT, modelFilter: 5 }] }, "limits[0].modelFilter"],
  [{ name: "a", limits: [LIMIT, { ...LIMIT, limitWindow: "7d", maxValue: 5 }] }, "limits[1]"],
  [{ name: "a", limits: Array.from({ length: 21 }, () => LIMIT) }, "limits"],
])("%j is refused at %p", (body, param) => {
  expect(() => parseNewKey(body)).toThrow(
    expect.objectContaining({ code: "validation_error", status: 422, param }),
  );
});
