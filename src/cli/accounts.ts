/** `codex-lb accounts`: the pool's accounts, and what a person may do with them; `codex-lb export` gives one's login back. */
import type { AccountSummary } from "../http/account-views.ts";
import { CodedError } from "../core/errors.ts";
import { usageError } from "./args.ts";
import { durationText, plain, print, printJson, table, usdText, windowName } from "./format.ts";
import type { AdminApi } from "./service.ts";

export interface CommandInput {
  operands: readonly string[];
  /** String flags, by name. */
  options: Readonly<Record<string, string>>;
  json: boolean;
  nowMs: number;
}

/** Resolves with the exit code. */
export async function accountsCommand(api: AdminApi, input: CommandInput): Promise<number> {
  const { json } = input;
  const [action = "list", ...operands] = input.operands;
  if (action === "list") {
    const accounts = await listAccounts(api);
    if (json) printJson(accounts);
    else print(accounts.length === 0 ? NONE_YET : accountTable(accounts, input.nowMs));
    return 0;
  }
  const [who, ...values] = operands;
  const known = Object.hasOwn(ACTIONS, action) ? ACTIONS[action as keyof typeof ACTIONS] : undefined;
  if (known === undefined) throw usageError(`"accounts" knows: list, ${Object.keys(ACTIONS).join(", ")}.`);
  if (who === undefined || values.length !== known.values.length) {
    throw usageError(`"accounts ${action}" needs: ${["ACCOUNT", ...known.values].join(" ")}.`);
  }
  const account = await findAccount(api, who);
  const reply = await known.run(api, account, values);
  if (json) printJson(reply);
  else print(known.say(account, reply));
  return 0;
}

const NONE_YET =
  "The pool has no account yet. Add one: codex-lb import ~/.codex/auth.json, or codex-lb login";

interface Action {
  /** Operands after the account. */
  values: string[];
  run(api: AdminApi, account: AccountSummary, values: string[]): Promise<unknown>;
  say(account: AccountSummary, reply: unknown): string;
}

const pathOf = ({ accountId }: AccountSummary) => `/api/accounts/${accountId}`;
const nameOf = (account: AccountSummary) => plain(account.displayName);

const ACTIONS: Record<"show" | "pause" | "resume" | "probe" | "alias" | "policy" | "remove", Action> = {
  show: {
    values: [],
    run: async (_api, account) => account,
    say: (account) => JSON.stringify(account, null, 2),
  },
  pause: {
    values: [],
    run: (api, account) => api.call("POST", `${pathOf(account)}/pause`),
    say: (account) => `paused    ${nameOf(account)}`,
  },
  resume: {
    values: [],
    run: (api, account) => api.call("POST", `${pathOf(account)}/reactivate`),
    say: (account) => `resumed   ${nameOf(account)}`,
  },
  probe: {
    values: [],
    run: (api, account) => api.call("POST", `${pathOf(account)}/probe`),
    say: (account, reply) => `${nameOf(account)}: ${String((reply as { message?: unknown }).message)}`,
  },
  alias: {
    values: ["NAME"],
    run: (api, account, [alias]) => api.call("PUT", `${pathOf(account)}/alias`, { alias }),
    say: (account) => `renamed   ${nameOf(account)}`,
  },
  policy: {
    values: ["normal|burn_first|preserve"],
    run: (api, account, [routingPolicy]) =>
      api.call("PUT", `${pathOf(account)}/routing-policy`, { routingPolicy }),
    say: (account) => `changed   ${nameOf(account)}`,
  },
  remove: {
    values: [],
    run: (api, account) => api.call("DELETE", pathOf(account)),
    say: (account) => `removed   ${nameOf(account)} and its login`,
  },
};

export async function listAccounts(api: AdminApi): Promise<AccountSummary[]> {
  return (await api.read<{ accounts: AccountSummary[] }>("GET", "/api/accounts")).accounts;
}

/** By id, the beginning of an id, e-mail address or alias. Throws `account_not_found`, or `ambiguous`. */
export async function findAccount(api: AdminApi, word: string): Promise<AccountSummary> {
  const wanted = word.toLowerCase();
  const accounts = await listAccounts(api);
  const exact = accounts.filter(({ accountId, email, alias }) =>
    [accountId, email, alias].some((name) => name?.toLowerCase() === wanted),
  );
  const found = exact.length > 0 ? exact : accounts.filter(({ accountId }) => accountId.startsWith(wanted));
  if (found.length === 1) return found[0]!;
  if (found.length === 0) {
    throw new CodedError("account_not_found", `No account is called "${word}". See: codex-lb accounts`);
  }
  const ids = found.map(({ accountId }) => accountId).join(", ");
  throw new CodedError("ambiguous", `"${word}" is the name of several accounts; use an id: ${ids}`);
}

function accountTable(accounts: readonly AccountSummary[], nowMs: number): string {
  const rows = accounts.map((account) => [
    nameOf(account),
    account.planType,
    account.status,
    account.windows
      .filter(({ scope }) => scope === "all")
      .map(({ minutes, usedPercent }) => `${windowName(minutes)} ${Math.round(usedPercent)}%`)
      .join(" "),
    nextReset(account, nowMs),
    String(account.requestUsage.requestCount),
    usdText(account.requestUsage.totalCostUsd),
    account.accountId,
  ]);
  return table([["ACCOUNT", "PLAN", "STATE", "USED", "RESET", "REQUESTS", "AT API PRICE", "ID"], ...rows]);
}

/** How long until the fullest window starts afresh. */
function nextReset({ windows }: AccountSummary, nowMs: number): string {
  const fullest = windows.toSorted((a, b) => b.usedPercent - a.usedPercent)[0];
  return fullest === undefined ? "" : durationText(Date.parse(fullest.resetAt) - nowMs);
}

/** The account's auth.json on standard output, or in a file of its own. */
export async function exportCommand(api: AdminApi, input: CommandInput): Promise<number> {
  const [who, file, ...rest] = input.operands;
  if (who === undefined || rest.length > 0) throw usageError('"export" needs: ACCOUNT [FILE].');
  const account = await findAccount(api, who);
  const text = await api.read<unknown>("POST", `${pathOf(account)}/export/auth`, {});
  const content = typeof text === "string" ? text : `${JSON.stringify(text, null, 2)}\n`;
  if (file === undefined) process.stdout.write(content);
  else await writeNewFile(file, content);
  process.stderr.write(
    `This login is still used here. Refresh tokens rotate: two programs that renew it end it for both. ` +
      `Pause or remove the account before using the file elsewhere.\n`,
  );
  return 0;
}

async function writeNewFile(path: string, content: string): Promise<void> {
  const { writeFile } = await import("node:fs/promises");
  try {
    await writeFile(path, content, { mode: 0o600, flag: "wx" });
  } catch (error) {
    const code = (error as { code?: string }).code ?? "unknown error";
    throw new CodedError(
      "unwritable_file",
      code === "EEXIST" ? `${path} exists already.` : `${path} cannot be written (${code}).`,
    );
  }
}
