import { describe, expect, test } from "bun:test";
import { applyKeyRules, type KeyRules, withAskedFor } from "./key-rules.ts";

const NO_RULES: KeyRules = { enforcedModel: null, enforcedReasoningEffort: null, enforcedServiceTier: null };
const ASKED = { model: "gpt-5.5", reasoningEffort: "high", serviceTier: "priority", sessionId: "s" };

function rewritten(body: string, rules: Partial<KeyRules>): string {
  const parsed = JSON.parse(body);
  const asked = {
    model: parsed.model,
    reasoningEffort: parsed.reasoning?.effort ?? null,
    serviceTier: parsed.service_tier ?? null,
  };
  const wanted = applyKeyRules(asked, { ...NO_RULES, ...rules });
  return Buffer.from(withAskedFor(Buffer.from(body), wanted)).toString();
}

describe("what a key decides in place of the client", () => {
  const cases: [name: string, rules: Partial<KeyRules>, sent: Partial<typeof ASKED> | "untouched"][] = [
    ["a key without rules touches nothing", {}, "untouched"],
    ["the model it wants is asked for already", { enforcedModel: "gpt-5.5" }, "untouched"],
    ["a snapshot is its model", { enforcedModel: "openai/gpt-5.5-2026-04-01" }, "untouched"],
    ["another model", { enforcedModel: "gpt-5.4-mini" }, { model: "gpt-5.4-mini" }],
    ["an effort", { enforcedReasoningEffort: "low" }, { reasoningEffort: "low" }],
    ["the tier that is asked for already", { enforcedServiceTier: "priority" }, "untouched"],
    [
      "the usual tier is the absence of one",
      { enforcedServiceTier: "default" },
      { serviceTier: null as never },
    ],
    [
      "a tier that the backend refuses is not sent",
      { enforcedServiceTier: "flex" },
      { serviceTier: null as never },
    ],
  ];
  test.each(cases)("%s", (_, rules, sent) => {
    const result = applyKeyRules(ASKED, { ...NO_RULES, ...rules });
    if (sent === "untouched") expect(result).toBe(ASKED);
    else expect(result).toEqual({ ...ASKED, ...sent });
  });
});

describe("the rewritten body", () => {
  test("keeps every other byte, numbers and odd spelling included", () => {
    const body =
      '{ "model" : "gpt-5.5",\n "big": 12345678901234567890, "text":"\\u00e9\\"}" , "input":[ {"n":1.0} ],"store":false}';
    expect(rewritten(body, { enforcedModel: "gpt-5.4" })).toBe(
      '{"model":"gpt-5.4","big": 12345678901234567890,"text":"\\u00e9\\"}","input":[ {"n":1.0} ],"store":false}',
    );
  });

  test("keeps the rest of the reasoning options", () => {
    const body = '{"model":"m","reasoning":{"effort":"high","summary":"auto","context":"all_turns"}}';
    expect(JSON.parse(rewritten(body, { enforcedReasoningEffort: "low" })).reasoning).toEqual({
      effort: "low",
      summary: "auto",
      context: "all_turns",
    });
  });

  test("gains the effort and the tier that the client left out", () => {
    expect(
      JSON.parse(
        rewritten('{"model":"m"}', { enforcedReasoningEffort: "low", enforcedServiceTier: "priority" }),
      ),
    ).toEqual({ model: "m", service_tier: "priority", reasoning: { effort: "low" } });
  });

  test("loses a tier that the key does not want", () => {
    expect(
      JSON.parse(rewritten('{"service_tier":"priority","model":"m"}', { enforcedServiceTier: "auto" })),
    ).toEqual({
      model: "m",
    });
  });

  test("has the effort also in the items of the input that set one", () => {
    const message = '{"type":"message","role":"user","content":"a configuration_update is not this"}';
    const update = '{"type":"configuration_update","reasoning":{"effort":"ultra","summary":"auto"}}';
    const sent = rewritten(`{"model":"m","input":[${message}, ${update},${update}]}`, {
      enforcedReasoningEffort: "low",
    });
    expect(sent).toContain(message);
    expect(sent).not.toContain("ultra");
    expect(JSON.parse(sent).input).toEqual([
      JSON.parse(message),
      { type: "configuration_update", reasoning: { effort: "low", summary: "auto" } },
      { type: "configuration_update", reasoning: { effort: "low", summary: "auto" } },
    ]);
  });

  test.each([
    '{"model":"m","input":"a configuration_update"}',
    '{"model":"m","input":[{"configuration_update" 5}]}',
  ])("an odd input stays as it is: %s", (body) => {
    const sent = Buffer.from(
      withAskedFor(Buffer.from(body), { model: "m", reasoningEffort: "low", serviceTier: null }),
    ).toString();
    expect(sent).toContain(body.slice('{"model":"m",'.length, -1));
  });
});
