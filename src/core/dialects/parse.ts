/** Reads untyped JSON: each helper returns the value in its type or throws a 400 that names the field. */
import { CodedError } from "../errors.ts";

export type JsonObject = { [key: string]: unknown };

/**
 * Deepest nesting accepted in a body. Tool schemas and tool inputs stay below a few dozen levels, and what is passed
 * on will be serialised by recursion, here and upstream.
 */
const MAX_NESTING = 200;

/** 400 `invalid_request_error`: the field is malformed. `param` is a path such as `messages[0].content`. */
export function invalid(param: string, problem: string): CodedError {
  return new CodedError("invalid_request_error", `${param}: ${problem}.`, { status: 400, param });
}

/** 400 `unsupported_parameter`: well formed, but the Codex backend cannot do it, and dropping it would change the answer. */
export function unsupported(param: string, reason: string): CodedError {
  return new CodedError("unsupported_parameter", `${param}: ${reason}.`, { status: 400, param });
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** Absent and null mean the same in all these dialects. */
export function isAbsent(value: unknown): value is undefined | null {
  return value === undefined || value === null;
}

/** The body as an object whose nesting is bounded. */
export function expectBody(body: unknown): JsonObject {
  if (!isObject(body)) throw invalid("body", "a JSON object was expected");
  for (const key of Object.keys(body)) {
    if (nestsDeeper(body[key], MAX_NESTING)) {
      throw invalid(printable(key) ? key : "body", `nested deeper than ${MAX_NESTING} levels`);
    }
  }
  return body;
}

function nestsDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== "object" || value === null) return false;
  if (levels === 0) return true;
  if (Array.isArray(value)) return value.some((item) => nestsDeeper(item, levels - 1));
  for (const key in value) {
    if (nestsDeeper((value as JsonObject)[key], levels - 1)) return true;
  }
  return false;
}

export function expectObject(value: unknown, param: string): JsonObject {
  if (!isObject(value)) throw invalid(param, `an object was expected, not ${nameOf(value)}`);
  return value;
}

export function expectArray(value: unknown, param: string): unknown[] {
  if (!Array.isArray(value)) throw invalid(param, `an array was expected, not ${nameOf(value)}`);
  return value;
}

export function expectString(value: unknown, param: string): string {
  if (typeof value !== "string") throw invalid(param, `a string was expected, not ${nameOf(value)}`);
  return value;
}

export function expectText(value: unknown, param: string): string {
  const text = expectString(value, param);
  if (text === "") throw invalid(param, "must not be empty");
  return text;
}

export function optionalString(value: unknown, param: string): string | undefined {
  return isAbsent(value) ? undefined : expectString(value, param);
}

export function optionalObject(value: unknown, param: string): JsonObject | undefined {
  return isAbsent(value) ? undefined : expectObject(value, param);
}

export function optionalArray(value: unknown, param: string): unknown[] | undefined {
  return isAbsent(value) ? undefined : expectArray(value, param);
}

export function optionalBoolean(value: unknown, param: string): boolean | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value !== "boolean") throw invalid(param, `true or false was expected, not ${nameOf(value)}`);
  return value;
}

export function optionalNumber(value: unknown, param: string): number | undefined {
  if (isAbsent(value)) return undefined;
  if (typeof value !== "number") throw invalid(param, `a number was expected, not ${nameOf(value)}`);
  return value;
}

/** The value when it is one of `choices`. */
export function expectOneOf<T extends string>(value: unknown, choices: readonly T[], param: string): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined)
    throw invalid(param, `one of ${choices.map((c) => `"${c}"`).join(", ")} was expected`);
  return found;
}

/**
 * `object` without the keys whose value is undefined, so that optional fields stay absent on the wire. JSON may hold a
 * key `__proto__`; assigning it would set the prototype, and no field has that name.
 */
export function compact(object: JsonObject): JsonObject {
  const out: JsonObject = {};
  for (const key of Object.keys(object)) {
    if (object[key] !== undefined && key !== "__proto__") out[key] = object[key];
  }
  return out;
}

function nameOf(value: unknown): string {
  if (value === undefined) return "nothing";
  if (value === null) return "null";
  if (Array.isArray(value)) return "an array";
  return typeof value === "object" ? "an object" : `a ${typeof value}`;
}

function printable(name: string): boolean {
  return /^[\w.-]{1,64}$/.test(name);
}

/** A response header holds the list, so it stays well below the 8 KiB at which proxies start to refuse headers. */
const MAX_IGNORED_NAMES = 40;

/** Collects the names of fields that were accepted without effect; only names that are safe in a header. */
export interface IgnoredFields {
  add(name: string): void;
  names(): string[];
}

export function createIgnoredFields(): IgnoredFields {
  const names = new Set<string>();
  return {
    add(name) {
      if (printable(name) && names.size < MAX_IGNORED_NAMES) names.add(name);
    },
    names: () => [...names],
  };
}
