/** Which addresses may come in at all, which pages may call the proxy, and the routes that show and change it. */
import { Elysia, t } from "elysia";
import { type Cidr, isIpIn, parseCidr } from "../core/cidr.ts";
import { CodedError } from "../core/errors.ts";
import type { DashboardSettings } from "../core/settings.ts";
import type { LiveSettings } from "../pool/live-settings.ts";
import type { Admin } from "./admin.ts";
import type { Client } from "./locality.ts";
import type { ProxyRoute } from "./server.ts";

export interface Firewall {
  /** Throws `ip_forbidden` (403). */
  admitToProxy(client: Client): void;
  admitToDashboard(client: Client): void;
  /**
   * Throws `origin_forbidden` (403) for a browser's page that settings do not name: a page can make its visitor's browser call
   * this machine, and there needs to be no key.
   */
  admitPage(request: Request): void;
  /** Whether settings name the origin of a page; its calls then get CORS headers. */
  allowsOrigin(origin: string): boolean;
}

export function createFirewall(settings: Pick<LiveSettings, "get" | "onChange">): Firewall {
  let proxy: Cidr[] = [];
  let dashboard: Cidr[] = [];
  let origins: ReadonlySet<string> = new Set();

  function read({ proxyAllowlist, dashboardAllowlist, proxyAllowedOrigins }: DashboardSettings): void {
    proxy = networksOf(proxyAllowlist);
    dashboard = networksOf(dashboardAllowlist);
    origins = new Set(proxyAllowedOrigins);
  }
  read(settings.get());
  settings.onChange(read);

  /** The owner's own machine is never shut out. */
  function admit(client: Client, allowed: readonly Cidr[], what: string): void {
    if (allowed.length === 0 || client.isLocal || isIpIn(client.ip, allowed)) return;
    throw new CodedError(
      "ip_forbidden",
      `codex-lb: this address may not use the ${what}; see Settings, Firewall.`,
      {
        status: 403,
      },
    );
  }

  return {
    admitToProxy: (client) => admit(client, proxy, "proxy"),
    admitToDashboard: (client) => admit(client, dashboard, "dashboard"),
    allowsOrigin: (origin) => origins.has(origin),
    admitPage({ headers }) {
      const origin = headers.get("origin");
      const isPage = origin !== null || (headers.get("sec-fetch-site") ?? "none") !== "none";
      if (!isPage || (origin !== null && origins.has(origin))) return;
      throw new CodedError(
        "origin_forbidden",
        "codex-lb: web pages may not call the proxy. Add the page's origin to the allowed origins in Settings, Firewall, if this one may.",
        { status: 403 },
      );
    },
  };
}

function networksOf(texts: readonly string[]): Cidr[] {
  return texts.map(parseCidr).filter((range) => range !== null);
}

const says = (summary: string) => ({ detail: { summary } });

export function firewallRoutes(ports: {
  admin: Admin;
  settings: LiveSettings;
  trustedProxies: readonly string[];
}) {
  const { admin, settings, trustedProxies } = ports;

  function view(client: Client) {
    const { proxyAllowlist, dashboardAllowlist, proxyAllowedOrigins } = settings.get();
    return { proxyAllowlist, dashboardAllowlist, proxyAllowedOrigins, trustedProxies, clientIp: client.ip };
  }

  const list = t.Optional(t.Array(t.String({ maxLength: 256 })));
  return new Elysia({ prefix: "/api/firewall", detail: { tags: ["Settings"] } })
    .get(
      "/",
      ({ request }) => view(admin.askerOf(request).client),
      says("Who may come in; and the caller's own address"),
    )
    .put(
      "/",
      ({ request, body }) => {
        const { client } = admin.askerOf(request);
        const dashboard = networksOf(body.dashboardAllowlist ?? []);
        if (dashboard.length > 0 && !client.isLocal && !isIpIn(client.ip, dashboard)) {
          throw new CodedError(
            "would_lock_out",
            `This list leaves out your own address, ${client.ip}. Add it, or make the change on the machine itself.`,
            { status: 409, param: "dashboardAllowlist" },
          );
        }
        settings.change(body);
        admin.audit(request, "firewall.change", null, { ...body });
        return view(client);
      },
      {
        body: t.Object({ proxyAllowlist: list, dashboardAllowlist: list, proxyAllowedOrigins: list }),
        ...says("Change who may come in; empty lists let everybody try"),
      },
    );
}

/** The proxy's routes, with what browsers need to let an allowed page read the answers (CORS). Other pages get nothing of it. */
export function withPages(firewall: Firewall, routes: readonly ProxyRoute[]): ProxyRoute[] {
  const forPages = ({ headers }: Request): Record<string, string> | null => {
    const origin = headers.get("origin");
    if (origin === null || !firewall.allowsOrigin(origin)) return null;
    return {
      "access-control-allow-origin": origin,
      "access-control-allow-headers": headers.get("access-control-request-headers") ?? "*",
      "access-control-allow-methods": "GET, POST, OPTIONS",
      vary: "origin",
    };
  };
  const wrapped = routes.map((route) => ({
    ...route,
    async handle(request: Request, client: Client) {
      const response = await route.handle(request, client);
      for (const [name, value] of Object.entries(forPages(request) ?? {})) response.headers.set(name, value);
      return response;
    },
  }));
  const preflight = (path: string): ProxyRoute => ({
    method: "OPTIONS",
    path,
    handle: (request) => new Response(null, { status: 204, headers: forPages(request) ?? {} }),
  });
  return [...wrapped, preflight("/v1/*"), preflight("/backend-api/*")];
}
