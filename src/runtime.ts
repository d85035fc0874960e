/** The composition root: the one file that knows every part, starts them in order and stops them in the reverse one. */
import type { Config } from "./config.ts";
import { type AffinityKind, createAffinityMap } from "./core/affinity.ts";
import { usableRules } from "./core/dialects/model-name.ts";
import { CodedError } from "./core/errors.ts";
import type { RequestRecord } from "./core/record.ts";
import prices from "./data/prices.json" with { type: "json" };
import { createDoor } from "./http/access.ts";
import { createApplication } from "./http/app.ts";
import { dashboardFiles } from "./http/dashboard.ts";
import { createEntrance } from "./http/entrance.ts";
import { withPages } from "./http/firewall.ts";
import { createCallbackListener } from "./http/login-callback.ts";
import { createLiveEvents, LIVE_TICK_MS } from "./http/live-events.ts";
import type { Client } from "./http/locality.ts";
import { createLiveFeed } from "./http/live.ts";
import { createMetrics, LAG_EVERY_MS } from "./http/metrics.ts";
import { proxyRoutes } from "./http/proxy.ts";
import { socketRoutes } from "./http/sockets.ts";
import { holderRoutes } from "./http/holder.ts";
import { createHttpServer } from "./http/server.ts";
import { v1Routes } from "./http/v1.ts";
import { type Asked, createAccountJobs } from "./jobs/account-jobs.ts";
import { createBackupJob } from "./jobs/backups.ts";
import { createRetentionJob } from "./jobs/retention.ts";
import { createScheduler } from "./jobs/scheduler.ts";
import { createSpareMemoryJob, processMemory } from "./jobs/spare-memory.ts";
import { createAccountUsageBook } from "./pool/account-usage.ts";
import { createLoginImporter } from "./pool/imports.ts";
import { createKeyPool } from "./pool/keys.ts";
import { createLoginFlows, revokeLogin } from "./pool/login-flows.ts";
import { createLivePrices } from "./pool/live-prices.ts";
import { createLiveSettings } from "./pool/live-settings.ts";
import { affinityRow, hydratePool, persistModels, persistPool } from "./pool/persistence.ts";
import { type AskedList, createCatalogue } from "./pool/catalogue.ts";
import { createPool, type PooledAccount } from "./pool/pool.ts";
import { createTokenKeeper } from "./pool/tokens.ts";
import { createWaitingRoom } from "./pool/waiting.ts";
import type { Ports } from "./ports.ts";
import { createApiKeyLane, OPENAI_BASE_URL } from "./proxy/api-key-lane.ts";
import { createBudgets } from "./proxy/budget.ts";
import { createDrain } from "./proxy/drain.ts";
import { createEngine } from "./proxy/engine.ts";
import { createHttpAttempt } from "./proxy/http-attempt.ts";
import { createClientView } from "./proxy/client-view.ts";
import { createPooledQuota } from "./proxy/pooled-usage.ts";
import { createRequestBodies } from "./proxy/request-bodies.ts";
import { createResponsesRelay } from "./proxy/responses.ts";
import { createServing } from "./proxy/serve.ts";
import { createSideCalls } from "./proxy/side-calls.ts";
import { createSocketRelay } from "./proxy/socket.ts";
import { createDialer } from "./proxy/socket-upstream.ts";
import { createKeptResponses } from "./proxy/kept-responses.ts";
import { createCompactRelay, createTranslatedRelay } from "./proxy/translated.ts";
import { createMediaRelay } from "./proxy/translated-media.ts";
import { createBackups } from "./store/backups.ts";
import { createKeyHistory } from "./store/key-history.ts";
import { openStore } from "./store/open.ts";
import { createWriteBehind } from "./store/write-behind.ts";
import { createThreadWriter } from "./store/writer.ts";
import { createHttp1Client } from "./upstream/http1.ts";
import { endedBy, ORIGINATOR, userAgentOf } from "./upstream/json-call.ts";
import { BROWSER_REDIRECT_URI, createOauth } from "./upstream/oauth.ts";
import { createWebSocketClient } from "./upstream/websocket.ts";
import { createWham, type WhamResult } from "./upstream/wham.ts";
import { VERSION } from "./version.ts";

export interface Runtime {
  /** `accounts`: how many are in the pool. */
  start(): Promise<{ url: string; accounts: number }>;
  /** Stops accepting, lets streams finish up to the drain limit, flushes and closes. Safe after a failed start. */
  stop(): Promise<void>;
  /** The admin API in this process, with the rights of the data directory's owner: for the command line while no service runs. */
  administer(path: string, init?: RequestInit): Promise<Response>;
}

export interface RuntimeOptions {
  /** Everything in it is made up: the dashboard says so on every page. Default false. */
  demo?: boolean;
}

/** Conversations remembered, of each kind of key; at about 200 bytes each this is 25 MB at most. */
const AFFINITY_CAPACITY = 20_000;
/** Which of two conversations was used last matters only when it was minutes ago. */
const AFFINITY_ORDER_MS = 60_000;
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
/** Proxies between here and a browser close connections that are silent for a minute or so. */
const LIVE_HEARTBEAT_MS = 15_000;

export async function createRuntime(
  config: Config,
  ports: Ports,
  { demo = false }: RuntimeOptions = {},
): Promise<Runtime> {
  const { clock, random, log, fetch } = ports;
  const store = openStore({ dataDir: config.dataDir, keyFile: config.encryptionKeyFile, clock, log });
  const writer = createThreadWriter({
    threadUrl: new URL("./writer-thread.ts", import.meta.url),
    databasePath: store.databasePath,
    onWritten: store.requests.writtenElsewhere,
  });
  const writes = createWriteBehind({ writer, clock, log });
  const backups = createBackups(store);
  const liveSettings = createLiveSettings({
    stored: store.settings.get(),
    save: (values, expectedVersion) => store.settings.put(values, { expectedVersion, nowMs: clock.now() }),
  });
  const settings = liveSettings.get;
  const livePrices = createLivePrices({
    shipped: prices,
    stored: Object.fromEntries(store.priceOverrides.loadAll().map(({ model, price }) => [model, price])),
    save: (model, price) => store.priceOverrides.put({ model, price, updatedAtMs: clock.now() }),
    remove: store.priceOverrides.remove,
  });

  const pool = createPool({
    clock,
    random,
    affinity: createAffinityMap({
      capacity: AFFINITY_CAPACITY,
      orderWithinMs: AFFINITY_ORDER_MS,
      ttlMs: AFFINITY_TTL_MS,
      onBind(entry) {
        const row = affinityRow(entry, AFFINITY_TTL_MS);
        if (row) writes.affinitySeen(row);
      },
    }),
    settings,
  });
  const catalogue = createCatalogue({
    clock,
    accounts: () => pool.list().filter(({ state }) => state !== "reauth_required" && state !== "deactivated"),
    async ask(accountId, ask): Promise<AskedList> {
      const account = pool.get(accountId);
      if (!account) return { kind: "failed" };
      const reply = await accountJobs.ask(account, async () =>
        asked(await wham.fetchModels(target(account), ask)),
      );
      if (reply.kind !== "ok") return { kind: "failed" };
      return reply.value.unchanged ? { kind: "unchanged" } : { kind: "ok", ...reply.value };
    },
    onList: (list) => persistModels(persistence, list),
  });
  const persistence = {
    pool,
    catalogue,
    store,
    writes,
    clock,
    log,
    affinityCapacity: AFFINITY_CAPACITY,
    affinityTtlMs: AFFINITY_TTL_MS,
  };
  hydratePool(persistence);
  persistPool(persistence);
  const accountUsage = createAccountUsageBook(
    store.rollups.sums({ sinceMs: 0 }, ["account"]).map((sum) => ({
      accountId: sum.accountId ?? "",
      requestCount: sum.requests,
      totalTokens: sum.inputTokens + sum.outputTokens,
      cachedInputTokens: sum.cachedInputTokens,
      costMicros: sum.costMicros,
    })),
  );
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
  /** Ends what is asked about accounts when the service stops; renewals of tokens go on to their end. */
  const asking = new AbortController();
  const wham = createWham({
    baseUrl: config.upstreamBaseUrl,
    names,
    ports: { fetch: endedBy(asking.signal, fetch), clock },
  });
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
  const feed = createLiveFeed();
  const live = createLiveEvents({
    feed,
    pool,
    nowMs: clock.now,
    keyName: (id) => keys.get(id)?.settings.name ?? null,
  });
  const apiKeyLane = config.openAiApiKey && createApiKeyLane(config.openAiApiKey);
  const engine = live.watched(
    createEngine({ pool, tokens, waiting, clock, random, log, settings, apiKeyLane }),
  );
  const attempt = createHttpAttempt({
    http,
    clock,
    upstreamBaseUrl: config.upstreamBaseUrl,
    openAiBaseUrl: config.openAiBaseUrl ?? OPENAI_BASE_URL,
    connectTimeoutMs: config.upstreamConnectTimeoutMs,
    firstEventTimeoutMs: config.upstreamFirstEventTimeoutMs,
    keepCookie: pool.setCookie,
  });
  const drain = createDrain(clock);
  const serving = createServing({ engine, attempt, pool, clock, drain, prices: livePrices.table, onRecord });
  const bodies = createRequestBodies(clock);
  const quota = createPooledQuota({ pool, clock });
  const view = createClientView({ quota, catalogue });
  const relay = createResponsesRelay({ serving, bodies, clock, drain, view });
  const calls = createSideCalls({ serving, bodies, attempt, pool, clock, drain, view, quota });
  const sockets = createSocketRelay({
    serving,
    dial: createDialer({
      sockets: createWebSocketClient({ http, random }),
      upstreamBaseUrl: config.upstreamBaseUrl,
      connectTimeoutMs: config.upstreamConnectTimeoutMs,
    }),
    httpAttempt: attempt,
    pool,
    clock,
    drain,
    log,
    view,
    firstEventTimeoutMs: config.upstreamFirstEventTimeoutMs,
  });
  const metrics = createMetrics({
    pool,
    clock,
    version: VERSION,
    gauges: {
      inFlight: drain.active,
      queued: waiting.size,
      writeBehindDepth: writes.depth,
      writeBehindDrops: writes.drops,
      liveClients: feed.clients,
    },
  });
  pool.onChange(({ kind, account }) => {
    if (kind !== "removed") return;
    catalogue.remove(account.id);
    accountUsage.forget(account.id);
  });
  const requestContext = () => {
    const knownModels = catalogue.slugs();
    return { knownModels, modelRules: usableRules(settings().modelRules, knownModels) };
  };
  const kept = createKeptResponses(clock);
  const translated = { serving, bodies, attempt, clock, drain, names, kept, view, requestContext };

  const accountJobs = createAccountJobs({
    pool,
    tokens,
    clock,
    random,
    log,
    usageIntervalMs: config.usageRefreshIntervalMs,
    askUsage: async (account) => asked(await wham.fetchUsage(target(account))),
    readModels: catalogue.refresh,
    async askRouting(account) {
      const reply = asked(await wham.accountsCheck(target(account)));
      return reply.kind === "ok" ? { kind: "ok", value: reply.value.routing } : reply;
    },
  });
  const scheduler = createScheduler({
    clock,
    log,
    jobs: [
      ...accountJobs.jobs,
      { name: "forget old responses", everyMs: () => 60_000, run: kept.prune },
      createRetentionJob({
        clock,
        log,
        settings,
        prune: {
          requests: store.requests.prune,
          windowHistory: store.windows.prune,
          affinity: store.affinity.prune,
          audit: store.audit.prune,
          sums: store.requests.pruneRollups,
        },
      }),
      createBackupJob({ clock, log, settings, backups }),
      createSpareMemoryJob(processMemory),
      { name: "event loop lag", everyMs: () => LAG_EVERY_MS, run: metrics.tick },
      { name: "live events", everyMs: () => LIVE_TICK_MS, run: live.tick },
      { name: "live heartbeat", everyMs: () => LIVE_HEARTBEAT_MS, run: feed.heartbeat },
    ],
  });

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
    withoutOverwrite: () => settings().importWithoutOverwrite,
    onImported: (account) => void accountJobs.refresh(account.id),
  });

  let draining = false;
  const entrance = createEntrance({
    config,
    store: store.dashboardAuth,
    audit: store.audit,
    settings: liveSettings,
    clock,
    random,
    log,
  });
  const { firewall } = entrance;
  const logins = createLoginFlows({
    oauth,
    importer,
    pool,
    listener: createCallbackListener({
      redirectUri: BROWSER_REDIRECT_URI,
      everyInterface: config.host === "0.0.0.0" || config.host === "::",
      arrived: (callbackUrl) => logins.callback(callbackUrl, null),
      log,
    }),
    ended(flow, end) {
      const success = end.status === "success";
      store.audit.add({
        atMs: clock.now(),
        actor: "system",
        actorIp: null,
        action: success ? "login.success" : "login.failure",
        target: success ? end.accountId : flow.accountId,
        details: { flowId: flow.id, ...(!success && { code: end.code }) },
      });
    },
    clock,
    random,
    log,
  });
  const application = createApplication({
    ...entrance,
    logins,
    files: await dashboardFiles(),
    store,
    pool,
    keys,
    importer,
    jobs: accountJobs,
    settings: liveSettings,
    apiKeyLaneConfigured: apiKeyLane !== null,
    prices: livePrices,
    accountUsage,
    live: feed,
    metrics,
    models: () => catalogue.merged().models,
    revokeLogin: (credentials) => revokeLogin(oauth, credentials),
    askResetCredits: (account) =>
      accountJobs.ask(account, async () => asked(await wham.resetCredits(target(account)))),
    redeemResetCredit: (account, redeemRequestId) =>
      accountJobs.ask(account, async () =>
        asked(await wham.consumeResetCredit(target(account), redeemRequestId)),
      ),
    flush: () => void writes.flush(),
    clock,
    log,
    version: VERSION,
    demo,
    backups,
    newRequestId,
    ready: () => !draining,
  });
  const door = createDoor({
    firewall,
    throttle: entrance.keyThrottle,
    keys,
    networks: config.proxyUnauthenticatedClientCidrs,
    clock,
    settings,
    budgetOf: createBudgets({
      book: keys.book,
      clock,
      prices: livePrices.table,
      waitMs: () => settings().queueWaitSeconds * 1000,
    }),
    newRequestId,
  });
  const server = createHttpServer({
    hostname: config.host,
    port: config.port,
    locate: entrance.locate,
    tls: tlsFiles(config),
    proxyRoutes: withPages(firewall, [
      ...proxyRoutes({ door, relay, calls, bodies, catalogue }),
      ...holderRoutes({ keys, requestLog: store.requestLog, firewall, newRequestId }),
      ...v1Routes({
        door,
        relay: createTranslatedRelay(translated),
        compact: createCompactRelay(translated),
        media: createMediaRelay(translated),
        bodies,
        catalogue,
        requestContext,
      }),
    ]),
    socketRoutes: socketRoutes({
      door,
      sockets,
      enabled: () => settings().websocketEnabled && !laneServes(),
      v1: translated,
    }),
    application: application.handle,
    onError(error) {
      log.error("request failed", { error: error.message });
      return Response.json(
        { error: { code: "internal_error", message: "This is a defect in codex-lb; its log says more." } },
        { status: 500 },
      );
    },
  });

  /** The API-key lane is asked over HTTP: a client that came with a WebSocket now would only lose time. */
  function laneServes(): boolean {
    if (!apiKeyLane || !settings().lanes.apiKey) return false;
    return pool.list().every(({ id }) => pool.whyNot(id, null) !== null);
  }

  /** Begins with the time, so that rows of the log that come together lie together in its index. */
  function newRequestId(): string {
    const time = clock.now().toString(16).padStart(12, "0");
    return `req_${time}${Buffer.from(random.bytes(6)).toString("hex")}`;
  }

  function target(account: PooledAccount) {
    return { identity: account, credentials: account.credentials, routing: account.routing };
  }

  function onRecord(record: RequestRecord): void {
    writes.requestFinished(record);
    keys.requestFinished(record);
    accountUsage.requestFinished(record);
    metrics.requestFinished(record);
    live.requestFinished(record);
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

  let started = false;
  return {
    async start() {
      const { url } = server.start();
      started = true;
      store.announce(url, entrance.cliToken);
      entrance.announce(url);
      scheduler.start();
      return { url, accounts: pool.list().length };
    },
    async stop() {
      draining = true;
      feed.stop();
      if (started) {
        server.stopAccepting();
        sockets.drain();
        await drain.wait(config.shutdownDrainTimeoutMs);
      }
      accountJobs.stop();
      asking.abort();
      await scheduler.stop();
      await logins.stop();
      await tokens.stop();
      keys.stop();
      sockets.stop();
      catalogue.stop();
      await server.stop();
      http.stop();
      await writes.stop();
      store.close();
    },
    administer(path, init = {}) {
      const headers = new Headers(init.headers);
      headers.set("authorization", `Bearer ${entrance.cliToken.reveal()}`);
      return application.handle(new Request(`http://127.0.0.1${path}`, { ...init, headers }), THIS_PROCESS);
    },
  };
}

const THIS_PROCESS: Client = {
  ip: "127.0.0.1",
  isLocal: true,
  isSecure: true,
  host: "127.0.0.1",
  viaTrustedProxy: false,
};

/** Throws `invalid_setting` when only one of the two is set. */
function tlsFiles({ tlsCertFile, tlsKeyFile }: Config) {
  if (tlsCertFile === null && tlsKeyFile === null) return null;
  if (tlsCertFile !== null && tlsKeyFile !== null) return { certFile: tlsCertFile, keyFile: tlsKeyFile };
  throw new CodedError(
    "invalid_setting",
    "CODEX_LB_TLS_CERT_FILE and CODEX_LB_TLS_KEY_FILE belong together: set both, or neither.",
  );
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
