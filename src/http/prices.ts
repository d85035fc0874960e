/** `/api/prices`: what a token costs, as shipped and as the operator set it. Dollars per 1M tokens. */
import { Elysia, t } from "elysia";
import { CodedError } from "../core/errors.ts";
import { asNumber, asRecord } from "../core/json-read.ts";
import type { LivePrices, PriceEntry } from "../pool/live-prices.ts";
import type { Admin } from "./admin.ts";

/** The shipped table has a few dozen. */
const MAX_OVERRIDES = 500;

const overridesBody = t.Object({
  overrides: t.Record(t.String({ maxLength: 100 }), t.Record(t.String(), t.Unknown()), {
    description:
      "By model: `{input, cachedInput?, output, priority?, flex?, long?, estimated?}`, the last three but one again `{input, cachedInput?, output}`. Replaces all earlier ones.",
  }),
});

export function priceRoutes({ admin, prices }: { admin: Admin; prices: LivePrices }) {
  function view() {
    const overrides = prices.overrides();
    const entries = Object.entries({ ...prices.shipped(), ...overrides });
    return {
      currency: "USD",
      longContextThresholdTokens: prices.table().longContextThresholdTokens,
      prices: entries
        .map(([model, entry]) => ({
          ...priceView(model, entry),
          overridden: Object.hasOwn(overrides, model),
        }))
        .toSorted((a, b) => (a.model < b.model ? -1 : 1)),
      overrides,
    };
  }
  return new Elysia({ prefix: "/api", detail: { tags: ["Settings"] } })
    .get("/prices", view, { detail: { summary: "The price table in force" } })
    .put(
      "/prices",
      ({ request, body }) => {
        const models = Object.keys(body.overrides);
        if (models.length > MAX_OVERRIDES)
          throw new CodedError("validation_error", `At most ${MAX_OVERRIDES} models.`, { status: 422 });
        prices.replaceOverrides(body.overrides);
        admin.audit(request, "prices.change", null, { models });
        return view();
      },
      {
        body: overridesBody,
        detail: { summary: "Set prices of your own; requests from now on are charged by them" },
      },
    );
}

function priceView(model: string, entry: PriceEntry) {
  return {
    model,
    ...rateView(entry),
    priority: tierView(entry.priority),
    flex: tierView(entry.flex),
    long: tierView(entry.long),
    estimated: Boolean(entry.estimated),
  };
}

const tierView = (tier: unknown) => {
  const rate = asRecord(tier);
  return rate && rateView(rate);
};

function rateView({ input, cachedInput, output }: PriceEntry) {
  return {
    inputUsd: asNumber(input) ?? 0,
    /** null: no discount is published, cached tokens cost what others do. */
    cachedInputUsd: asNumber(cachedInput),
    outputUsd: asNumber(output) ?? 0,
  };
}
