/** Who is asking the admin API, and what that lets them do: the one place that decides it. */
import { isEqualInConstantTime } from "../core/api-key.ts";
import { CodedError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { Throttle } from "../pool/throttle.ts";
import type { Client } from "./locality.ts";
import { pathOf } from "./server.ts";

export type Role = "admin" | "guest" | "nobody";

export interface Asker {
  role: Role;
  /**
   * As the audit log names it. `cli`: this program on the same machine. `reverse_proxy`: signed in there. `local`: this machine,
   * while no credential has been set.
   */
  actor: "admin_token" | "cli" | "dashboard" | "guest" | "reverse_proxy" | "local" | "anonymous";
  client: Client;
  /** The client's. */
  ip: string;
  /** Of the dashboard session; null without one. */
  sessionId: string | null;
  /** A page of another site sent the browser here: it may neither use the browser's cookies nor its place on this machine. */
  fromForeignPage: boolean;
  /** For nobody: what they would need. */
  refusal: CodedError;
}

/** What the cookie of a dashboard session came to. */
export type SessionAnswer =
  | { kind: "none" }
  /** The password was right, the second factor is missing. */
  | { kind: "totp_required" }
  | { kind: "signed_in"; sessionId: string; role: "admin" | "guest" };

/** The dashboard's sign-in, as far as the guard needs it. */
export interface SignIn {
  sessionOf(request: Request): SessionAnswer;
  /** Once there is a password, being on this machine is no longer enough. */
  passwordSet(): boolean;
  totpConfigured(): boolean;
  /** Asks for the password once more before a secret leaves. Throws CodedError when it is missing or wrong. */
  confirm(asker: Asker, password: string | undefined): Promise<void>;
}

export interface GuardPorts {
  /** CODEX_LB_ADMIN_API_TOKEN; null: not set. */
  adminToken: Secret | null;
  /** Made for this run and readable by the owner of the data directory; null: none. */
  cliToken: Secret | null;
  /** The header in which a trusted reverse proxy names who signed in there; null: none is believed. */
  userHeader: string | null;
  signIn: SignIn;
  /** Against guessing tokens. */
  throttle: Throttle;
  /** Told of each wrong token that was judged; those that have to wait are not. */
  tokenRefused(client: Client): void;
}

export interface Guard {
  ask(request: Request, client: Client): Asker;
}

/**
 * In this order: a token; a dashboard session, from a page of ours; a reverse proxy that vouches; and, while neither token nor
 * password is set, this very machine. A request with a wrong token is nobody, wherever it comes from.
 */
export function createGuard(ports: GuardPorts): Guard {
  const { adminToken, cliToken, userHeader, signIn, throttle } = ports;

  function byToken(presented: string, nobody: Asker): Asker {
    const { client } = nobody;
    if (cliToken !== null && isEqualInConstantTime(presented, cliToken.reveal()))
      return { ...nobody, role: "admin", actor: "cli" };
    const isRight = adminToken !== null && isEqualInConstantTime(presented, adminToken.reveal());
    try {
      // Whoever held the right token before is not held up by others behind the same address.
      if (!(isRight && throttle.knows(client))) throttle.check(client);
    } catch (error) {
      return { ...nobody, refusal: error as CodedError };
    }
    if (!isRight) {
      throttle.failed(client);
      ports.tokenRefused(client);
      return nobody;
    }
    throttle.succeeded(client);
    return { ...nobody, role: "admin", actor: "admin_token" };
  }

  return {
    ask(request, client) {
      const nobody: Asker = {
        role: "nobody",
        actor: "anonymous",
        client,
        ip: client.ip,
        sessionId: null,
        fromForeignPage: !isFromOurPages(request, client),
        refusal: missing("authentication_required"),
      };
      const presented = bearerOf(request);
      const isForUs = adminToken !== null || (cliToken !== null && presented?.startsWith(CLI_TOKEN_PREFIX));
      if (isForUs && presented !== null) return byToken(presented, { ...nobody, fromForeignPage: false });
      if (nobody.fromForeignPage) return nobody;
      const session = signIn.sessionOf(request);
      switch (session.kind) {
        case "signed_in": {
          const { role, sessionId } = session;
          return { ...nobody, role, actor: role === "guest" ? "guest" : "dashboard", sessionId };
        }
        case "totp_required":
          return { ...nobody, refusal: missing("totp_required") };
        case "none": {
          if (userHeader !== null && client.viaTrustedProxy && request.headers.get(userHeader)?.trim())
            return { ...nobody, role: "admin", actor: "reverse_proxy" };
          if (adminToken !== null || signIn.passwordSet()) return nobody;
          if (client.isLocal) return { ...nobody, role: "admin", actor: "local" };
          return { ...nobody, refusal: missing("bootstrap_required") };
        }
      }
    },
  };
}

/** Tokens of the command line begin like this: any other bearer may be an API key, meant for the proxy. */
export const CLI_TOKEN_PREFIX = "clb-cli-";

/** Needed by those who are not signed in yet. */
const OPEN_TO_ALL: ReadonlySet<string> = new Set([
  "GET /api/dashboard-auth/session",
  "POST /api/dashboard-auth/password/setup",
  "POST /api/dashboard-auth/password/login",
  "POST /api/dashboard-auth/totp/verify",
  "POST /api/dashboard-auth/logout",
]);

/** What a guest may not even read: who was here, and from where. */
const NOT_FOR_GUESTS = /^\/api\/(audit-logs|backup|dashboard-auth|firewall|oauth)(\/|$)/;

/** Throws the CodedError (401, 403 or 429) for whoever may not do this under `/api`; guests may read. */
export function admit(asker: Asker, request: Request): void {
  const path = pathOf(request.url).replace(/\/$/, "");
  const isRead = request.method === "GET" || request.method === "HEAD";
  if (!isRead && asker.fromForeignPage) {
    throw new CodedError(
      "cross_origin_refused",
      "A page of another site may not change anything here. Open the dashboard itself.",
      { status: 403 },
    );
  }
  if (asker.role === "admin" || OPEN_TO_ALL.has(`${request.method} ${path}`)) return;
  if (asker.role === "nobody") throw asker.refusal;
  if (isRead && !NOT_FOR_GUESTS.test(path)) return;
  throw new CodedError("read_only_access", "Guests may look, not change. Sign in as administrator.", {
    status: 403,
  });
}

const WHAT_TO_DO = {
  authentication_required:
    "Sign in to the dashboard, or send `Authorization: Bearer` with the value of CODEX_LB_ADMIN_API_TOKEN.",
  totp_required: "Enter the code of your authenticator app to finish signing in.",
  bootstrap_required:
    "No password has been set yet. Open the dashboard on the machine itself, or use the one-time link from the log.",
};

function missing(code: keyof typeof WHAT_TO_DO): CodedError {
  return new CodedError(code, WHAT_TO_DO[code], { status: 401 });
}

function bearerOf(request: Request): string | null {
  const [scheme = "", token = ""] = (request.headers.get("authorization") ?? "").split(" ", 2);
  return scheme.toLowerCase() === "bearer" && token !== "" ? token : null;
}

/** Whether a browser would say that one of our own pages asks; programs that are no browsers send none of these headers. */
export function isFromOurPages(request: Request, client: Client): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site !== null && site !== "same-origin" && site !== "none") return false;
  const origin = request.headers.get("origin");
  if (origin === null) return true;
  return URL.canParse(origin) && new URL(origin).host === client.host.toLowerCase();
}
