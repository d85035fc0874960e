/** What an API key imposes on a request: its model, effort and service tier in place of those that the client asked for. */
import type { ApiKeySettings } from "./api-key.ts";
import { asRecord, type JsonRecord } from "./json-read.ts";
import { isSameModel } from "./model-name.ts";
import { walkItems, walkTopLevel } from "./request-scan.ts";

export type KeyRules = Pick<
  ApiKeySettings,
  "enforcedModel" | "enforcedReasoningEffort" | "enforcedServiceTier"
>;

/** The part of a request that a key may decide. */
export interface AskedFor {
  model: string;
  reasoningEffort: string | null;
  serviceTier: string | null;
}

/**
 * What is to be sent instead. The very same object when nothing differs: then the bytes go out as they came. A snapshot of
 * the enforced model is that model.
 */
export function applyKeyRules<Facts extends AskedFor>(facts: Facts, rules: KeyRules): Facts {
  const { enforcedModel, enforcedReasoningEffort, enforcedServiceTier } = rules;
  const model =
    enforcedModel === null || isSameModel(enforcedModel, facts.model) ? facts.model : enforcedModel;
  const reasoningEffort = enforcedReasoningEffort ?? facts.reasoningEffort;
  const serviceTier = enforcedServiceTier === null ? facts.serviceTier : sentTier(enforcedServiceTier);
  if (
    model === facts.model &&
    serviceTier === facts.serviceTier &&
    // The effort may also be set by items of the input, which the facts do not know.
    enforcedReasoningEffort === null
  ) {
    return facts;
  }
  return { ...facts, model, reasoningEffort, serviceTier };
}

/** The backend behind ChatGPT logins knows `priority` and, by the absence of the field, the usual tier; it refuses others. */
function sentTier(tier: string): string | null {
  return tier === "priority" ? tier : null;
}

/** Marks an item of the input that changes the effort in mid-conversation (UPSTREAM B.2, lite shape). */
const CONFIGURATION_UPDATE = "configuration_update";

/**
 * A Responses body, or a `response.create` frame, that asks for `wanted`: `model`, `service_tier` and every effort are
 * replaced, all other fields are the bytes that came. `plain` is one that `scanTopLevel` found well formed.
 */
export function withAskedFor(plain: Uint8Array, wanted: AskedFor): Uint8Array {
  const bytes = Buffer.from(plain.buffer, plain.byteOffset, plain.byteLength);
  const fields: Buffer[] = [field("model", wanted.model)];
  if (wanted.serviceTier !== null) fields.push(field("service_tier", wanted.serviceTier));
  let reasoning: Buffer | null = null;
  walkTopLevel(bytes, (name, { at, valueAt, end }) => {
    if (name === "reasoning") reasoning = reasoningField(bytes.subarray(valueAt, end), wanted);
    else if (name === "input") fields.push(inputField(bytes, { at, valueAt, end }, wanted));
    else if (name !== "model" && name !== "service_tier") fields.push(bytes.subarray(at, end));
    return null;
  });
  if (reasoning !== null) fields.push(reasoning);
  else if (wanted.reasoningEffort !== null) fields.push(reasoningField(null, wanted));
  return Buffer.concat([
    OPEN,
    ...fields.flatMap((bytes, index) => (index === 0 ? [bytes] : [COMMA, bytes])),
    CLOSE,
  ]);
}

const OPEN = Buffer.from("{");
const COMMA = Buffer.from(",");
const CLOSE = Buffer.from("}");

function field(name: string, value: unknown): Buffer {
  return Buffer.from(`${JSON.stringify(name)}:${JSON.stringify(value)}`);
}

function reasoningField(value: Buffer | null, { reasoningEffort }: AskedFor): Buffer {
  const given = value === null ? null : parseRecord(value);
  return field("reasoning", reasoningEffort === null ? given : { ...given, effort: reasoningEffort });
}

/** The input with the wanted effort in the items that set one; everything else as it came. */
function inputField(
  bytes: Buffer,
  { at, valueAt, end }: { at: number; valueAt: number; end: number },
  { reasoningEffort }: AskedFor,
): Buffer {
  const whole = bytes.subarray(at, end);
  if (reasoningEffort === null || !whole.includes(CONFIGURATION_UPDATE)) return whole;
  const pieces: Buffer[] = [];
  let copiedTo = at;
  walkItems(bytes, valueAt, (itemAt, itemEnd) => {
    const item = bytes.subarray(itemAt, itemEnd);
    if (!item.includes(CONFIGURATION_UPDATE)) return;
    const parsed = parseRecord(item);
    if (parsed?.type !== CONFIGURATION_UPDATE) return;
    const reasoning = { ...asRecord(parsed.reasoning), effort: reasoningEffort };
    pieces.push(bytes.subarray(copiedTo, itemAt), Buffer.from(JSON.stringify({ ...parsed, reasoning })));
    copiedTo = itemEnd;
  });
  return Buffer.concat([...pieces, bytes.subarray(copiedTo, end)]);
}

/** null for what is no object or no JSON, which upstream will say better than we could. */
function parseRecord(bytes: Buffer): JsonRecord | null {
  try {
    return asRecord(JSON.parse(bytes.toString("utf8")));
  } catch {
    return null;
  }
}
