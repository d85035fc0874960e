/** `/api/oauth`: adding an account, or renewing one, by logging in at OpenAI. */
import { Elysia, t } from "elysia";
import type { LoginFlow, LoginFlows } from "../pool/login-flows.ts";
import type { Admin } from "./admin.ts";

const flowId = t.String({ maxLength: 64, description: "As `start` gave it." });
const says = (summary: string) => ({ detail: { summary } });

export function oauthRoutes({ admin, logins }: { admin: Admin; logins: LoginFlows }) {
  function started(flow: LoginFlow) {
    return {
      flowId: flow.id,
      method: flow.method,
      authorizationUrl: flow.authorizationUrl,
      callbackUrl: flow.callbackUrl,
      callbackListening: flow.listening,
      verificationUrl: flow.verificationUrl,
      userCode: flow.userCode,
      intervalSeconds: flow.intervalSeconds,
      expiresInSeconds: Math.max(0, Math.round((flow.expiresAtMs - admin.clock.now()) / 1000)),
    };
  }

  return new Elysia({ prefix: "/api/oauth", detail: { tags: ["Accounts"] } })
    .post(
      "/start",
      async ({ request, body }) => {
        const flow = await logins.start({
          method: body?.forceMethod ?? null,
          accountId: body?.accountId ?? null,
        });
        admin.audit(request, "login.start", flow.accountId, { flowId: flow.id, method: flow.method });
        return started(flow);
      },
      {
        body: t.Optional(
          t.Nullable(
            t.Object({
              forceMethod: t.Optional(t.Nullable(t.Union([t.Literal("browser"), t.Literal("device")]))),
              accountId: t.Optional(
                t.Nullable(t.String({ maxLength: 64, description: "The account that is to log in again." })),
              ),
            }),
          ),
        ),
        ...says("Start a login: a device code, or the browser where OpenAI offers none"),
      },
    )
    .get("/status", ({ query }) => statusOf(logins.get(query.flowId ?? null)), {
      query: t.Object({ flowId: t.Optional(flowId) }),
      ...says("How a login is going; without `flowId` the latest one"),
    })
    .post("/complete", async ({ body }) => statusOf(await logins.poll(body?.flowId ?? logins.get(null).id)), {
      body: t.Optional(t.Nullable(t.Object({ flowId: t.Optional(t.Nullable(flowId)) }))),
      ...says("Ask OpenAI now whether the device code was entered"),
    })
    .post(
      "/manual-callback",
      async ({ body }) => statusOf(await logins.callback(body.callbackUrl, body.flowId ?? null)),
      {
        body: t.Object({
          callbackUrl: t.String({ maxLength: 8192, description: "From the browser's address bar." }),
          flowId: t.Optional(t.Nullable(flowId)),
        }),
        ...says("Finish a browser login with the address at which it ended"),
      },
    )
    .post(
      "/cancel",
      ({ request, body }) => {
        const flow = logins.cancel(body.flowId);
        admin.audit(request, "login.cancel", flow.accountId, { flowId: flow.id });
        return statusOf(flow);
      },
      { body: t.Object({ flowId }), ...says("Give a login up") },
    );
}

/** Status `error` comes with a code and what to do next. */
function statusOf({ id, end }: LoginFlow) {
  const none = { errorCode: null, errorMessage: null, accountId: null };
  if (end === null) return { flowId: id, status: "pending" as const, ...none };
  if (end.status === "success") return { flowId: id, status: end.status, ...none, accountId: end.accountId };
  return { flowId: id, status: end.status, ...none, errorCode: end.code, errorMessage: end.message };
}
