/** `codex-lb keys`: API keys, their limits and their credit. */
import { CodedError } from "../core/errors.ts";
import { MICROS_PER_USD } from "../core/pricing.ts";
import type { CommandInput } from "./accounts.ts";
import { usageError } from "./args.ts";
import { countText, durationText, plain, print, printJson, table, usdText } from "./format.ts";
import type { AdminApi } from "./service.ts";

/** What the command reads of a key; docs/api describes all of it. */
interface KeyView {
  id: string;
  name: string;
  keyPrefix: string;
  isActive: boolean;
  expiresAt: string | null;
  limits: {
    limitType: string;
    limitWindow: string;
    maxValue: number;
    currentValue: number;
    resetAt: string;
  }[];
  usage: { requestCount: number; totalTokens: number; totalCostUsd: number };
  balance: { balanceUsd: number } | null;
  key?: string;
}

type Action = (api: AdminApi, key: KeyView, values: string[]) => Promise<KeyView | null>;

const pathOf = ({ id }: KeyView) => `/api/api-keys/${id}`;
const patch = (api: AdminApi, key: KeyView, body: unknown) => api.read<KeyView>("PATCH", pathOf(key), body);

/** Operands after the key, and what is done. */
const ACTIONS: Record<string, { values: string[]; run: Action }> = {
  show: { values: [], run: async (_api, key) => key },
  enable: { values: [], run: (api, key) => patch(api, key, { isActive: true }) },
  disable: { values: [], run: (api, key) => patch(api, key, { isActive: false }) },
  reset: { values: [], run: (api, key) => patch(api, key, { resetUsage: true }) },
  regenerate: { values: [], run: (api, key) => api.read("POST", `${pathOf(key)}/regenerate`) },
  credit: {
    values: ["USD"],
    async run(api, key, [usd]) {
      const amountMicros = Math.round(amountOf(usd!) * MICROS_PER_USD);
      const kind = amountMicros > 0 ? "credit" : "correction";
      await patch(api, key, { balanceEnabled: true });
      await api.call("POST", `${pathOf(key)}/ledger`, {
        kind,
        amountMicros,
        note: "Entered on the command line",
      });
      return api.read("GET", pathOf(key));
    },
  },
  remove: {
    values: [],
    async run(api, key) {
      await api.call("DELETE", pathOf(key));
      return null;
    },
  },
};

/** Resolves with the exit code. */
export async function keysCommand(api: AdminApi, input: CommandInput): Promise<number> {
  const [action = "list", ...operands] = input.operands;
  if (action === "list") {
    const keys = await listKeys(api);
    if (input.json) printJson(keys);
    else
      print(
        keys.length === 0
          ? "There is no key yet. Make one: codex-lb keys create NAME"
          : keyTable(keys, input.nowMs),
      );
    return 0;
  }
  if (action === "create") return create(api, operands, input);
  const known = Object.hasOwn(ACTIONS, action) ? ACTIONS[action] : undefined;
  if (known === undefined)
    throw usageError(`"keys" knows: list, create, ${Object.keys(ACTIONS).join(", ")}.`);
  const [which, ...values] = operands;
  if (which === undefined || values.length !== known.values.length) {
    throw usageError(`"keys ${action}" needs: ${["KEY", ...known.values].join(" ")}.`);
  }
  const key = await findKey(api, which);
  const changed = await known.run(api, key, values);
  if (changed === null) {
    if (input.json) printJson({ id: key.id, removed: true });
    else print(`removed  ${plain(key.name)}: it is dead at once`);
  } else show(changed, input);
  return 0;
}

async function create(api: AdminApi, operands: string[], input: CommandInput): Promise<number> {
  const [name, ...rest] = operands;
  if (name === undefined || rest.length > 0) throw usageError('"keys create" needs: NAME.');
  const { limit, models, expires, accounts } = input.options;
  const list = (text: string | undefined) => text?.split(",").map((one) => one.trim());
  const key = await api.read<KeyView>("POST", "/api/api-keys/", {
    name,
    limits: list(limit)?.map(limitOf) ?? [],
    ...(models !== undefined && { allowedModels: list(models) }),
    ...(accounts !== undefined && { assignedAccountIds: list(accounts) }),
    ...(expires !== undefined && { expiresAt: expires }),
  });
  show(key, input);
  return 0;
}

const LIMIT_HELP =
  "A limit is TYPE/WINDOW/AMOUNT, for example cost_usd/weekly/25 or total_tokens/5h/2000000.";

/** The amount of cost_usd is in dollars here; the API counts micro-dollars. */
export function limitOf(text: string): { limitType: string; limitWindow: string; maxValue: number } {
  const [limitType = "", limitWindow = "", amount = "", ...rest] = text.split("/");
  if (amount === "" || rest.length > 0) throw usageError(LIMIT_HELP);
  const value = amountOf(amount);
  return {
    limitType,
    limitWindow,
    maxValue: limitType === "cost_usd" ? Math.round(value * MICROS_PER_USD) : value,
  };
}

function amountOf(text: string): number {
  const value = /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : Number.NaN;
  if (Number.isNaN(value)) throw usageError(`"${text}" is no amount.`);
  return value;
}

function show(key: KeyView, { json, nowMs }: CommandInput): void {
  if (json) {
    printJson(key);
    return;
  }
  print(keyTable([key], nowMs));
  if (key.key !== undefined) print(`\n${key.key}\n\nThis is the only time that it is shown.`);
}

async function listKeys(api: AdminApi): Promise<KeyView[]> {
  return api.read<KeyView[]>("GET", "/api/api-keys/");
}

/** By id, name or visible prefix. Throws `api_key_not_found`, or `ambiguous`. */
async function findKey(api: AdminApi, word: string): Promise<KeyView> {
  const found = (await listKeys(api)).filter(
    ({ id, name, keyPrefix }) =>
      id === word || name.toLowerCase() === word.toLowerCase() || keyPrefix === word,
  );
  if (found.length === 1) return found[0]!;
  if (found.length === 0) {
    throw new CodedError("api_key_not_found", `No key is called "${word}". See: codex-lb keys`);
  }
  throw new CodedError(
    "ambiguous",
    `"${word}" is the name of several keys; use an id: ${found.map(({ id }) => id).join(", ")}`,
  );
}

function keyTable(keys: readonly KeyView[], nowMs: number): string {
  const rows = keys.map((key) => [
    plain(key.name),
    `${key.keyPrefix}…`,
    stateOf(key, nowMs),
    String(key.usage.requestCount),
    countText(key.usage.totalTokens),
    usdText(key.usage.totalCostUsd),
    key.balance === null ? "" : usdText(key.balance.balanceUsd),
    key.limits.map((limit) => limitText(limit, nowMs)).join(", "),
    key.id,
  ]);
  return table([
    ["KEY", "PREFIX", "STATE", "REQUESTS", "TOKENS", "COST", "BALANCE", "LIMITS", "ID"],
    ...rows,
  ]);
}

function stateOf({ isActive, expiresAt }: KeyView, nowMs: number): string {
  if (expiresAt !== null && Date.parse(expiresAt) <= nowMs) return "expired";
  return isActive ? "active" : "off";
}

function limitText(
  { limitType, limitWindow, currentValue, maxValue, resetAt }: KeyView["limits"][number],
  nowMs: number,
) {
  const amount = (value: number) =>
    limitType === "cost_usd" ? usdText(value / MICROS_PER_USD) : countText(value);
  const unit = limitType === "cost_usd" ? "" : ` ${limitType.replace("_tokens", "")}`;
  return `${limitWindow} ${amount(currentValue)}/${amount(maxValue)}${unit} (${durationText(Date.parse(resetAt) - nowMs)})`;
}
