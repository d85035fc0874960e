/** `/api/accounts`: the pool's accounts as the dashboard and scripts see them. */
import { Elysia, t } from "elysia";
import { CodedError } from "../core/errors.ts";
import { MAX_AUTH_JSON_BYTES } from "../core/credentials.ts";
import type { LoginImporter } from "../pool/imports.ts";
import type { Pool, PooledAccount } from "../pool/pool.ts";

/** Files of one import call; a pool larger than this is imported in several. */
const MAX_FILES = 200;

export function accountRoutes({ pool, importer }: { pool: Pool; importer: LoginImporter }) {
  return new Elysia({ prefix: "/api/accounts" })
    .get("/", () => ({ accounts: pool.list().map(accountSummary) }))
    .post(
      "/import",
      async ({ body }) => {
        const files = Array.isArray(body.auth_json) ? body.auth_json : [body.auth_json];
        if (files.length === 1) return importResult(await importFile(importer, files[0]!));
        const results = [];
        for (const file of files.slice(0, MAX_FILES)) results.push(await importOneOfMany(importer, file));
        return { results };
      },
      { body: t.Object({ auth_json: t.Union([t.File(), t.Files({ maxItems: MAX_FILES }), t.String()]) }) },
    );
}

async function importFile(importer: LoginImporter, file: File | string): Promise<PooledAccount> {
  const bytes = typeof file === "string" ? new TextEncoder().encode(file) : await file.slice(0, MAX_AUTH_JSON_BYTES + 1).bytes();
  return importer.importAuthJson(bytes);
}

async function importOneOfMany(importer: LoginImporter, file: File | string) {
  const fileName = typeof file === "string" ? "auth.json" : file.name;
  try {
    return { fileName, ok: true as const, ...importResult(await importFile(importer, file)) };
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

/** An account without its secrets. */
export function accountSummary(account: PooledAccount) {
  return {
    accountId: account.id,
    chatgptAccountId: account.chatgptAccountId,
    email: account.email,
    alias: account.alias,
    displayName: account.alias ?? account.email ?? account.id,
    planType: account.planType,
    routingPolicy: account.routingPolicy,
    status: account.state,
    statusReason: account.stateReason,
    windows: account.windows.map((window) => ({
      key: `${window.scope}:${window.minutes}`,
      minutes: window.minutes,
      usedPercent: window.usedPercent,
      resetAt: new Date(window.resetAtMs).toISOString(),
      scope: window.scope,
    })),
  };
}
