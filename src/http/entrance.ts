/** Everything that decides who comes in, put together: locality, firewall, sign-in, guard, and what is said about it at the start. */
import { hostname } from "node:os";
import type { Config } from "../config.ts";
import { cidrText, isLoopback } from "../core/cidr.ts";
import { Secret } from "../core/secret.ts";
import { createDashboardSessions } from "../pool/dashboard-sessions.ts";
import type { LiveSettings } from "../pool/live-settings.ts";
import { createPasswords } from "../pool/passwords.ts";
import { createSecondFactor } from "../pool/second-factor.ts";
import { createThrottle, type Throttle } from "../pool/throttle.ts";
import type { Clock, Log, Random } from "../ports.ts";
import type { AuditStore } from "../store/audit.ts";
import type { DashboardAuthStore } from "../store/dashboard-auth.ts";
import { createFirewall, type Firewall } from "./firewall.ts";
import { CLI_TOKEN_PREFIX, createGuard, type Guard, type SignIn } from "./guard.ts";
import { createLocate, type Locate } from "./locality.ts";
import { createSignIn, type SignInPorts } from "./sign-in.ts";

export interface Entrance {
  locate: Locate;
  firewall: Firewall;
  guard: Guard;
  signIn: SignIn;
  signInParts: SignInPorts;
  /** The reverse proxies that are believed, as text. */
  trustedProxies: readonly string[];
  /** Against guessing API keys. */
  keyThrottle: Throttle;
  /** Lets this program's command line in while it runs. */
  cliToken: Secret;
  /** Says what is open to whom, once the service listens. */
  announce(url: string): void;
}

/** Shorter ones can be guessed. */
const MIN_ADMIN_TOKEN_CHARS = 20;
/** A client with an old key asks a few times by itself; it should learn what is wrong, not that it has to wait. */
const FREE_KEY_FAILURES = 30;

export function createEntrance(ports: {
  config: Config;
  store: DashboardAuthStore;
  audit: Pick<AuditStore, "add">;
  settings: LiveSettings;
  clock: Clock;
  random: Random;
  log: Log;
}): Entrance {
  const { config, store, audit, settings, clock, random, log } = ports;
  const token = (prefix: string) => new Secret(prefix + Buffer.from(random.bytes(32)).toString("base64url"));
  const cliToken = token(CLI_TOKEN_PREFIX);
  let bootstrapToken = config.dashboardBootstrapToken ?? token("");
  const trusted = config.firewallTrustProxyHeaders ? config.firewallTrustedProxyCidrs : [];
  const throttle = createThrottle(clock);

  const signInParts: SignInPorts = {
    sessions: createDashboardSessions({
      store,
      clock,
      random,
      lifetimeMs: () => settings.get().dashboardSessionTtlSeconds * 1000,
    }),
    passwords: createPasswords({
      store,
      bootstrapToken: () => bootstrapToken,
      // A link that stands in the log opens nothing twice, not even when the password is removed again.
      bootstrapped() {
        bootstrapToken = config.dashboardBootstrapToken ?? token("");
        saidBootstrap = false;
      },
    }),
    secondFactor: createSecondFactor({ store, clock, random }),
    throttle,
    guestsAllowed: () => settings.get().guestAccessEnabled,
    random,
    bootstrapNeeded: sayBootstrap,
  };
  const signIn = createSignIn(signInParts);
  let listensOn = "";
  let saidBootstrap = false;

  /** Once, and only when somebody from elsewhere stands before the door. */
  function sayBootstrap(): void {
    if (saidBootstrap || listensOn === "") return;
    saidBootstrap = true;
    if (config.dashboardBootstrapToken !== null) {
      log.warn("no dashboard password yet: set it with the token of CODEX_LB_DASHBOARD_BOOTSTRAP_TOKEN", {
        url: listensOn,
      });
      return;
    }
    log.warn("no dashboard password yet: set it with this one-time link", {
      link: `${listensOn}/#bootstrap=${bootstrapToken.reveal()}`,
    });
  }

  return {
    locate: createLocate({ trustedProxies: trusted, tls: config.tlsCertFile !== null }),
    firewall: createFirewall(settings),
    guard: createGuard({
      adminToken: config.adminApiToken,
      cliToken,
      userHeader: config.dashboardUserHeader,
      signIn,
      throttle,
      tokenRefused({ ip }) {
        const entry = {
          actor: "anonymous",
          actorIp: ip,
          action: "token.refused",
          target: null,
          details: null,
        };
        audit.add({ atMs: clock.now(), ...entry });
      },
    }),
    signIn,
    signInParts,
    trustedProxies: trusted.map(cidrText),
    keyThrottle: createThrottle(clock, { freeFailures: FREE_KEY_FAILURES }),
    cliToken,
    announce(url) {
      listensOn = url.replace(/\/\/(0\.0\.0\.0|\[::\])(?=[:/]|$)/, `//${hostname()}`);
      const token = config.adminApiToken?.reveal();
      if (token !== undefined && token.length < MIN_ADMIN_TOKEN_CHARS) {
        log.warn("CODEX_LB_ADMIN_API_TOKEN is short enough to be guessed; use at least 20 random characters");
      }
      if (config.host === "localhost" || isLoopback(config.host)) return;
      if (!settings.get().apiKeyAuthEnabled) {
        log.warn(
          "other machines can reach this service and API keys are off: their requests are refused, except from CODEX_LB_PROXY_UNAUTHENTICATED_CLIENT_CIDRS. Switch API keys on in Settings",
          { listen: url, networks: config.proxyUnauthenticatedClientCidrs.length },
        );
      }
      if (config.tlsCertFile === null && trusted.length === 0) {
        log.warn(
          "other machines can reach this service without TLS: passwords and keys cross the network in clear. Set CODEX_LB_TLS_CERT_FILE and CODEX_LB_TLS_KEY_FILE, or put a reverse proxy before it",
          { listen: url },
        );
      }
      if (!signIn.passwordSet()) sayBootstrap();
    },
  };
}
