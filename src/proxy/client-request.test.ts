/** Claims about the few facts that are read of a client's request. */
import { describe, expect, test } from "bun:test";
import { CodedError } from "../core/errors.ts";
import { requestFacts } from "./client-request.ts";

function factsOf(body: Record<string, unknown>) {
  return requestFacts(Buffer.from(JSON.stringify(body)), () => null);
}

describe("what a client can make up is not kept at any length", () => {
  test("a model's name", () => {
    const asked = () => factsOf({ model: "m".repeat(50_000) });
    expect(asked).toThrow(expect.objectContaining({ code: "model_not_found", status: 400 }));
    try {
      asked();
    } catch (error) {
      expect((error as CodedError).message.length).toBeLessThan(200);
    }
    expect(factsOf({ model: "m".repeat(256) }).model).toHaveLength(256);
  });

  test("everything else", () => {
    const long = "x".repeat(50_000);
    const facts = factsOf({
      model: "gpt-5.5",
      service_tier: long,
      reasoning: { effort: long },
      prompt_cache_key: long,
      client_metadata: { session_id: long, thread_id: long, turn_id: long },
    });
    expect(JSON.stringify(facts).length).toBeLessThan(2_000);
  });
});
