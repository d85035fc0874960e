/** `codex-lb config`: the settings that can be changed while the service runs, and those that come from the environment. */
import { type Config, SETTINGS } from "../config.ts";
import { cidrText } from "../core/cidr.ts";
import { Secret } from "../core/secret.ts";
import { nearestWord } from "../core/nearest.ts";
import type { CommandInput } from "./accounts.ts";
import { usageError } from "./args.ts";
import { print, printJson, table } from "./format.ts";
import type { AdminApi } from "./service.ts";

/** Resolves with the exit code. */
export async function configCommand(api: AdminApi, config: Config, input: CommandInput): Promise<number> {
  const [action = "list", name, value, ...rest] = input.operands;
  if (rest.length > 0) throw usageError('"config set" takes one name and one value.');
  switch (action) {
    case "list":
      show(await api.call("GET", "/api/settings"), input.json);
      return 0;
    case "env":
      show(environment(config), input.json);
      return 0;
    case "get": {
      const settings = await api.call("GET", "/api/settings");
      const found = settings[known(name, settings)];
      if (input.json) printJson(found);
      else print(textOf(found));
      return 0;
    }
    case "set": {
      if (value === undefined) throw usageError('"config set" needs: NAME VALUE.');
      const key = known(name, await api.call("GET", "/api/settings"));
      const after = await api.call("PUT", "/api/settings", { [key]: valueOf(value) });
      if (input.json) printJson({ [key]: after[key] });
      else print(`${key} = ${textOf(after[key])}`);
      return 0;
    }
    default:
      throw usageError('"config" knows: list, env, get, set.');
  }
}

function known(name: string | undefined, settings: Record<string, unknown>): string {
  if (name === undefined) throw usageError("Which setting? See: codex-lb config");
  if (Object.hasOwn(settings, name)) return name;
  const nearest = nearestWord(name, Object.keys(settings));
  throw usageError(`There is no setting "${name}"${nearest === null ? "." : `; did you mean ${nearest}?`}`);
}

/** JSON where it is JSON (true, 30, ["10.0.0.0/8"]), otherwise text. */
function valueOf(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}

function show(values: Record<string, unknown>, json: boolean): void {
  if (json) printJson(values);
  else print(table(Object.entries(values).map(([name, value]) => [name, textOf(value)])));
}

function textOf(value: unknown): string {
  if (value === null) return "-";
  return typeof value === "string" ? value : JSON.stringify(value);
}

/** By environment name; secrets only as set or not. */
function environment(config: Config): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(SETTINGS).map(([name, { names }]) => {
      const value = config[name as keyof Config];
      const isSeconds = names[0].endsWith("_SECONDS") && typeof value === "number";
      return [names[0], isSeconds ? value / 1000 : shown(value)];
    }),
  );
}

function shown(value: Config[keyof Config]): unknown {
  if (value instanceof Secret) return "(set)";
  return Array.isArray(value) ? value.map(cidrText) : value;
}
