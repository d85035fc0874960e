import { expect, test } from "bun:test";
import { CodedError } from "../core/errors.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { createKeptResponses, type KeptResponses } from "./kept-responses.ts";

const said = (text: string) => ({ role: "user", content: text });
const answer = (id: string, text = id) => ({ type: "message", id, role: "assistant", content: text });

function complete(
  kept: KeptResponses,
  id: string,
  { owner = "", input = [said("q")], output = [answer(`item_${id}`)] } = {},
) {
  const see = kept.keeping(owner, input);
  for (const item of output) see({ type: "response.output_item.done", item });
  see({ type: "response.completed", response: { id } });
}

test("a previous response becomes all that was said before, then the new input", () => {
  const kept = createKeptResponses(createFakeClock());
  complete(kept, "r1");
  const second = kept.resolve({ model: "m", previous_response_id: "r1", input: "and then?" }, "");
  expect(second).toEqual({ model: "m", input: [said("q"), answer("item_r1"), said("and then?")] });
  complete(kept, "r2", { input: second.input as ReturnType<typeof said>[] });
  expect(
    (kept.resolve({ previous_response_id: "r2", input: [said("more")] }, "").input as unknown[]).length,
  ).toBe(5);
});

test("a reference becomes the item that it names; an unknown one stays for the dialect to refuse", () => {
  const kept = createKeptResponses(createFakeClock());
  complete(kept, "r1", { output: [answer("a"), answer("b")] });
  const input = ["b", "c"].map((id) => ({ type: "item_reference", id }));
  expect(kept.resolve({ input }, "")).toEqual({ input: [answer("b"), input[1]!] });
});

test.each([
  ["of another key", { owner: "key_2" }, 0],
  ["after an hour", {}, 60 * 60_000 + 1],
  ["larger than one may be", { output: [answer("a", "x".repeat(9 * 1024 * 1024))] }, 0],
])("a response %s is not found, with the error on which clients send everything", (_what, made, laterMs) => {
  const clock = createFakeClock();
  const kept = createKeptResponses(clock);
  complete(kept, "r1", made);
  clock.advance(laterMs);
  expect(() => kept.resolve({ previous_response_id: "r1", input: "on" }, "")).toThrow(
    expect.objectContaining({ code: "previous_response_not_found", status: 400 }),
  );
});

test("what was not completed is not kept", () => {
  const kept = createKeptResponses(createFakeClock());
  const see = kept.keeping("", [said("q")]);
  see({ type: "response.output_item.done", item: answer("a") });
  see({ type: "response.failed", response: { id: "r1" } });
  expect(() => kept.resolve({ previous_response_id: "r1", input: "on" }, "")).toThrow(CodedError);
});

test("what is past its hour is forgotten without anybody asking", () => {
  const clock = createFakeClock();
  const kept = createKeptResponses(clock);
  complete(kept, "r1");
  expect(kept.size()).toBeGreaterThan(0);
  clock.advance(60 * 60_000);
  kept.prune();
  expect(kept.size()).toBe(0);
});

test("the memory is bounded: the longest unused goes first", () => {
  const kept = createKeptResponses(createFakeClock());
  const output = [answer("a", "x".repeat(7 * 1024 * 1024))];
  for (let n = 0; n < 12; n++) {
    complete(kept, `r${n}`, { output });
    kept.resolve({ previous_response_id: "r0", input: "keeps it used" }, "");
  }
  const known = Array.from({ length: 12 }, (_, n) => `r${n}`).filter((id) => {
    try {
      return kept.resolve({ previous_response_id: id, input: "on" }, "");
    } catch {
      return false;
    }
  });
  expect(known).toEqual(["r0", "r4", "r5", "r6", "r7", "r8", "r9", "r10", "r11"]);
});
