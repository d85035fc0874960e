/** The sign-in as the guard sees it: the session of a cookie, and the password asked for once more. */
import { CodedError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { DashboardSessions } from "../pool/dashboard-sessions.ts";
import type { Passwords } from "../pool/passwords.ts";
import type { SecondFactor } from "../pool/second-factor.ts";
import type { Throttle } from "../pool/throttle.ts";
import type { Random } from "../ports.ts";
import type { SignIn } from "./guard.ts";

export const SESSION_COOKIE = "codex_lb_dashboard_session";

export interface SignInPorts {
  sessions: DashboardSessions;
  passwords: Passwords;
  secondFactor: SecondFactor;
  /** Against guessing passwords, codes and the bootstrap token. */
  throttle: Throttle;
  guestsAllowed(): boolean;
  random: Random;
  /** Told when somebody needs the one-time token. */
  bootstrapNeeded(): void;
}

/** What the guard asks of the sign-in. */
export function createSignIn({
  sessions,
  passwords,
  secondFactor,
  throttle,
  guestsAllowed,
}: SignInPorts): SignIn {
  return {
    passwordSet: passwords.isSet,
    totpConfigured: secondFactor.isConfigured,
    sessionOf(request) {
      const cookie = cookieOf(request);
      const session = cookie === null ? null : sessions.find(cookie);
      if (session === null || (session.role === "guest" && !guestsAllowed())) return { kind: "none" };
      if (!session.totpVerified) return { kind: "totp_required" };
      return { kind: "signed_in", sessionId: session.id, role: session.role };
    },
    async confirm(asker, password) {
      if (asker.actor === "admin_token" || asker.actor === "cli") return;
      if (!passwords.isSet()) {
        throw new CodedError(
          "password_not_set",
          "Set a dashboard password first: whoever else uses this machine could ask for this as well.",
          { status: 403 },
        );
      }
      if (password === undefined || password === "") {
        throw new CodedError("password_required", "This needs the dashboard password once more.", {
          status: 403,
        });
      }
      throttle.check(asker.client);
      throttle.failed(asker.client);
      if ((await passwords.whose(password, { guests: false })) !== "admin") throw wrongPassword(403);
      throttle.succeeded(asker.client);
    },
  };
}

export function wrongPassword(status: 401 | 403): CodedError {
  return new CodedError("invalid_password", "This password is wrong.", { status });
}

export function cookieOf(request: Request): string | null {
  for (const pair of (request.headers.get("cookie") ?? "").split(";")) {
    const [name, value = ""] = pair.trim().split("=", 2);
    if (name === SESSION_COOKIE && value !== "") return value;
  }
  return null;
}

export function setCookie(
  cookie: Secret,
  { maxAgeSeconds, secure }: { maxAgeSeconds: number; secure: boolean },
): string {
  const flags = `Path=/; HttpOnly; SameSite=Lax; Max-Age=${maxAgeSeconds}${secure ? "; Secure" : ""}`;
  return `${SESSION_COOKIE}=${cookie.reveal()}; ${flags}`;
}

export function clearCookie(secure: boolean): string {
  return `${SESSION_COOKIE}=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0${secure ? "; Secure" : ""}`;
}
