/** Who is asking the admin API, and what that lets them do: the one place that decides it. */
import { CodedError } from "../core/errors.ts";
import { isEqualInConstantTime } from "../core/api-key.ts";
import type { Secret } from "../core/secret.ts";
import type { Client } from "./locality.ts";

export type Role = "admin" | "guest" | "nobody";

export interface Asker {
  role: Role;
  /** As the audit log names it. `local`: this machine, while no credential has been set. */
  actor: "admin_token" | "dashboard" | "guest" | "local" | "anonymous";
  ip: string;
  /** Of the dashboard session; null without one. */
  sessionId: string | null;
  /** For nobody: what they would need, as an error code of API.md. */
  missing: "authentication_required" | "totp_required" | "bootstrap_required";
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
  /** Asks for the password once more before a secret leaves. Throws CodedError when it is missing or wrong. */
  confirm(asker: Asker, password: string | undefined): Promise<void>;
}

/** While there is no sign-in: no sessions, no password. */
export const NO_SIGN_IN: SignIn = {
  sessionOf: () => ({ kind: "none" }),
  passwordSet: () => false,
  confirm: () => Promise.resolve(),
};

export interface Guard {
  ask(request: Request, client: Client): Asker;
}

/**
 * In this order: the admin token; a dashboard session, from a page of ours; and, while neither token nor password is set, this very
 * machine. A request with a wrong token is nobody, wherever it comes from.
 */
export function createGuard({ adminToken, signIn }: { adminToken: Secret | null; signIn: SignIn }): Guard {
  return {
    ask(request, client) {
      const asker = (fields: Partial<Asker>): Asker => ({ ...NOBODY, ip: client.ip, ...fields });
      const presented = bearerOf(request);
      if (adminToken !== null && presented !== null) {
        const right = isEqualInConstantTime(presented, adminToken.reveal());
        return asker(right ? { role: "admin", actor: "admin_token" } : {});
      }
      if (!isFromOurPages(request, client)) return asker({});
      const session = signIn.sessionOf(request);
      switch (session.kind) {
        case "signed_in":
          return asker({
            role: session.role,
            actor: session.role === "guest" ? "guest" : "dashboard",
            sessionId: session.sessionId,
          });
        case "totp_required":
          return asker({ missing: "totp_required" });
        case "none": {
          if (adminToken !== null || signIn.passwordSet()) return asker({});
          if (client.isLocal) return asker({ role: "admin", actor: "local" });
          return asker({ missing: "bootstrap_required" });
        }
      }
    },
  };
}

const NOBODY: Asker = {
  role: "nobody",
  actor: "anonymous",
  ip: "",
  sessionId: null,
  missing: "authentication_required",
};

/** Throws the CodedError (401 or 403) for whoever may not do this; guests may read. */
export function admit(asker: Asker, method: string): void {
  if (asker.role === "admin") return;
  if (asker.role === "guest") {
    if (method === "GET" || method === "HEAD") return;
    throw new CodedError("read_only_access", "Guests may look, not change. Sign in as administrator.", {
      status: 403,
    });
  }
  throw new CodedError(asker.missing, WHAT_TO_DO[asker.missing], { status: 401 });
}

const WHAT_TO_DO: Record<Asker["missing"], string> = {
  authentication_required:
    "Sign in to the dashboard, or send `Authorization: Bearer` with the value of CODEX_LB_ADMIN_API_TOKEN.",
  totp_required: "Enter the code of your authenticator app to finish signing in.",
  bootstrap_required:
    "No password has been set yet. Open the dashboard on the machine itself, or use the one-time link from the log.",
};

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
