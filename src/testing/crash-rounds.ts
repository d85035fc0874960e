/** Kills a service under the load of one key, again and again, and compares what it counts afterwards with what it recorded. */
import { Database } from "bun:sqlite";
import { join } from "node:path";
import type { Simulator } from "../simulator/simulator.ts";
import { TEST_ADMIN_TOKEN, TURN_BODY } from "./running-service.ts";

/** A service in a process of its own, started with `TEST_ADMIN_TOKEN`. */
export interface KillableService {
  url: string;
  dataDir: string;
  /** Resolves when the process is gone. */
  kill9(): Promise<void>;
}

/** What the key's counters say, and what the rows of the log add up to. */
export interface CrashRound {
  counted: Figures;
  recorded: Figures;
  /** Replies that clients got in full over all rounds. */
  completed: number;
}

interface Figures {
  requests: number;
  totalTokens: number;
  costMicros: number;
  tokensOfModel: number;
  balanceMicros: number;
}

export const CLIENTS = 16;
/** So many replies after the first rows of a round were written it is killed: at changing moments between two flushes. */
const REPLIES_BEFORE_KILL = [5, 41, 77, 113, 149];
const POLL_MS = 2;
const CREDIT_MICROS = 1_000_000_000;
const LIMITS = [
  { limitType: "total_tokens", limitWindow: "weekly", maxValue: 1_000_000_000 },
  { limitType: "cost_usd", limitWindow: "5h", maxValue: 1_000_000_000 },
  {
    limitType: "total_tokens",
    limitWindow: "monthly",
    maxValue: 1_000_000_000,
    modelFilter: TURN_BODY.model,
  },
];

export async function crashRounds(options: {
  /** Starts it on the same data every time. */
  start(): Promise<KillableService>;
  simulator: Simulator;
  rounds: number;
}): Promise<CrashRound[]> {
  let service = await options.start();
  const login = JSON.stringify(options.simulator.issueAuthJson(0));
  const form = new FormData();
  form.set("auth_json", new File([login], "auth.json"));
  await admin(service, "/api/accounts/import", { method: "POST", body: form });
  const { id, key } = await admin<{ id: string; key: string }>(
    service,
    "/api/api-keys/",
    posted({ name: "crash", limits: LIMITS, balanceEnabled: true }),
  );
  const credit = { kind: "credit", amountMicros: CREDIT_MICROS, note: "for the test" };
  await admin(service, `/api/api-keys/${id}/ledger`, posted(credit));

  const rounds: CrashRound[] = [];
  let completed = 0;
  for (let round = 0; round < options.rounds; round++) {
    const before = recordedFigures(service.dataDir, id).requests;
    const { url, dataDir } = service;
    const clients = Array.from({ length: CLIENTS }, async () => {
      while (await servedTurn(url, key)) completed++;
    });
    await until(() => recordedFigures(dataDir, id).requests > before);
    const enough = completed + REPLIES_BEFORE_KILL[round % REPLIES_BEFORE_KILL.length]!;
    await until(() => completed >= enough);
    await service.kill9();
    await Promise.all(clients);
    service = await options.start();
    rounds.push({
      counted: await countedFigures(service),
      recorded: recordedFigures(service.dataDir, id),
      completed,
    });
  }
  await service.kill9();
  return rounds;
}

/** Ends with the time limit of the test at the latest. */
async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await Bun.sleep(POLL_MS);
}

/** False when there is no service any more. */
async function servedTurn(url: string, key: string): Promise<boolean> {
  try {
    const reply = await fetch(`${url}/backend-api/codex/responses`, {
      method: "POST",
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify(TURN_BODY),
    });
    if (reply.status !== 200) throw new Error(`a turn got ${reply.status}: ${await reply.text()}`);
    return (await reply.text()).includes("response.completed");
  } catch (error) {
    if (error instanceof Error && error.message.startsWith("a turn got")) throw error;
    return false;
  }
}

interface KeyView {
  limits: { currentValue: number }[];
  usage: { requestCount: number };
  balance: { balanceMicros: number };
}

async function countedFigures(service: KillableService): Promise<Figures> {
  const [key] = await admin<KeyView[]>(service, "/api/api-keys/");
  const [total, cost, ofModel] = key!.limits.map(({ currentValue }) => currentValue);
  return {
    requests: key!.usage.requestCount,
    totalTokens: total!,
    costMicros: cost!,
    tokensOfModel: ofModel!,
    balanceMicros: key!.balance.balanceMicros,
  };
}

function recordedFigures(dataDir: string, keyId: string): Figures {
  const database = new Database(join(dataDir, "codex-lb.db"), { readonly: true });
  try {
    const row = database
      .query(
        `SELECT count(*) AS requests, coalesce(sum(input_tokens + output_tokens), 0) AS totalTokens,
           coalesce(sum(total_cost_micros), 0) AS costMicros FROM requests WHERE api_key_id = ?`,
      )
      .get(keyId) as Pick<Figures, "requests" | "totalTokens" | "costMicros">;
    return { ...row, tokensOfModel: row.totalTokens, balanceMicros: CREDIT_MICROS - row.costMicros };
  } finally {
    database.close();
  }
}

function posted(body: object): RequestInit {
  return { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
}

async function admin<T>({ url }: KillableService, path: string, init: RequestInit = {}): Promise<T> {
  const headers = new Headers(init.headers);
  headers.set("authorization", `Bearer ${TEST_ADMIN_TOKEN}`);
  const reply = await fetch(`${url}${path}`, { ...init, headers });
  const text = await reply.text();
  if (!reply.ok) throw new Error(`${path}: ${reply.status} ${text}`);
  return JSON.parse(text) as T;
}
