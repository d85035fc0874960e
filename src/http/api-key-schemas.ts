/** The bodies of `/api/api-keys` for the API's description; what is accepted is decided in core/api-key-input and core/balance. */
import { t } from "elysia";

const text = (description: string) => t.Nullable(t.String({ description }));

const limit = t.Object({
  limitType: t.Union(
    ["total_tokens", "input_tokens", "output_tokens", "cost_usd"].map((name) => t.Literal(name)),
  ),
  limitWindow: t.Union(["5h", "daily", "weekly", "7d", "monthly"].map((name) => t.Literal(name))),
  maxValue: t.Integer({ minimum: 1, description: "Tokens; micro-dollars for cost_usd." }),
  modelFilter: t.Optional(text("Counts only this model, its snapshots included.")),
});

const key = t.Partial(
  t.Object({
    name: t.String({ minLength: 1, maxLength: 128 }),
    isActive: t.Boolean(),
    allowedModels: t.Nullable(t.Array(t.String(), { description: "null or empty: every model." })),
    enforcedModel: text("Replaces the model that the client asks for."),
    enforcedReasoningEffort: text("none, minimal, low, medium, high, xhigh, max or ultra."),
    enforcedServiceTier: text("auto, default, flex or priority."),
    assignedAccountIds: t.Nullable(t.Array(t.String(), { description: "null or empty: every account." })),
    balanceEnabled: t.Boolean({ description: "Requests are charged to the prepaid credit in the ledger." }),
    apiKeyLaneAllowed: t.Boolean({
      description: "The operator's own API key at OpenAI may serve it when no account can. Default true.",
    }),
    expiresAt: text("ISO 8601."),
    limits: t.Array(limit),
    resetUsage: t.Boolean({ description: "Every limit's window begins again now." }),
  }),
);

const ledgerEntry = t.Object({
  kind: t.Union([t.Literal("credit"), t.Literal("correction")]),
  amountMicros: t.Integer({ description: "Micro-dollars; a correction may be negative." }),
  note: t.String({ minLength: 1, maxLength: 500 }),
});

export function keyBodySchema(required: string[]) {
  return requestBody({ ...key, required });
}

export const ledgerBodySchema = requestBody(ledgerEntry);

function requestBody(schema: object) {
  return { requestBody: { required: true, content: { "application/json": { schema } } } };
}
