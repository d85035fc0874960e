/** Who plays in the demo: eight accounts of different plans and states, the keys that people use, and the models. */
import type { AccountState, RoutingPolicy } from "../core/account.ts";
import type { LimitType, LimitWindow } from "../core/limits.ts";
import { DEFAULT_MODELS } from "../simulator/catalogue.ts";
import type { SimAccountSpec } from "../simulator/simulator.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;

export const FIVE_HOURS = 300;
export const WEEK = 10_080;
export const THIRTY_DAYS = 43_200;

export interface DemoAccount {
  /** What upstream knows of it. */
  spec: SimAccountSpec;
  alias: string | null;
  routingPolicy: RoutingPolicy;
  reserveAtPercent: number | null;
  /** Other than "active": as it stands when the demo begins. */
  state: AccountState;
  stateReason: string | null;
  /** How much of the past traffic it served. */
  share: number;
}

/** Its 5-hour window fills within a minute or two, and then resets: spent and back again, while one watches. */
export const QUICK_ACCOUNT = 2;
const TEAM_SEAT_A = 6;

/** In the order in which the simulator numbers them. */
export const DEMO_ACCOUNTS: DemoAccount[] = [
  account("pro@example.com", "pro", {
    alias: "Pro, main",
    share: 34,
    windows: [
      { minutes: FIVE_HOURS, usedPercent: 31, percentPer1kTokens: 0.001, resetInMs: 2.6 * HOUR_MS },
      { minutes: WEEK, usedPercent: 36, percentPer1kTokens: 0.0002, resetInMs: 3.4 * DAY_MS },
    ],
    featureLimits: [
      {
        limitName: "GPT-5.3-Codex-Spark",
        meteredFeature: "codex_spark",
        models: ["gpt-5.3-codex-spark"],
        windows: [
          { minutes: FIVE_HOURS, usedPercent: 8, resetInMs: 4 * HOUR_MS },
          { minutes: WEEK, usedPercent: 17, resetInMs: 5 * DAY_MS },
        ],
      },
    ],
    credits: { hasCredits: false, unlimited: false, balance: "0" },
    resetCredits: 2,
  }),
  account("weekly-only@example.com", "plus", {
    share: 16,
    windows: [{ minutes: WEEK, usedPercent: 41, percentPer1kTokens: 0.0006, resetInMs: 1.2 * DAY_MS }],
  }),
  account("quick@example.com", "plus", {
    alias: "Fills up while you watch",
    share: 14,
    windows: [
      { minutes: FIVE_HOURS, usedPercent: 72, percentPer1kTokens: 0.06, resetInMs: 2.5 * MINUTE_MS },
      { minutes: WEEK, usedPercent: 27, percentPer1kTokens: 0.0008, resetInMs: 4.7 * DAY_MS },
    ],
  }),
  account("free@example.com", "free", {
    share: 3,
    windows: [{ minutes: THIRTY_DAYS, usedPercent: 81, percentPer1kTokens: 0.004, resetInMs: 11 * DAY_MS }],
    models: ["gpt-5.4-mini"],
    routingPolicy: "preserve",
    reserveAtPercent: 95,
  }),
  account("holiday@example.com", "plus", {
    alias: "On holiday",
    share: 5,
    state: "paused",
    stateReason: "Paused by a person.",
    windows: [
      { minutes: FIVE_HOURS, usedPercent: 0, resetInMs: 3 * HOUR_MS },
      { minutes: WEEK, usedPercent: 12, resetInMs: 2.1 * DAY_MS },
    ],
  }),
  account("signed-out@example.com", "plus", {
    share: 6,
    state: "reauth_required",
    stateReason: "OpenAI ended this login (token_revoked). Log in again.",
    login: "token_revoked",
    windows: [
      { minutes: FIVE_HOURS, usedPercent: 26, resetInMs: 0.8 * HOUR_MS },
      { minutes: WEEK, usedPercent: 38, resetInMs: 1.9 * DAY_MS },
    ],
  }),
  account("seat-a@example.com", "team", {
    alias: "Team seat A, spent for the week",
    share: 12,
    windows: [
      { minutes: FIVE_HOURS, usedPercent: 41, resetInMs: 1.7 * HOUR_MS },
      { minutes: WEEK, usedPercent: 100, resetInMs: 1.6 * DAY_MS },
    ],
    state: "quota_exceeded",
    stateReason: "Its 7 d window is spent.",
  }),
  account("seat-b@example.com", "team", {
    alias: "Team seat B, narrow",
    share: 10,
    // A second request at the same time is answered with a burst 429: another account takes it.
    maxConcurrent: 1,
    windows: [
      { minutes: FIVE_HOURS, usedPercent: 22, percentPer1kTokens: 0.006, resetInMs: 3.9 * HOUR_MS },
      { minutes: WEEK, usedPercent: 26, percentPer1kTokens: 0.0007, resetInMs: 5.8 * DAY_MS },
    ],
  }),
];

// Two seats of one workspace: the same ChatGPT account, two users.
for (const seat of [TEAM_SEAT_A, TEAM_SEAT_A + 1])
  DEMO_ACCOUNTS[seat]!.spec.chatgptAccountId = "acct-00000000-0000-4000-8000-00000000team";

function account(
  email: string,
  planType: string,
  {
    alias = null,
    routingPolicy = "normal",
    reserveAtPercent = null,
    ...more
  }: Partial<DemoAccount> & SimAccountSpec & { share: number },
): DemoAccount {
  const { share, state = "active", stateReason = null, ...spec } = more;
  return {
    spec: { ...spec, email, planType },
    alias,
    routingPolicy,
    reserveAtPercent,
    state,
    stateReason,
    share,
  };
}

export interface DemoKey {
  name: string;
  /** How much of the traffic comes with it. */
  share: number;
  userAgent: string;
  clientIp: string;
  limits: { limitType: LimitType; limitWindow: LimitWindow; maxValue: number }[];
  allowedModels: string[] | null;
  /** Micro-dollars paid in; null: the key keeps no balance. */
  creditMicros: number | null;
  isActive: boolean;
  expiresInMs: number | null;
}

const USD = 1_000_000;

export const DEMO_KEYS: DemoKey[] = [
  key("Laptop", 38, "codex-tui/0.169.0 (Mac OS 26.1; arm64) iTerm.app", {
    limits: [
      { limitType: "cost_usd", limitWindow: "weekly", maxValue: 900 * USD },
      { limitType: "total_tokens", limitWindow: "5h", maxValue: 90_000_000 },
    ],
  }),
  key("CI runner", 27, "codex_exec/0.169.0 (Debian 12.0.0; x86_64) unknown", {
    limits: [{ limitType: "cost_usd", limitWindow: "daily", maxValue: 160 * USD }],
    clientIp: "192.0.2.17",
  }),
  key("Editor extension", 18, "codex_vscode/0.169.0 (Ubuntu 24.4.0; x86_64) vscode/1.117.0"),
  key("Chat bot, prepaid", 12, "OpenAI/Python 2.31.0", {
    creditMicros: 1200 * USD,
    clientIp: "192.0.2.40",
    allowedModels: ["gpt-5.4-mini", "gpt-5.4"],
  }),
  key("Intern, small budget", 5, "opencode/1.4.2", {
    limits: [{ limitType: "total_tokens", limitWindow: "daily", maxValue: 2_000_000 }],
    clientIp: "192.0.2.61",
  }),
  key("Old workstation", 0, "codex_cli_rs/0.145.0", { isActive: false }),
  key("Contractor", 0, "opencode/1.4.2", { expiresInMs: -3 * DAY_MS }),
];

function key(name: string, share: number, userAgent: string, more: Partial<DemoKey> = {}): DemoKey {
  return {
    name,
    share,
    userAgent,
    clientIp: "127.0.0.1",
    limits: [],
    allowedModels: null,
    creditMicros: null,
    isActive: true,
    expiresInMs: null,
    ...more,
  };
}

export interface DemoModel {
  slug: string;
  share: number;
  efforts: readonly string[];
}

export const DEMO_MODELS: DemoModel[] = [
  { slug: "gpt-5.5", share: 46, efforts: ["medium", "medium", "high", "xhigh"] },
  { slug: "gpt-5.6-sol", share: 20, efforts: ["medium", "high"] },
  { slug: "gpt-5.4-mini", share: 20, efforts: ["low", "medium"] },
  { slug: "gpt-5.4", share: 9, efforts: ["medium"] },
  { slug: "gpt-5.3-codex-spark", share: 5, efforts: ["low"] },
];

/** The simulator's catalogue with the demo's models on top. */
export function demoCatalogue(): Record<string, unknown>[] {
  const known = new Set(DEFAULT_MODELS.map(({ slug }) => slug));
  const added = DEMO_MODELS.filter(({ slug }) => !known.has(slug)).map(({ slug }) => ({
    ...DEFAULT_MODELS[0],
    slug,
    display_name: slug.replace("gpt", "GPT"),
    description: `${slug}, simulated.`,
  }));
  return [...added, ...DEFAULT_MODELS];
}

/** Picks by share. */
export function pickByShare<T extends { share: number }>(list: readonly T[], chance: number): T {
  let left = chance * list.reduce((sum, { share }) => sum + share, 0);
  for (const one of list) if ((left -= one.share) < 0) return one;
  return list.at(-1)!;
}
