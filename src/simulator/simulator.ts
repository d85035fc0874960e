/** ChatGPT's backend and its token issuer as one scripted server, for tests, measurements and the demo. */
import { systemClock } from "../ports.ts";
import { patchAccount, viewAccount } from "./accounts.ts";
import { backendRoute, createBackend } from "./backend.ts";
import { createCanned, type CannedServer } from "./canned.ts";
import { CONTROL_PREFIX, handleControl } from "./control.ts";
import { createHttpTurns } from "./http-turns.ts";
import { createIssuer, issuerRoute } from "./issuer.ts";
import { createModelTurns } from "./model-turns.ts";
import { namedError } from "./named-errors.ts";
import { createSocketTurns } from "./socket-turns.ts";
import { sendError } from "./strike.ts";
import type { AuthJson, Simulator, SimulatorOptions, SimulatorUrls } from "./types.ts";
import { createUniverse } from "./universe.ts";
import { type WireRequest } from "./http-message.ts";
import { listenHttp, type WireReply, type WireServer } from "./wire.ts";

export type * from "./types.ts";

export function createSimulator(options: SimulatorOptions): Simulator {
  const universe = createUniverse({ ...options, clock: options.clock ?? systemClock });
  const { journal, tokens, rules, accounts, now } = universe;
  const turns = createModelTurns(universe);
  const http = createHttpTurns(universe, turns);
  const sockets = createSocketTurns(universe, turns);
  const issuer = createIssuer(universe);
  const backend = createBackend(universe, turns);
  let server: WireServer | null = null;
  let urls: SimulatorUrls | null = null;
  let canned: CannedServer | null = null;

  function onRequest(request: WireRequest, reply: WireReply): void {
    const route = backendRoute(request.path);
    if (route === "responses") return onResponses(request, reply);
    if (route === "compact") return void http.compact(request, reply);
    if (route !== null) return void backend.handle(request, reply, route);
    const issuing = issuerRoute(request.path);
    if (issuing !== null) return void issuer.handle(request, reply, issuing, urls!.origin);
    if (request.path.startsWith(CONTROL_PREFIX)) return handleControl(simulator, request, reply);
    sendError(reply, namedError("not_found", { nowMs: now() }));
  }
  function onResponses(request: WireRequest, reply: WireReply): void {
    if (request.header("upgrade")?.toLowerCase() === "websocket") {
      if (canned?.serveSocket(request, reply) !== true) void sockets.handshake(request, reply);
      return;
    }
    if (request.method !== "POST")
      return void sendError(reply, { status: 405, headers: [], body: { detail: "Method Not Allowed" } });
    if (canned?.serveHttp(request, reply) !== true) void http.responses(request, reply);
  }
  function accountAt(index: number) {
    const account = accounts[index];
    if (account === undefined) throw new Error(`the simulator has no account ${index}`);
    return account;
  }
  function issuePatJson(index: number): AuthJson {
    accountAt(index);
    return {
      auth_mode: "personalAccessToken",
      OPENAI_API_KEY: null,
      personal_access_token: tokens.pat(index),
    };
  }

  const simulator: Simulator = {
    async start() {
      if (server !== null) throw new Error("the simulator is running already");
      const hostname = options.hostname ?? "127.0.0.1";
      server = listenHttp({ hostname, port: options.port ?? 0, onRequest });
      const origin = `http://${hostname}:${server.port}`;
      urls = { origin, backendBaseUrl: `${origin}/backend-api`, authBaseUrl: origin };
      return urls;
    },
    async stop() {
      server?.stop();
      server = null;
    },
    get urls() {
      if (urls === null) throw new Error("the simulator has not been started");
      return urls;
    },
    get counters() {
      return {
        ...journal.counters,
        byRoute: { ...journal.counters.byRoute },
        openSockets: server?.openSockets() ?? 0,
      };
    },
    get requests() {
      return journal.entries();
    },
    clearRequests: journal.clear,
    accounts: () => accounts.map((account) => viewAccount(account, now())),
    patchAccount: (index, patch) => patchAccount(accountAt(index), patch, now()),
    addAccount: universe.addAccount,
    issueAuthJson: (index) => tokens.authJson(accountAt(index).index),
    issuePatJson,
    addFault: rules.addFault,
    clearFaults: rules.clearFaults,
    addScript: rules.addScript,
    clearScripts: rules.clearScripts,
    setStorm: rules.setStorm,
    setCanned: (spec) => void (canned = spec === null ? null : createCanned(universe, turns, spec)),
    advance: universe.advance,
    now,
    approveDevice: issuer.approveDevice,
    setLoginAccount: (index) => void (universe.loginAccount = accountAt(index).index),
    dropConnections: () => server?.dropAll(),
  };
  return simulator;
}
