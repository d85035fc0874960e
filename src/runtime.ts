/** The composition root: the one file that knows every part, starts them in order and stops them in the reverse one. */
import type { Config } from "./config.ts";
import { type AffinityKind, createAffinityMap } from "./core/affinity.ts";
import { usableRules } from "./core/dialects/model-name.ts";
import { type PriceTable, parsePriceTable } from "./core/pricing.ts";
import type { RequestRecord } from "./core/record.ts";
import { readStoredSettings } from "./core/settings.ts";
import prices from "./data/prices.json" with { type: "json" };
import { createDoor } from "./http/access.ts";
import { createApplication } from "./http/app.ts";
import { createLocate } from "./http/locality.ts";
import { proxyRoutes } from "./http/proxy.ts";
import { holderRoutes } from "./http/holder.ts";
import { createHttpServer } from "./http/server.ts";
import { v1Routes } from "./http/v1.ts";
import { type Asked, createAccountJobs } from "./jobs/account-jobs.ts";
import { createScheduler } from "./jobs/scheduler.ts";
import { createLoginImporter } from "./pool/imports.ts";
import { createListedModels } from "./pool/listed-models.ts";
import { createKeyPool } from "./pool/keys.ts";
import { createPool, type PooledAccount } from "./pool/pool.ts";
import { createTokenKeeper } from "./pool/tokens.ts";
import { createWaitingRoom } from "./pool/waiting.ts";
import type { Ports } from "./ports.ts";
import { createBudgets } from "./proxy/budget.ts";
import { createDrain } from "./proxy/drain.ts";
import { createEngine } from "./proxy/engine.ts";
import { createHttpAttempt } from "./proxy/http-attempt.ts";
import { createResponsesRelay } from "./proxy/responses.ts";
import { createServing } from "./proxy/serve.ts";
import { createCompactRelay, createTranslatedRelay } from "./proxy/translated.ts";
import { createMediaRelay } from "./proxy/translated-media.ts";
import { createKeyHistory } from "./store/key-history.ts";
import { openStore } from "./store/open.ts";
import { createWriteBehind } from "./store/write-behind.ts";
import { createHttp1Client } from "./upstream/http1.ts";
import { userAgentOf } from "./upstream/json-call.ts";
import { createOauth } from "./upstream/oauth.ts";
import { createWham, type WhamResult } from "./upstream/wham.ts";
import { VERSION } from "./version.ts";

export interface Runtime {
  start(): Promise<{ url: string }>;
  /** Stops accepting, lets streams finish up to the drain limit, flushes and closes. Safe after a failed start. */
  stop(): Promise<void>;
}

/** Conversations remembered; at about 200 bytes each this is 20 MB at most. */
const AFFINITY_CAPACITY = 100_000;
const HOUR_MS = 3_600_000;
/** The prompt cache is worth something for about an hour; a session may be taken up again after lunch. A turn ends sooner. */
const AFFINITY_TTL_MS: Record<AffinityKind, number> = {
  turn_state: 2 * HOUR_MS,
  response: 24 * HOUR_MS,
  file: 30 * 24 * HOUR_MS,
  session: 24 * HOUR_MS,
  prompt_cache_key: 24 * HOUR_MS,
  thread: 24 * HOUR_MS,
};
/** The name under which our own calls go out. */
const ORIGINATOR = "codex_cli_rs";
/** The client version whose model list is asked for when no client named one yet. */
const DEFAULT_CLIENT_VERSION = "0.169.0";

export async function createRuntime(config: Config, ports: Ports): Promise<Runtime> {
  const { clock, random, log, fetch } = ports;
  const store = openStore({ dataDir: config.dataDir, keyFile: config.encryptionKeyFile, clock, log });
  const writes = createWriteBehind({ store, clock, log });
  const settings = readStoredSettings(store.settings.get().values);
  const priceTable: PriceTable = parsePriceTable(prices);

  const pool = createPool({
    clock,
    random,
    affinity: createAffinityMap({ capacity: AFFINITY_CAPACITY, ttlMs: AFFINITY_TTL_MS }),
    settings: () => settings,
  });
  hydrate();
  const keys = createKeyPool({
    clock,
    random,
    storage: store.apiKeys,
    ledger: store.ledger,
    history: createKeyHistory(store.rollups),
    markUsed: writes.keyUsed,
    flush: () => void writes.flush(),
  });

  const names = { originator: ORIGINATOR, userAgent: userAgentOf(VERSION) };
  const oauth = createOauth({ issuerUrl: config.authBaseUrl, names, ports: { fetch, clock, random } });
  const wham = createWham({ baseUrl: config.upstreamBaseUrl, names, ports: { fetch, clock } });
  const tokens = createTokenKeeper({
    pool,
    clock,
    log,
    async askIssuer(credentials, reason) {
      const result = await oauth.refresh(credentials, reason);
      if (result.outcome === "refreshed") return { kind: "refreshed", credentials: result.credentials };
      return { kind: result.outcome, code: result.code };
    },
    save: (id, credentials) => void store.accounts.saveRotatedCredentials(id, credentials),
    reread: (id) => store.accounts.readCredentials(id),
  });
  const waiting = createWaitingRoom(clock);
  pool.onRoom(() => waiting.room());

  const http = createHttp1Client(clock);
  const engine = createEngine({ pool, tokens, waiting, clock, random, log, settings: () => settings });
  const attempt = createHttpAttempt({
    http,
    clock,
    upstreamBaseUrl: config.upstreamBaseUrl,
    connectTimeoutMs: config.upstreamConnectTimeoutMs,
    firstEventTimeoutMs: config.upstreamFirstEventTimeoutMs,
  });
  const drain = createDrain(clock);
  const serving = createServing({ engine, attempt, pool, clock, drain, prices: () => priceTable, onRecord });
  const relay = createResponsesRelay({ serving, clock, drain });
  const catalogue = createListedModels();
  pool.onChange(({ kind, account }) => {
    if (kind === "removed") catalogue.remove(account.id);
  });
  const requestContext = () => {
    const knownModels = catalogue.slugs();
    return { knownModels, modelRules: usableRules(settings.modelRules, knownModels) };
  };
  const translated = { serving, clock, drain, names, requestContext };

  const accountJobs = createAccountJobs({
    pool,
    tokens,
    clock,
    random,
    log,
    usageIntervalMs: config.usageRefreshIntervalMs,
    askUsage: async (account) => asked(await wham.fetchUsage(target(account))),
    async askModels(account) {
      const reply = asked(
        await wham.fetchModels(target(account), { clientVersion: DEFAULT_CLIENT_VERSION, etag: null }),
      );
      return reply.kind === "ok"
        ? { kind: "ok", value: reply.value.unchanged ? null : reply.value.models }
        : reply;
    },
    async askRouting(account) {
      const reply = asked(await wham.accountsCheck(target(account)));
      return reply.kind === "ok" ? { kind: "ok", value: reply.value.routing } : reply;
    },
    onModels(account, models) {
      catalogue.set(account.id, models);
      pool.setModels(account.id, new Set(models.map((model) => model.slug)));
    },
  });
  const scheduler = createScheduler({ clock, log, jobs: accountJobs.jobs });

  const importer = createLoginImporter({
    pool,
    clock,
    save: (account, credentials) => store.accounts.put(account, credentials),
    async whoami(token) {
      const result = await oauth.whoami(token);
      if (result.outcome === "known")
        return { kind: "known", identity: result.identity, email: result.email, planType: result.planType };
      return result.outcome === "unauthorized"
        ? { kind: "unauthorized" }
        : { kind: "unreachable", code: result.code };
    },
    withoutOverwrite: () => settings.importWithoutOverwrite,
    onImported: (account) => void accountJobs.refresh(account.id),
  });

  persistChanges();

  let draining = false;
  const application = createApplication({ pool, importer, log, ready: () => !draining });
  const door = createDoor({
    keys,
    networks: config.proxyUnauthenticatedClientCidrs,
    clock,
    settings: () => settings,
    budgetOf: createBudgets({
      book: keys.book,
      clock,
      prices: () => priceTable,
      waitMs: () => settings.queueWaitSeconds * 1000,
    }),
    newRequestId,
  });
  const server = createHttpServer({
    hostname: config.host,
    port: config.port,
    locate: createLocate({
      trustedProxies: config.firewallTrustProxyHeaders ? config.firewallTrustedProxyCidrs : [],
      tls: false,
    }),
    proxyRoutes: [
      ...proxyRoutes({ relay, door }),
      ...holderRoutes({ keys, requestLog: store.requestLog, newRequestId }),
      ...v1Routes({
        door,
        relay: createTranslatedRelay(translated),
        compact: createCompactRelay(translated),
        media: createMediaRelay(translated),
        catalogue: catalogue.merged,
        requestContext,
      }),
    ],
    application: (request) => application.fetch(request),
    onError(error) {
      log.error("request failed", { error: error.message });
      return Response.json(
        { error: { code: "internal_error", message: "This is a defect in codex-lb; its log says more." } },
        { status: 500 },
      );
    },
  });

  function newRequestId(): string {
    return `req_${Buffer.from(random.bytes(12)).toString("hex")}`;
  }

  function target(account: PooledAccount) {
    return { identity: account, credentials: account.credentials, routing: account.routing };
  }

  function onRecord(record: RequestRecord): void {
    writes.requestFinished(record);
    keys.requestFinished(record);
    log.info("request", {
      request: record.requestId,
      status: record.status,
      account: record.accountId,
      model: record.model,
      ms: Math.round(record.latencyMs),
      attempts: record.attempts.length,
      code: record.errorCode,
    });
  }

  function hydrate(): void {
    const windows = Map.groupBy(store.windows.loadAll(), (row) => row.accountId);
    const credits = new Map(store.windows.loadCredits().map((row) => [row.accountId, row]));
    for (const { account, credentials } of store.accounts.loadAll()) {
      if (credentials === null) {
        log.error("tokens of an account cannot be read; log in again", { account: account.id });
        continue;
      }
      const row = credits.get(account.id);
      pool.put({
        account,
        credentials,
        windows: windows.get(account.id) ?? [],
        credits: row ? { has: row.hasCredits, unlimited: row.unlimited, balance: row.balance } : null,
        models: null,
      });
    }
  }

  /** What the pool learns while it runs goes to the disk behind the requests. */
  function persistChanges(): void {
    pool.onChange((change) => {
      const { account } = change;
      switch (change.kind) {
        case "state": {
          const { state, stateReason, stateUntilMs } = change.transition;
          writes.accountState(account.id, { state, stateReason, stateUntilMs });
          log.info("account state", { account: account.id, state, text: change.transition.text });
          break;
        }
        case "windows": {
          const reading = { accountId: account.id, seenAtMs: clock.now(), windows: account.windows };
          if (change.reading.source === "usage") writes.windowsReplaced(reading);
          else writes.windowsSeen(reading);
          break;
        }
        case "added":
        case "changed":
        case "removed":
          break;
      }
    });
  }

  let started = false;
  return {
    async start() {
      const { url } = server.start();
      started = true;
      store.announce(url);
      scheduler.start();
      return { url };
    },
    async stop() {
      draining = true;
      if (started) {
        server.stopAccepting();
        await drain.wait(config.shutdownDrainTimeoutMs);
      }
      await scheduler.stop();
      await tokens.stop();
      keys.stop();
      await server.stop();
      http.stop();
      writes.stop();
      store.close();
    },
  };
}

function asked<T>(result: WhamResult<T>): Asked<T> {
  switch (result.outcome) {
    case "ok":
      return { kind: "ok", value: result.value };
    case "unauthorized":
      return { kind: "unauthorized", code: result.upstreamCode };
    case "failed":
      return { kind: "failed", code: result.upstreamCode ?? result.code };
  }
}
