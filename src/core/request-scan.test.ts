import { describe, expect, test } from "bun:test";
import { scanTopLevel } from "./request-scan.ts";

const WANTED = new Set(["model", "reasoning"]);
const scan = (body: string) => scanTopLevel(Buffer.from(body), WANTED);

describe("reading a few fields of a body", () => {
  test.each<[body: string, fields: Record<string, unknown>]>([
    [
      '{"model":"a","input":[{"model":"b"}],"reasoning":{"effort":"low"}}',
      { model: "a", reasoning: { effort: "low" } },
    ],
    ['\ufeff {"x":"\\"model\\":1,}","model" : "a" } ', { model: "a" }],
    ['{"mod\\u0065l":"a"}', { model: "a" }],
    ["{}", {}],
  ])("%s", (body, fields) => {
    const result = scan(body);
    expect(result.ok && Object.fromEntries(result.fields)).toEqual(fields);
  });

  const refused: [body: string, problem: string][] = [
    ['{"model":"allowed","model":"other"}', 'the field "model" occurs twice'],
    ['{"model":"allowed","mod\\u0065l":"other"}', 'the field "model" occurs twice'],
    ['{"mod\\x":1}', "the field name at byte 1 is not valid JSON"],
    ['{"model":nope}', 'the field "model" is not valid JSON'],
    ['{"model":"a"', "the body is cut off: it ends inside the JSON"],
    ['{"model":"a"} x', "something follows the JSON object at byte 14"],
    ["[]", "the body is not a JSON object"],
    [`{"x":${"[".repeat(1001)}`, "the body is nested deeper than 1000 levels"],
  ];
  for (const [body, problem] of refused)
    test(`refuses ${body.slice(0, 50)}`, () => {
      expect(scan(body)).toEqual({ ok: false, problem });
    });
});
