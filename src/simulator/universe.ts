/** What every route of the simulator shares: its accounts, time, rules, journal, tokens and models. */
import type { Clock } from "../ports.ts";
import { createAccount, type SimAccount } from "./accounts.ts";
import { DEFAULT_MODELS } from "./catalogue.ts";
import { createJournal } from "./journal.ts";
import { createSeededRandom } from "./random.ts";
import { createRules } from "./rules.ts";
import { createTokens } from "./tokens.ts";
import type { SimAccountSpec, SimulatorOptions } from "./types.ts";
import type { WireRequest } from "./http-message.ts";

const DEFAULT_JOURNAL_LIMIT = 2000;

export function createUniverse(options: SimulatorOptions & { clock: Clock }) {
  let offsetMs = 0;
  const now = () => options.clock.now() + offsetMs;
  const seed = options.seed ?? 1;
  const accounts: SimAccount[] = options.accounts.map((spec, index) => createAccount(spec, index, now()));
  const journal = createJournal({
    limit: options.journalLimit ?? DEFAULT_JOURNAL_LIMIT,
    keepBodies: options.keepBodies ?? false,
    now,
  });
  // Three streams of chance, so that one more login does not change the storm.
  const tokens = createTokens({
    accounts,
    random: createSeededRandom(seed),
    now,
    reuseGraceMs: options.refreshReuseGraceMs ?? 0,
    onReuse: () => void journal.counters.reuseDetections++,
  });
  return {
    options,
    now,
    advance: (ms: number) => void (offsetMs += ms),
    accounts,
    addAccount: (spec: SimAccountSpec) => accounts.push(createAccount(spec, accounts.length, now())) - 1,
    journal,
    tokens,
    random: createSeededRandom(seed + 1),
    rules: createRules(createSeededRandom(seed + 2)),
    models: options.models ?? DEFAULT_MODELS,
    loginAccount: 0,
  };
}

export type Universe = ReturnType<typeof createUniverse>;

export function bearerToken(request: WireRequest): string | null {
  return /^Bearer +(.+)$/i.exec(request.header("authorization") ?? "")?.[1] ?? null;
}
