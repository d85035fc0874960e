/** Everything that is not the proxy: the admin API, health and metrics, behind one guard, as one Elysia application. */
import { type AnyElysia, Elysia } from "elysia";
import { CodedError } from "../core/errors.ts";
import { asList, asRecord, asText } from "../core/json-read.ts";
import type { ModelEntry } from "../core/models-catalogue.ts";
import type { AccountUsageBook } from "../pool/account-usage.ts";
import type { LoginFlows } from "../pool/login-flows.ts";
import type { LivePrices } from "../pool/live-prices.ts";
import type { LiveSettings } from "../pool/live-settings.ts";
import type { Clock, Log } from "../ports.ts";
import type { Backups } from "../store/backups.ts";
import type { Store } from "../store/open.ts";
import { type ApiKeyRoutesPorts, apiKeyRoutes } from "./api-keys.ts";
import { accountTrendRoutes } from "./account-trends.ts";
import { createAccountViews } from "./account-views.ts";
import { type AccountRoutesPorts, accountRoutes } from "./accounts.ts";
import { createAdmin } from "./admin.ts";
import { dashboardAuthRoutes } from "./dashboard-auth.ts";
import { type Firewall, firewallRoutes } from "./firewall.ts";
import { admit, type Asker, type Guard, type SignIn } from "./guard.ts";
import { maskForGuests } from "./guest-view.ts";
import { type LiveFeed, liveRoutes } from "./live.ts";
import type { Client } from "./locality.ts";
import type { Metrics } from "./metrics.ts";
import { modelRoutes } from "./models.ts";
import { apiDocsPage, openApiDocument } from "./openapi.ts";
import { operationsRoutes } from "./operations.ts";
import { overviewRoutes } from "./overview.ts";
import { priceRoutes } from "./prices.ts";
import { reportRoutes } from "./reports.ts";
import { requestLogRoutes } from "./request-logs.ts";
import { oauthRoutes } from "./oauth.ts";
import { protect } from "./security-headers.ts";
import { pathOf } from "./server.ts";
import type { SignInPorts } from "./sign-in.ts";
import { settingsRoutes } from "./settings.ts";
import { usageRoutes } from "./usage.ts";

export interface ApplicationPorts
  extends
    Pick<
      AccountRoutesPorts,
      "pool" | "importer" | "jobs" | "revokeLogin" | "askResetCredits" | "redeemResetCredit"
    >,
    Pick<ApiKeyRoutesPorts, "keys" | "flush"> {
  guard: Guard;
  signIn: SignIn;
  signInParts: SignInPorts;
  firewall: Firewall;
  /** As the firewall's page shows them. */
  trustedProxies: readonly string[];
  logins: LoginFlows;
  /** The dashboard's own files, for every path that nothing else takes. */
  files: AnyElysia;
  store: Store;
  settings: LiveSettings;
  prices: LivePrices;
  accountUsage: AccountUsageBook;
  live: LiveFeed;
  metrics: Metrics;
  /** The merged catalogue of the pool. */
  models(): readonly ModelEntry[];
  clock: Clock;
  log: Log;
  version: string;
  /** Shown in the session: everything here is made up. */
  demo: boolean;
  backups: Backups;
  newRequestId(): string;
  /** False while draining. */
  ready(): boolean;
  apiKeyLaneConfigured: boolean;
}

export interface Application {
  /** Answers everything, errors included. */
  handle(request: Request, client: Client): Promise<Response>;
  /** For tests and documents: what is registered. */
  elysia: App;
}

export type App = ReturnType<typeof createRoutes>;

export function createApplication(ports: ApplicationPorts): Application {
  const askers = new WeakMap<Request, Asker>();
  const elysia = createRoutes(ports, (request) => askers.get(request) ?? nobody(request));
  const everything: AnyElysia = elysia.use(ports.files);

  /** Throws for whoever may not ask this. */
  function letIn(request: Request, client: Client): void {
    const path = comparable(pathOf(request.url));
    if (!path.startsWith("/health")) ports.firewall.admitToDashboard(client);
    const asker = ports.guard.ask(request, client);
    askers.set(request, asker);
    checkBody(request, path);
    if (path === "/api" || path.startsWith("/api/")) admit(asker, request);
    // A scraper beside the program needs no credential.
    else if (path === "/metrics" && !client.isLocal) admit(asker, request);
  }

  return {
    elysia,
    async handle(asked, client) {
      let response: Response;
      try {
        const request = routable(asked);
        letIn(request, client);
        response = await everything.fetch(request);
        if (askers.get(request)?.role === "guest") response = await maskForGuests(response);
      } catch (error) {
        if (!(error instanceof CodedError)) throw error;
        response = errorReply(error);
      }
      response.headers.set("x-request-id", ports.newRequestId());
      protect(response, client);
      return response;
    },
  };
}

/** All the auth.json files of one import; nothing else is nearly as large. */
const MAX_BODY_BYTES = 64 * 1024 * 1024;
/** These bodies are read before anybody is known. */
const MAX_SIGN_IN_BODY_BYTES = 16 * 1024;

/** Throws `length_required` (411) or `payload_too_large` (413) before any of the body is read. */
function checkBody(request: Request, path: string): void {
  const length = request.headers.get("content-length");
  if (length === null && request.headers.has("transfer-encoding")) {
    throw new CodedError("length_required", "Send the body with its length.", { status: 411 });
  }
  const limit = path.startsWith("/api/dashboard-auth/") ? MAX_SIGN_IN_BODY_BYTES : MAX_BODY_BYTES;
  if (Number(length ?? 0) > limit) {
    throw new CodedError("payload_too_large", `The body is larger than ${limit / 1024} KiB.`, {
      status: 413,
    });
  }
}

const BAD_HOST = new CodedError("invalid_host", "The Host header is no host.");

/** Elysia takes for granted that the path begins no sooner than this in a URL: behind `http://` and four characters of a host. */
const ROUTER_LOOKS_FROM = 11;

/**
 * The request with a URL in which the router finds the path that the guard judges: behind the host `a`, Elysia would take
 * `/zz/api/accounts` for `/api/accounts`. Throws `invalid_host`: a Host that is none leaves a URL that is none.
 */
function routable(request: Request): Request {
  const { url } = request;
  if (!URL.canParse(url)) throw BAD_HOST;
  if (url.indexOf("/", url.indexOf("://") + 3) >= ROUTER_LOOKS_FROM) return request;
  const { pathname, search } = new URL(url);
  return new Request(`http://localhost${pathname}${search}`, request);
}

/** As the router may understand it: `//api`, `%61pi`, `/API` and `/metrics/` must not slip past the guard. */
function comparable(path: string): string {
  try {
    return decodeURIComponent(path)
      .replaceAll(/\/{2,}/g, "/")
      .replace(/(?<=.)\/$/, "")
      .toLowerCase();
  } catch {
    return "/api/";
  }
}

function nobody(request: Request): never {
  throw new Error(`no asker for ${pathOf(request.url)}`);
}

function createRoutes(ports: ApplicationPorts, askerOf: (request: Request) => Asker) {
  const { clock, pool, store, log, ready, version } = ports;
  const { rollups, windows, requestLog, apiKeys } = store;
  const admin = createAdmin({ clock, audit: store.audit, askerOf });
  const views = createAccountViews({ pool, usage: ports.accountUsage, clock });
  const database = { dataDir: store.dataDir, path: store.databasePath, backups: ports.backups };

  const app = new Elysia({ normalize: true, aot: true })
    .onError(({ error, set }) => {
      const coded = codedError(error);
      if (coded === null) {
        log.error("request failed", { error: error instanceof Error ? error.message : "not an error" });
        return errorReply(INTERNAL);
      }
      set.status = coded.status;
      return errorReply(coded);
    })
    // Once more, by the route that was found: whatever a router reads into a path, this is behind it.
    .onBeforeHandle(({ request, route }) => {
      if (route.startsWith("/api/")) admit(askerOf(request), request);
    })
    .get("/health", () => ({ status: "ok", version }))
    .get("/health/live", () => ({ status: "ok" }))
    .get("/health/startup", () => ({ status: "ok" }))
    .get("/health/ready", ({ set }) => {
      if (ready()) return { status: "ok" };
      set.status = 503;
      return { status: "draining" };
    })
    .get("/metrics", ({ set }) => {
      set.headers["content-type"] = "text/plain; version=0.0.4; charset=utf-8";
      return ports.metrics.render();
    })
    .use(accountRoutes({ ...ports, admin, views, store: store.accounts }))
    .use(accountTrendRoutes({ admin, pool, views, windows }))
    .use(usageRoutes({ admin, views, rollups, windows }))
    .use(overviewRoutes({ admin, views, rollups, windows }))
    .use(modelRoutes({ models: ports.models }))
    .use(requestLogRoutes({ requestLog, apiKeys }))
    .use(reportRoutes({ admin, rollups, apiKeys }))
    .use(apiKeyRoutes({ ...ports, admin, ledger: store.ledger, rollups }))
    .use(
      settingsRoutes({
        admin,
        settings: ports.settings,
        totpConfigured: ports.signIn.totpConfigured,
        apiKeyLaneConfigured: ports.apiKeyLaneConfigured,
      }),
    )
    .use(firewallRoutes({ admin, settings: ports.settings, trustedProxies: ports.trustedProxies }))
    .use(
      dashboardAuthRoutes({ ...ports.signInParts, admin, signIn: ports.signIn, version, demo: ports.demo }),
    )
    .use(oauthRoutes({ admin, logins: ports.logins }))
    .use(priceRoutes({ admin, prices: ports.prices }))
    .use(operationsRoutes({ admin, audit: store.audit, database, version }))
    .use(liveRoutes({ live: ports.live }));
  const document = () => openApiDocument(app, version);
  return app
    .get("/api/openapi.json", document, {
      detail: { summary: "This description, as an OpenAPI document", tags: ["Operations"] },
    })
    .get("/api-docs", () => apiDocsPage(document()));
}

const INTERNAL = new CodedError("internal_error", "This is a defect in codex-lb; its log says more.", {
  status: 500,
});

export function errorReply({ code, message, status, param, retryAfterSeconds }: CodedError): Response {
  const headers = new Headers();
  if (retryAfterSeconds !== undefined) headers.set("retry-after", String(retryAfterSeconds));
  if (status === 401) headers.set("www-authenticate", 'Bearer realm="codex-lb"');
  return Response.json({ error: { code, message, ...(param && { param }) } }, { status, headers });
}

/** null: a defect. */
function codedError(error: unknown): CodedError | null {
  if (error instanceof CodedError) return error;
  switch ((error as { code?: unknown }).code) {
    case "NOT_FOUND":
      return new CodedError("not_found", "There is nothing at this path.", { status: 404 });
    case "PARSE":
      return new CodedError("validation_error", "The body is not what its content-type says.", {
        status: 422,
      });
    case "VALIDATION":
      return validationError(error);
    default:
      return isUndecodable(error) ? validationError(error) : null;
  }
}

/** What typebox throws, unlike Elysia without a code, for a parameter that it cannot convert. */
function isUndecodable(error: unknown): boolean {
  return asRecord(asRecord(error)?.error)?.schema !== undefined;
}

/** Names the field and what it may be, and never its value: it may be a secret. */
function validationError(error: unknown): CodedError {
  const { type, valueError, error: undecodable } = asRecord(error) ?? {};
  const { path, message, schema } = asRecord(valueError) ?? asRecord(undecodable) ?? {};
  const field = asText(path)?.slice(1).replaceAll("/", ".") ?? "";
  const choices = asList(asRecord(schema)?.anyOf).map((choice) => asRecord(choice)?.const);
  const isChoice = choices.length > 0 && !choices.includes(undefined);
  const problem = isChoice ? `expected one of ${choices.join(", ")}` : (asText(message) ?? "not as expected");
  // Elysia does not always say which parameter of a query it was.
  const whole = type === "body" ? "The body" : "A parameter";
  const name = field === "" ? whole : `"${field}"`;
  return new CodedError("validation_error", `${name} is refused: ${problem}. See /api-docs.`, {
    status: 422,
    ...(field !== "" && { param: field }),
  });
}
