import { describe, expect, test } from "bun:test";
import minimal from "./fixtures/models-min-accepted.json" with { type: "json" };
import {
  accountsForModel,
  mergeCatalogues,
  type ModelEntry,
  openAiModelList,
  readCatalogue,
  summariseModels,
} from "./models-catalogue.ts";

function model(slug: string, more: Record<string, unknown> = {}): ModelEntry {
  return { slug, display_name: slug.toUpperCase(), visibility: "list", priority: 1, ...more };
}

test("a catalogue is read verbatim, unknown fields and enums included", () => {
  const body = { models: [...minimal.models, model("new", { visibility: "hologram", future: { a: [1] } })] };
  expect(readCatalogue(body)).toEqual(body.models as never);
});

test("entries without a slug and doubles are left out, other bodies are no catalogue", () => {
  expect(
    readCatalogue({ models: [model("a"), null, 7, {}, { slug: "" }, { slug: " a" }, model("a", { x: 1 })] }),
  ).toEqual([model("a")]);
  expect(readCatalogue({ models: [] })).toEqual([]);
  for (const body of [null, [], { object: "list", data: [] }, { models: {} }, "x"])
    expect(readCatalogue(body)).toBeNull();
});

describe("the merged catalogue", () => {
  const pro = {
    accountId: "acc_pro",
    models: [model("big", { priority: 2 }), model("small", { note: "pro" })],
  };
  const plus = { accountId: "acc_plus", models: [model("small", { note: "plus" })] };

  test("is the union; the longest list describes a model that several have", () => {
    const merged = mergeCatalogues([plus, pro]);
    expect(merged.models).toEqual([model("small", { note: "pro" }), model("big", { priority: 2 })]);
  });
  test("has the same tag in whatever order the accounts come, and another for other content", () => {
    const { etag } = mergeCatalogues([plus, pro]);
    expect(mergeCatalogues([pro, plus]).etag).toBe(etag);
    expect(mergeCatalogues([pro]).etag).toBe(etag);
    expect(mergeCatalogues([plus]).etag).not.toBe(etag);
    expect(etag).toMatch(/^W\/"[0-9a-f]{32}"$/);
  });
  test("says who may serve a model, and that of an unlisted one nothing is known", () => {
    const merged = mergeCatalogues([plus, pro]);
    expect(accountsForModel(merged, "small")).toEqual(new Set(["acc_pro", "acc_plus"]));
    expect(accountsForModel(merged, "big")).toEqual(new Set(["acc_pro"]));
    expect(accountsForModel(merged, "secret")).toBeNull();
  });
  test("of no account is empty", () => expect(mergeCatalogues([]).models).toEqual([]));
});

test("lists for SDKs and for the dashboard leave out hidden models", () => {
  const models = [
    model("a", {
      supported_reasoning_levels: [{ effort: "low" }, "high", 7],
      default_reasoning_level: "low",
    }),
    model("b", { visibility: "hide" }),
    { slug: "c" },
  ];
  expect(openAiModelList(models, 5)).toEqual({
    object: "list",
    data: ["a", "c"].map((id) => ({ id, object: "model", created: 5, owned_by: "openai" })),
  });
  expect(summariseModels(models)).toEqual([
    { id: "a", name: "A", supportedReasoningEfforts: ["low", "high"], defaultReasoningEffort: "low" },
    { id: "c", name: "c", supportedReasoningEfforts: [], defaultReasoningEffort: null },
  ]);
});
