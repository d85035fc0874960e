/** The executable over a pool of any size: accounts of every kind and state, and a log as long as wanted. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { parsePriceTable } from "../../src/core/pricing.ts";
import prices from "../../src/data/prices.json" with { type: "json" };
import { DEMO_ACCOUNTS, type DemoAccount, demoCatalogue } from "../../src/demo/cast.ts";
import { fillStore } from "../../src/demo/fill.ts";
import { pastRequests } from "../../src/demo/history.ts";
import { createLog, type Random, systemClock } from "../../src/ports.ts";
import { createSimulator, type Simulator } from "../../src/simulator/simulator.ts";
import { openStore } from "../../src/store/open.ts";
import { createSeededRandom } from "../../src/simulator/random.ts";
import { type Service, startService, temporaryDirectory } from "../harness.ts";

export interface LargePool {
  service: Service;
  simulator: Simulator;
  dispose(): Promise<void>;
}

const BATCH = 1_000;
/** Between a request and its copy. */
const SHIFT_MS = 1_000;

/** The demo's accounts over and over, each with a name of its own. */
function castOf(count: number): DemoAccount[] {
  return Array.from({ length: count }, (_, index) => {
    const model = DEMO_ACCOUNTS[index % DEMO_ACCOUNTS.length]!;
    const number = String(index + 1).padStart(3, "0");
    const spec = { ...model.spec, chatgptAccountId: `acct-${number}` };
    return {
      ...model,
      alias: index % 3 === 0 ? `Seat ${number}, a rather long name that somebody gave it` : null,
      spec: { ...spec, email: `person-${number}@example.com` },
    };
  });
}

/** `requests`: rows of the log, at least; two weeks of the demo are the least there is. */
export async function startLargePool({
  accounts,
  requests,
}: {
  accounts: number;
  requests: number;
}): Promise<LargePool> {
  const cast = castOf(accounts);
  const simulator = createSimulator({ accounts: cast.map(({ spec }) => spec), models: demoCatalogue() });
  await simulator.start();
  const dataDir = temporaryDirectory("large");
  fill(dataDir, { cast, simulator, requests });
  const service = await startService({ simulator, dataDir });
  return {
    service,
    simulator,
    async dispose() {
      await service.dispose();
      await simulator.stop();
      rmSync(dataDir, { recursive: true, force: true });
    },
  };
}

function fill(
  dataDir: string,
  { cast, simulator, requests }: { cast: DemoAccount[]; simulator: Simulator; requests: number },
): void {
  const log = createLog({ level: "error", format: "text", write: (line) => console.error(line) });
  const store = openStore({ dataDir, keyFile: join(dataDir, "encryption.key"), clock: systemClock, log });
  const nowMs = Date.now();
  const random = seeded(1);
  const filled = fillStore(store, { simulator, nowMs, random, accounts: cast });
  const options = { nowMs, random, prices: parsePriceTable(prices), ...filled };
  // The same two weeks over and over: making each up anew would take most of the time.
  const weeks = pastRequests(options);
  for (let round = 1, rows = filled.requests; rows < requests; round++, rows += weeks.length) {
    const more = weeks.map((record) => ({
      ...record,
      requestId: `${record.requestId}-${round}`,
      requestedAtMs: record.requestedAtMs - round * SHIFT_MS,
    }));
    for (let at = 0; at < more.length; at += BATCH) store.requests.insertBatch(more.slice(at, at + BATCH));
  }
  store.close();
}

function seeded(seed: number): Random {
  const { next, below } = createSeededRandom(seed);
  return { next, bytes: (count) => Uint8Array.from({ length: count }, () => below(256)) };
}
