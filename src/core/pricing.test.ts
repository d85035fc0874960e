import { describe, expect, test } from "bun:test";
import * as fc from "fast-check";
import prices from "../data/prices.json";
import { parsePriceTable, priceOf, usdFromMicros, withPriceOverrides, type PricedUse } from "./pricing.ts";

const table = parsePriceTable(prices);
const M = 1_000_000;

function use(model: string, given: Partial<PricedUse> = {}): PricedUse {
  return { model, serviceTier: null, inputTokens: 0, cachedInputTokens: 0, outputTokens: 0, ...given };
}

test("the worked example: 20,000 in of which 10,000 cached, 500 out, at 0.075/0.0075/0.45 is $0.00105", () => {
  const own = withPriceOverrides(table, {
    models: { tiny: { input: 0.075, cachedInput: 0.0075, output: 0.45 } },
  });
  const cost = priceOf(
    use("tiny", { inputTokens: 20_000, cachedInputTokens: 10_000, outputTokens: 500 }),
    own,
  );
  expect(cost).toEqual({
    inputMicros: 750,
    cachedInputMicros: 75,
    outputMicros: 225,
    toolCallsMicros: 0,
    totalMicros: 1050,
    estimated: false,
    rate: "tiny",
  });
  expect(usdFromMicros(cost.totalMicros)).toBe(0.00105);
});

// Dollars per 1M: fresh input, cached input, output. Written out by hand, apart from the table, from the price list.
type Prices = [number, number, number];
const LIST: Record<string, { standard: Prices; priority?: Prices; flex?: Prices; long?: Prices }> = {
  "gpt-5.6-sol": { standard: [5, 0.5, 30], priority: [10, 1, 60], flex: [2.5, 0.25, 15], long: [10, 1, 45] },
  "gpt-5.6-terra": { standard: [2, 0.2, 12], priority: [4, 0.4, 24], flex: [1, 0.1, 6], long: [4, 0.4, 18] },
  "gpt-5.6-luna": {
    standard: [0.2, 0.02, 1.2],
    priority: [0.4, 0.04, 2.4],
    flex: [0.1, 0.01, 0.6],
    long: [0.4, 0.04, 1.8],
  },
  "gpt-5.5": { standard: [5, 0.5, 30], priority: [12.5, 1.25, 75], flex: [2.5, 0.25, 15] },
  "gpt-5.5-pro": { standard: [30, 30, 180], flex: [15, 15, 90] },
  "gpt-5.4": {
    standard: [2.5, 0.25, 15],
    priority: [5, 0.5, 30],
    flex: [1.25, 0.125, 7.5],
    long: [5, 0.5, 22.5],
  },
  "gpt-5.4-mini": { standard: [0.75, 0.075, 4.5], flex: [0.375, 0.0375, 2.25] },
  "gpt-5.4-nano": { standard: [0.2, 0.02, 1.25], flex: [0.1, 0.01, 0.625] },
  "gpt-5.4-pro": { standard: [30, 30, 180], flex: [15, 15, 90], long: [60, 60, 270] },
  "gpt-5.3-codex": { standard: [1.75, 0.175, 14], priority: [3.5, 0.35, 28] },
  "gpt-5.2-codex": { standard: [1.75, 0.175, 14], priority: [3.5, 0.35, 28] },
  "gpt-5.2": { standard: [1.75, 0.175, 14], priority: [3.5, 0.35, 28], flex: [0.875, 0.0875, 7] },
  "gpt-5.1": { standard: [1.25, 0.125, 10], priority: [2.5, 0.25, 20], flex: [0.625, 0.0625, 5] },
  "gpt-5": { standard: [1.25, 0.125, 10], priority: [2.5, 0.25, 20], flex: [0.625, 0.0625, 5] },
  "gpt-5.1-codex": { standard: [1.25, 0.125, 10], priority: [2.5, 0.25, 20] },
  "gpt-5.1-codex-max": { standard: [1.25, 0.125, 10], priority: [2.5, 0.25, 20] },
  "gpt-5-codex": { standard: [1.25, 0.125, 10], priority: [2.5, 0.25, 20] },
  "gpt-5.1-codex-mini": { standard: [0.25, 0.025, 2] },
  "gpt-5.3-codex-spark": { standard: [0.175, 0.0175, 1.4] },
  "gpt-image-2": { standard: [5, 2, 30] },
};

/** What 100,000 fresh + 100,000 cached + 1,000,000 output tokens cost, in micro-dollars. */
function expectedMicros([input, cached, output]: Prices): number[] {
  return [input, cached, output].map((price, index) => Math.round(price * (index === 2 ? M : M / 10)));
}

describe("every model and tier is priced as listed", () => {
  test("the list covers the whole table", () => {
    expect(Object.keys(LIST).toSorted()).toEqual([...table.models.keys()].toSorted());
  });
  for (const [model, list] of Object.entries(LIST)) {
    const guess = model === "gpt-5.3-codex-spark";
    const scale = (prices: Prices, by: number) => prices.map((price) => price * by) as Prices;
    const rows: [tier: string | null, Prices, boolean][] = [
      [null, list.standard, guess],
      ["default", list.standard, guess],
      ["auto", list.standard, guess],
      ["priority", list.priority ?? scale(list.standard, 2), guess || !list.priority],
      ["fast", list.priority ?? scale(list.standard, 2), guess || !list.priority],
      ["flex", list.flex ?? scale(list.standard, 0.5), guess || !list.flex],
      ["scale", list.standard, true],
    ];
    test.each(rows)(`${model} %p`, (serviceTier, prices, estimated) => {
      const cost = priceOf(
        use(model, { serviceTier, inputTokens: 200_000, cachedInputTokens: 100_000, outputTokens: M }),
        table,
      );
      const parts = expectedMicros(prices);
      expect([cost.inputMicros, cost.cachedInputMicros, cost.outputMicros]).toEqual(parts);
      expect(cost.totalMicros).toBe(parts[0]! + parts[1]! + parts[2]!);
      expect(cost.estimated).toBe(estimated);
    });
    test(`${model} beyond 272,000 input tokens`, () => {
      const cost = priceOf(use(model, { inputTokens: M, cachedInputTokens: M / 2, outputTokens: M }), table);
      const [input, cached, output] = list.long ?? list.standard;
      expect(cost.totalMicros).toBe(Math.round((input * M) / 2 + (cached * M) / 2 + output * M));
      expect(cost.estimated).toBe(guess);
    });
  }
});

describe("rules", () => {
  test("long context begins above the threshold, not at it", () => {
    expect(priceOf(use("gpt-5.4", { inputTokens: 272_000 }), table).totalMicros).toBe(680_000);
    expect(priceOf(use("gpt-5.4", { inputTokens: 272_001 }), table).totalMicros).toBe(1_360_005);
  });
  test("long context within a tier grows as the standard price does and is marked as an estimate", () => {
    const cost = priceOf(use("gpt-5.4", { serviceTier: "flex", inputTokens: M, outputTokens: M }), table);
    expect(cost).toMatchObject({
      inputMicros: 2_500_000,
      outputMicros: 11_250_000,
      estimated: true,
      rate: "gpt-5.4 flex, long context",
    });
  });
  test.each(["gpt-6.1-sol", "gpt-5-pro", "codex-auto-review", ""])(
    "the unknown model %p pays the dearest known rate, whatever its tier",
    (model) => {
      const cost = priceOf(
        use(model, { serviceTier: "flex", inputTokens: M, cachedInputTokens: M, outputTokens: M }),
        table,
      );
      expect(cost).toMatchObject({
        totalMicros: 210 * M,
        estimated: true,
        rate: "gpt-5.5-pro (dearest known)",
      });
    },
  );
  test.each(["gpt-5.5-2026-04-01", "openai/gpt-5.5", "GPT-5.5"])("%p has the price of gpt-5.5", (model) => {
    expect(priceOf(use(model, { outputTokens: M }), table)).toMatchObject({
      totalMicros: 30 * M,
      estimated: false,
      rate: "gpt-5.5",
    });
  });
  test("web searches cost a cent each; images have an assumed size, so they are an estimate", () => {
    expect(priceOf(use("gpt-5.5", { toolCalls: { webSearch: 3 } }), table)).toMatchObject({
      toolCallsMicros: 30_000,
      totalMicros: 30_000,
      estimated: false,
    });
    expect(priceOf(use("gpt-5.5", { toolCalls: { images: 2 } }), table)).toMatchObject({
      toolCallsMicros: 106_000,
      estimated: true,
    });
  });
  test("more cached than input tokens cannot make the input negative", () => {
    expect(priceOf(use("gpt-5.5", { inputTokens: 10, cachedInputTokens: 1_000 }), table)).toMatchObject({
      inputMicros: 0,
      cachedInputMicros: 5,
    });
  });
});

describe("rounding", () => {
  const third = withPriceOverrides(table, { models: { odd: { input: 0.3, cachedInput: 0.3, output: 0.3 } } });
  test.each([
    [1, 0, 0, [0, 0, 0]], // 0.3
    [2, 1, 0, [1, 0, 0]], // 0.3 + 0.3: the total rounds up, the first of equals gets it
    [2, 1, 1, [1, 0, 0]], // 0.9
    [1, 0, 4, [1, 0, 1]], // 0.3 + 1.2 = 1.5: a half goes up; the larger loss (0.3 against 0.2) gets it
  ])("%p in, %p cached, %p out", (inputTokens, cachedInputTokens, outputTokens, parts) => {
    const cost = priceOf(use("odd", { inputTokens, cachedInputTokens, outputTokens }), third);
    const exact = 0.3 * (inputTokens + outputTokens);
    expect(cost.totalMicros).toBe(Math.floor(exact + 0.5 + 1e-9));
    expect([cost.inputMicros, cost.cachedInputMicros, cost.outputMicros]).toEqual(parts);
  });
  test("parts always add up to the total, each within one micro-dollar, the total within half of one", () => {
    const price = fc.integer({ min: 0, max: 300 * M }).map((millionths) => millionths / M);
    const tokens = fc.integer({ min: 0, max: 2 * M });
    fc.assert(
      fc.property(
        price,
        price,
        price,
        tokens,
        tokens,
        tokens,
        fc.nat(20),
        (i, c, o, fresh, cached, out, searches) => {
          const own = withPriceOverrides(table, { models: { own: { input: i, cachedInput: c, output: o } } });
          const cost = priceOf(
            use("own", {
              inputTokens: fresh + cached,
              cachedInputTokens: cached,
              outputTokens: out,
              toolCalls: { webSearch: searches },
            }),
            own,
          );
          const exact = [
            BigInt(fresh) * BigInt(Math.round(i * M)),
            BigInt(cached) * BigInt(Math.round(c * M)),
            BigInt(out) * BigInt(Math.round(o * M)),
            BigInt(searches) * 10_000_000_000n,
          ];
          const parts = [cost.inputMicros, cost.cachedInputMicros, cost.outputMicros, cost.toolCallsMicros];
          expect(parts.reduce((a, b) => a + b)).toBe(cost.totalMicros);
          for (const [index, part] of parts.entries()) {
            const loss = BigInt(part) * 1_000_000n - exact[index]!;
            expect(loss > -1_000_000n && loss < 1_000_000n).toBe(true);
          }
          const off = BigInt(cost.totalMicros) * 1_000_000n - exact.reduce((a, b) => a + b);
          expect(off > -500_000n && off <= 500_000n).toBe(true);
        },
      ),
    );
  });
});

describe("overrides", () => {
  test("replace a whole entry, snapshots on their own, and tool prices one by one", () => {
    const own = withPriceOverrides(table, {
      models: { "gpt-5.5-2026-04-01": { input: 1, cachedInput: null, output: 2 } },
      toolCalls: { image_generation: { perImage: 0.2 } },
    });
    expect(priceOf(use("gpt-5.5-2026-04-01", { outputTokens: M }), own).totalMicros).toBe(2 * M);
    expect(priceOf(use("gpt-5.5", { outputTokens: M }), own).totalMicros).toBe(30 * M);
    const images = priceOf(use("gpt-5.5", { toolCalls: { images: 1, webSearch: 1 } }), own);
    expect(images).toMatchObject({ toolCallsMicros: 210_000, estimated: false });
  });
  test.each([
    [[], "overrides"],
    [{ model: {} }, "model"],
    [{ models: { x: 1 } }, "models.x"],
    [{ models: { x: { output: 1 } } }, "models.x.input"],
    [{ models: { x: { input: -1, output: 1 } } }, "models.x.input"],
    [{ models: { x: { input: 1, output: "1" } } }, "models.x.output"],
    [{ models: { x: { input: 1, output: 1, cached: 1 } } }, "models.x.cached"],
    [{ models: { x: { input: 1, output: 1, flex: { input: 1 } } } }, "models.x.flex.output"],
    [{ models: { x: { input: 0.0000001, output: 1 } } }, "models.x.input"],
    [{ models: { x: { input: 1e9, output: 1 } } }, "models.x.input"],
    [{ toolCalls: { web_search: { perImage: 1 } } }, "toolCalls.web_search.perImage"],
  ])("%j is refused at %p", (overrides, param) => {
    expect(() => withPriceOverrides(table, overrides)).toThrow(
      expect.objectContaining({ code: "validation_error", status: 422, param }),
    );
  });
});
