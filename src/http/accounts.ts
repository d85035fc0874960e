/** `/api/accounts`: the pool's accounts, and what a person may do with them. */
import { Elysia, t } from "elysia";
import type { Account, Credentials } from "../core/account.ts";
import { MAX_AUTH_JSON_BYTES, writeAuthJson } from "../core/credentials.ts";
import { CodedError } from "../core/errors.ts";
import type { AccountJobs, Asked } from "../jobs/account-jobs.ts";
import type { LoginImporter } from "../pool/imports.ts";
import type { Pool, PooledAccount } from "../pool/pool.ts";
import type { AccountPatch, AccountStateChange } from "../store/accounts.ts";
import type { ResetCredits } from "../upstream/wham.ts";
import { type AccountViews, statusView, windowViews } from "./account-views.ts";
import { type Admin, isoTime } from "./admin.ts";
import type { SignIn } from "./guard.ts";

/** Files of one import call; a pool larger than this is imported in several. */
const MAX_FILES = 200;
/** Longer names are cut by every page that shows them. */
const MAX_ALIAS_CHARS = 80;
/** An account may hold tens of thousands; a person looks at the latest. */
const MAX_SESSIONS_SHOWN = 200;

export interface AccountRoutesPorts {
  admin: Admin;
  pool: Pool;
  views: AccountViews;
  importer: LoginImporter;
  jobs: Pick<AccountJobs, "probe">;
  signIn: Pick<SignIn, "confirm">;
  /** Durable when they return. */
  store: {
    patch(id: string, fields: AccountPatch): unknown;
    setState(id: string, change: AccountStateChange): unknown;
    delete(id: string): unknown;
  };
  /** Logs out at OpenAI. Throws CodedError `login_not_revoked` (502). */
  revokeLogin(credentials: Credentials): Promise<void>;
  askResetCredits(account: PooledAccount): Promise<Asked<ResetCredits>>;
  /** The same `redeemRequestId` again spends no second one. */
  redeemResetCredit(
    account: PooledAccount,
    redeemRequestId: string,
  ): Promise<Asked<{ code: string; windowsReset: number | null }>>;
}

const idParams = t.Object({ id: t.String({ description: "Our id of the account, `acc_…`." }) });
const says = (summary: string) => ({ detail: { summary } });

export function accountRoutes(ports: AccountRoutesPorts) {
  const { admin, pool, views, importer, jobs, store } = ports;

  function found(id: string): PooledAccount {
    const account = pool.get(id);
    if (account) return account;
    throw new CodedError("account_not_found", "There is no such account in the pool.", { status: 404 });
  }

  /** A person changes the state: refused by the state table, or on disk before it is answered. */
  function move(request: Request, id: string, kind: "paused" | "reactivated") {
    const account = found(id);
    pool.apply(id, { kind });
    const { state, stateReason, stateUntilMs } = account;
    store.setState(id, { state, stateReason, stateUntilMs });
    admin.audit(request, kind === "paused" ? "account.pause" : "account.reactivate", id);
    return statusView(account);
  }

  function patch(request: Request, id: string, fields: PeoplesFields): PooledAccount {
    const account = found(id);
    store.patch(id, fields);
    pool.patch(id, fields);
    admin.audit(request, "account.change", id, { ...fields });
    return account;
  }

  return new Elysia({ prefix: "/api/accounts", detail: { tags: ["Accounts"] } })
    .get("/", () => ({ accounts: views.all() }), says("All accounts"))
    .post(
      "/import",
      async ({ request, body }) => {
        const files = Array.isArray(body.auth_json) ? body.auth_json : [body.auth_json];
        const imported = (account: PooledAccount) => {
          admin.audit(request, "account.import", account.id, { email: account.email });
          return importResult(account);
        };
        if (files.length === 1) return imported(await importFile(importer, files[0]!));
        const results = [];
        for (const file of files) results.push(await importOneOfMany(importer, file, imported));
        return { results };
      },
      {
        body: t.Object({
          auth_json: t.Union([t.File(), t.Files({ maxItems: MAX_FILES }), t.String()], {
            description: "One or several auth.json files; several give `{results: […]}`.",
          }),
        }),
        ...says("Import logins from auth.json files"),
      },
    )
    .get("/:id", ({ params }) => views.one(found(params.id)), {
      params: idParams,
      ...says("One account"),
    })
    .post("/:id/pause", ({ request, params }) => move(request, params.id, "paused"), {
      params: idParams,
      ...says("Take the account out of rotation"),
    })
    .post(
      "/:id/reactivate",
      ({ request, params }) => {
        const answer = move(request, params.id, "reactivated");
        // What it may serve is up to its windows, which nobody has looked at while it was away.
        void jobs.probe(params.id);
        return answer;
      },
      { params: idParams, ...says("Put the account back into rotation") },
    )
    .put(
      "/:id/alias",
      ({ request, params, body }) => {
        const alias = body.alias?.trim() || null;
        return { alias: patch(request, params.id, { alias }).alias };
      },
      {
        params: idParams,
        body: t.Object({ alias: t.Nullable(t.String({ maxLength: MAX_ALIAS_CHARS })) }),
        ...says("Name the account; null or blank: its e-mail again"),
      },
    )
    .put(
      "/:id/routing-policy",
      ({ request, params, body }) => {
        const { routingPolicy, reserveAtPercent } = patch(request, params.id, body);
        return { routingPolicy, reserveAtPercent };
      },
      {
        params: idParams,
        body: t.Object({
          routingPolicy: t.Optional(
            t.Union([t.Literal("normal"), t.Literal("burn_first"), t.Literal("preserve")]),
          ),
          reserveAtPercent: t.Optional(
            t.Nullable(
              t.Number({
                minimum: 1,
                maximum: 100,
                description: "Not chosen any more once a window is used to this many percent; null: used up.",
              }),
            ),
          ),
        }),
        ...says("How willingly the account is chosen"),
      },
    )
    .post(
      "/:id/probe",
      async ({ params }) => {
        const account = found(params.id);
        const before = snapshot(account, admin.clock.now());
        const asked = await jobs.probe(params.id);
        const after = snapshot(account, admin.clock.now());
        return {
          accountId: account.id,
          ok: asked.kind === "ok",
          errorCode: asked.kind === "ok" ? null : (asked.code ?? "unauthorized"),
          ...statusView(account),
          statusBefore: before.status,
          statusAfter: after.status,
          message: probeMessage(asked),
          before,
          after,
        };
      },
      { params: idParams, ...says("Ask OpenAI for the account's usage now") },
    )
    .post(
      "/:id/export/auth",
      async ({ request, params, body, set }) => {
        const account = found(params.id);
        await ports.signIn.confirm(admin.askerOf(request), body?.password);
        admin.audit(request, "account.export", account.id);
        set.headers["content-type"] = "application/json";
        set.headers["content-disposition"] = `attachment; filename="auth-${account.id}.json"`;
        return writeAuthJson(account, account.credentials);
      },
      {
        params: idParams,
        body: t.Optional(t.Nullable(t.Object({ password: t.Optional(t.String()) }))),
        ...says("The account's auth.json; using it elsewhere too rotates the login away from here"),
      },
    )
    .delete(
      "/:id",
      async ({ request, params, query, set }) => {
        const account = found(params.id);
        // First, so that a person can try again: without the account there would be no token left to revoke.
        if (query.revoke === true) await ports.revokeLogin(account.credentials);
        store.delete(params.id);
        pool.remove(params.id);
        admin.audit(request, "account.delete", params.id, {
          email: account.email,
          revoked: query.revoke === true,
        });
        set.status = 204;
      },
      {
        params: idParams,
        query: t.Object({
          revoke: t.Optional(t.Boolean({ description: "Also log it out at OpenAI. Default false." })),
        }),
        ...says("Forget the account and its login"),
      },
    )
    .get(
      "/:id/reset-credits",
      async ({ params }) => answered(await ports.askResetCredits(found(params.id))),
      { params: idParams, ...says("How many times its windows may be reset at once") },
    )
    .post(
      "/:id/reset-credits/consume",
      async ({ request, params, body }) => {
        const account = found(params.id);
        const redeemRequestId = body?.redeemRequestId ?? crypto.randomUUID();
        const result = answered(await ports.redeemResetCredit(account, redeemRequestId));
        admin.audit(request, "account.reset_credit", account.id, { redeemRequestId, code: result.code });
        await jobs.probe(params.id);
        return { ...result, redeemRequestId, ...snapshot(account, admin.clock.now()) };
      },
      {
        params: idParams,
        body: t.Optional(
          t.Nullable(
            t.Object({
              redeemRequestId: t.Optional(
                t.String({
                  maxLength: 64,
                  description: "Repeat it when the answer was lost: no second credit is spent.",
                }),
              ),
            }),
          ),
        ),
        ...says("Spend one credit to reset the windows now"),
      },
    )
    .get(
      "/:id/sessions",
      ({ params }) => {
        const { id } = found(params.id);
        const held = pool.affinity.entries(admin.clock.now()).filter((entry) => entry.accountId === id);
        const latest = held.slice(-MAX_SESSIONS_SHOWN).toReversed();
        return {
          total: held.length,
          sessions: latest.map(({ kind, key, lastUsedMs }) => ({
            id: `${kind}:${key}`,
            kind,
            lastUsedAt: isoTime(lastUsedMs),
          })),
        };
      },
      { params: idParams, ...says("What keeps conversations on the account, the latest first") },
    )
    .delete(
      "/:id/sessions",
      ({ request, params }) => {
        const dropped = pool.affinity.dropAccount(found(params.id).id);
        admin.audit(request, "account.release_sessions", params.id, { dropped });
        return { dropped };
      },
      { params: idParams, ...says("Let its conversations move to other accounts") },
    );
}

type PeoplesFields = Partial<Pick<Account, "alias" | "routingPolicy" | "reserveAtPercent">>;

async function importFile(importer: LoginImporter, file: File | string): Promise<PooledAccount> {
  const bytes =
    typeof file === "string"
      ? new TextEncoder().encode(file)
      : await file.slice(0, MAX_AUTH_JSON_BYTES + 1).bytes();
  return importer.importAuthJson(bytes);
}

async function importOneOfMany(
  importer: LoginImporter,
  file: File | string,
  imported: (account: PooledAccount) => ReturnType<typeof importResult>,
) {
  const fileName = typeof file === "string" ? "auth.json" : file.name;
  try {
    return { fileName, ok: true as const, ...imported(await importFile(importer, file)) };
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    return { fileName, ok: false as const, error: { code: error.code, message: error.message } };
  }
}

function importResult(account: PooledAccount) {
  return {
    accountId: account.id,
    email: account.email,
    workspaceId: account.workspaceId,
    workspaceLabel: account.workspaceLabel,
    planType: account.planType,
    status: account.state,
  };
}

function snapshot(account: PooledAccount, nowMs: number) {
  return { status: account.state, windows: windowViews(account, nowMs) };
}

function probeMessage(asked: Asked<unknown>): string {
  switch (asked.kind) {
    case "ok":
      return "OpenAI answered; the windows are as of now.";
    case "unauthorized":
      return "OpenAI refuses its login; log in again.";
    case "failed":
      return `OpenAI could not be asked (${asked.code}).`;
  }
}

function answered<T>(asked: Asked<T>): T {
  if (asked.kind === "ok") return asked.value;
  throw new CodedError("upstream_unavailable", probeMessage(asked), { status: 502 });
}
