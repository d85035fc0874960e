/** `/api/dashboard-auth`: signing in to the dashboard, the password, the second factor, and who else is signed in. */
import { Elysia, t } from "elysia";
import { CodedError } from "../core/errors.ts";
import type { DashboardSession } from "../pool/dashboard-sessions.ts";
import { resetPassword } from "../pool/password-reset.ts";
import { type Admin, isoTime } from "./admin.ts";
import type { Asker, SignIn } from "./guard.ts";
import { clearCookie, cookieOf, setCookie, type SignInPorts, wrongPassword } from "./sign-in.ts";

const MAX_TEXT = 1024;
const text = t.String({ maxLength: MAX_TEXT });
const withPassword = { body: t.Object({ password: text }) };
const withCode = { body: t.Object({ code: text }) };
const says = (summary: string) => ({ detail: { summary } });

export function dashboardAuthRoutes(
  ports: SignInPorts & { admin: Admin; signIn: SignIn; version: string; demo: boolean },
) {
  const { admin, signIn, sessions, passwords, secondFactor, throttle, guestsAllowed } = ports;

  /** Starts a session in place of the one that the request came with: a new id at every change of what it may do. */
  function open(request: Request, fields: { role: "admin" | "guest"; totpVerified: boolean }): string {
    const { client } = admin.askerOf(request);
    const { cookie, maxAgeSeconds } = sessions.open({
      ...fields,
      clientIp: client.ip,
      userAgent: request.headers.get("user-agent"),
      replaces: presented(request)?.id ?? null,
    });
    return setCookie(cookie, { maxAgeSeconds, secure: client.isSecure });
  }

  function presented(request: Request): DashboardSession | null {
    const cookie = cookieOf(request);
    return cookie === null ? null : sessions.find(cookie);
  }

  function state(asker: Asker) {
    const totpConfigured = secondFactor.isConfigured();
    const missing = asker.refusal.code;
    const bootstrapRequired = asker.role === "nobody" && !passwords.isSet();
    if (bootstrapRequired) ports.bootstrapNeeded();
    return {
      authenticated: asker.role !== "nobody",
      passwordRequired: passwords.isSet(),
      totpRequiredOnLogin: totpConfigured,
      totpConfigured,
      bootstrapRequired,
      role: asker.role === "nobody" ? null : asker.role,
      ...(ports.demo && { demo: true }),
      totpPending: asker.role === "nobody" && missing === "totp_required",
      guestAccessEnabled: guestsAllowed() && passwords.guestIsSet(),
      ...(asker.role === "nobody" ? {} : { version: ports.version }),
    };
  }

  /** The answer after a change: the state as it is for the new cookie. */
  function stateAs(request: Request, fields: { role: "admin" | "guest"; totpVerified: boolean }) {
    const asker = admin.askerOf(request);
    if (fields.totpVerified) return state({ ...asker, role: fields.role });
    return { ...state({ ...asker, role: "nobody" }), totpPending: true };
  }

  /** Counts a guess before it is judged; a right one is taken back by `throttle.succeeded`. */
  function guess(request: Request): void {
    const { client } = admin.askerOf(request);
    throttle.check(client);
    throttle.failed(client);
  }

  function refused(request: Request, action: string, error: CodedError): never {
    admin.audit(request, action, null, { code: error.code });
    throw error;
  }

  async function confirmed(request: Request, password: string, status: 401 | 403): Promise<void> {
    guess(request);
    if ((await passwords.whose(password, { guests: false })) !== "admin")
      refused(request, "sign_in.refused", wrongPassword(status));
    throttle.succeeded(admin.askerOf(request).client);
  }

  return new Elysia({ prefix: "/api/dashboard-auth", detail: { tags: ["Sign-in"] } })
    .get(
      "/session",
      ({ request }) => state(admin.askerOf(request)),
      says("Who the caller is, and what signing in needs."),
    )
    .post(
      "/password/setup",
      async ({ request, body, set }) => {
        const asker = admin.askerOf(request);
        if (passwords.isSet()) throw alreadySet();
        if (asker.role !== "admin") {
          guess(request);
          if (!passwords.isBootstrapToken(body.bootstrapToken ?? "")) {
            refused(
              request,
              "sign_in.refused",
              new CodedError(
                "bootstrap_required",
                "The one-time token is missing or wrong. It is in the log of codex-lb, or in CODEX_LB_DASHBOARD_BOOTSTRAP_TOKEN.",
                { status: 401 },
              ),
            );
          }
        }
        await passwords.set(body.password, { first: true });
        throttle.succeeded(asker.client);
        sessions.revokeAll();
        const fields = { role: "admin" as const, totpVerified: true };
        set.headers["set-cookie"] = open(request, fields);
        admin.audit(request, "password.set", null);
        return stateAs(request, fields);
      },
      {
        body: t.Object({ password: text, bootstrapToken: t.Optional(t.Union([text, t.Null()])) }),
        ...says("Sets the first password; from elsewhere with the one-time token."),
      },
    )
    .post(
      "/password/login",
      async ({ request, body, set }) => {
        if (!passwords.isSet()) {
          throw new CodedError("password_not_set", "No password has been set yet; set one first.", {
            status: 409,
          });
        }
        guess(request);
        const role = await passwords.whose(body.password, { guests: guestsAllowed() });
        if (role === null) return refused(request, "sign_in.refused", wrongPassword(401));
        const { client } = admin.askerOf(request);
        const totpVerified = role === "guest" || !secondFactor.isConfigured();
        // With a code to come the guessing is not over: a known password must not reset the brake on codes.
        if (role === "admin" && totpVerified) throttle.succeeded(client);
        else throttle.forgiven(client);
        const fields = { role, totpVerified };
        set.headers["set-cookie"] = open(request, fields);
        admin.audit(request, totpVerified ? "sign_in" : "sign_in.password_accepted", null, { role });
        return stateAs(request, fields);
      },
      { ...withPassword, ...says("Signs in. With a second factor, `/totp/verify` finishes it.") },
    )
    .post(
      "/password/change",
      async ({ request, body, set }) => {
        if (!passwords.isSet())
          throw new CodedError("password_not_set", "There is no password to change.", { status: 409 });
        await confirmed(request, body.currentPassword, 403);
        await passwords.set(body.newPassword, { first: false });
        sessions.revokeAll();
        const fields = { role: "admin" as const, totpVerified: true };
        if (hasSession(admin.askerOf(request))) set.headers["set-cookie"] = open(request, fields);
        admin.audit(request, "password.change", null);
        return stateAs(request, fields);
      },
      {
        body: t.Object({ currentPassword: text, newPassword: text }),
        ...says("Changes the password, and signs every other session out."),
      },
    )
    .delete(
      "/password",
      async ({ request, body, set }) => {
        await signIn.confirm(admin.askerOf(request), body?.password);
        passwords.remove();
        sessions.revokeAll();
        set.headers["set-cookie"] = clearCookie(admin.askerOf(request).client.isSecure);
        admin.audit(request, "password.remove", null);
        return { status: "ok" };
      },
      {
        body: t.Optional(t.Object({ password: t.Optional(text) })),
        ...says("Removes password, second factor and guests: back to the first run, for this machine only."),
      },
    )
    .post(
      "/password/reset",
      async ({ request }) => {
        if (admin.askerOf(request).actor !== "cli") {
          throw new CodedError(
            "read_only_access",
            "This is for `codex-lb admin reset-password` on the machine itself.",
            { status: 403 },
          );
        }
        const password = await resetPassword(ports);
        admin.audit(request, "password.reset", null);
        return { password };
      },
      says("For the command line on the machine itself: a new password, everybody signed out."),
    )
    .put(
      "/guest-password",
      async ({ request, body }) => {
        if (!passwords.isSet()) {
          throw new CodedError("password_not_set", "Set a password of your own first.", { status: 409 });
        }
        await passwords.setGuest(body.password);
        sessions.revokeGuests();
        admin.audit(request, body.password === null ? "guest_password.remove" : "guest_password.set", null);
        return { status: "ok" };
      },
      {
        body: t.Object({ password: t.Union([text, t.Null()]) }),
        ...says("Sets or removes the password of guests, who may look and not change."),
      },
    )
    .post(
      "/totp/setup/start",
      () => {
        if (passwords.isSet()) return secondFactor.start();
        throw new CodedError("password_not_set", "A second factor needs a first one: set a password.", {
          status: 409,
        });
      },
      says("A new secret for an authenticator app; in force once confirmed."),
    )
    .post(
      "/totp/setup/confirm",
      ({ request, body, set }) => {
        const recoveryCodes = secondFactor.confirm(body.secret, body.code);
        const asker = admin.askerOf(request);
        sessions.revokeAll(asker.sessionId ?? undefined);
        if (hasSession(asker))
          set.headers["set-cookie"] = open(request, { role: "admin", totpVerified: true });
        admin.audit(request, "totp.enable", null);
        return { status: "ok", recoveryCodes };
      },
      {
        body: t.Object({ secret: text, code: text }),
        ...says("Puts the second factor in force; shows ten recovery codes once."),
      },
    )
    .post(
      "/totp/verify",
      ({ request, body, set }) => {
        const session = presented(request);
        if (session === null) {
          throw new CodedError("authentication_required", "Enter the password first.", { status: 401 });
        }
        guess(request);
        const used = useCode(request, body.code, "sign_in.refused");
        const fields = { role: session.role, totpVerified: true };
        set.headers["set-cookie"] = open(request, fields);
        admin.audit(request, "sign_in", null, { role: session.role, by: used });
        return stateAs(request, fields);
      },
      { ...withCode, ...says("The second step of signing in: a code, or a recovery code.") },
    )
    .post(
      "/totp/disable",
      ({ request, body, set }) => {
        guess(request);
        useCode(request, body.code, "totp.refused");
        secondFactor.remove();
        const asker = admin.askerOf(request);
        if (hasSession(asker))
          set.headers["set-cookie"] = open(request, { role: "admin", totpVerified: true });
        admin.audit(request, "totp.disable", null);
        return { status: "ok" };
      },
      { ...withCode, ...says("Switches the second factor off.") },
    )
    .post(
      "/logout",
      ({ request, set }) => {
        const session = presented(request);
        if (session !== null) {
          sessions.revoke(session.id);
          admin.audit(request, "sign_out", session.id);
        }
        set.headers["set-cookie"] = clearCookie(admin.askerOf(request).client.isSecure);
        return { status: "ok" };
      },
      says("Ends the caller's session."),
    )
    .get(
      "/sessions",
      ({ request }) => {
        const { sessionId } = admin.askerOf(request);
        return {
          sessions: sessions
            .list()
            .map((session) => ({ ...view(session), current: session.id === sessionId })),
        };
      },
      says("Who is signed in, from where."),
    )
    .delete(
      "/sessions",
      ({ request }) => {
        sessions.revokeAll(admin.askerOf(request).sessionId ?? undefined);
        admin.audit(request, "session.revoke_all", null);
        return { status: "ok" };
      },
      says("Signs everybody else out."),
    )
    .delete(
      "/sessions/:id",
      ({ request, params, set }) => {
        if (!sessions.revoke(params.id)) {
          throw new CodedError("session_not_found", "There is no such session; it may have ended.", {
            status: 404,
          });
        }
        admin.audit(request, "session.revoke", params.id);
        set.status = 204;
      },
      says("Signs one session out."),
    );

  function useCode(request: Request, code: string, action: string): "totp" | "recovery_code" {
    try {
      const used = secondFactor.use(code);
      throttle.succeeded(admin.askerOf(request).client);
      return used;
    } catch (error) {
      if (error instanceof CodedError) refused(request, action, error);
      throw error;
    }
  }
}

/** Those who came with a token or by another door have no cookie, and get none. */
function hasSession(asker: Asker): boolean {
  return asker.sessionId !== null || asker.actor === "local";
}

function view({ id, role, createdAtMs, lastSeenAtMs, expiresAtMs, clientIp, userAgent }: DashboardSession) {
  return {
    id,
    role,
    createdAt: isoTime(createdAtMs),
    lastSeenAt: isoTime(lastSeenAtMs),
    expiresAt: isoTime(expiresAtMs),
    clientIp,
    userAgent,
  };
}

function alreadySet(): CodedError {
  return new CodedError("password_already_set", "There is a password already. Sign in, then change it.", {
    status: 409,
  });
}
