/** Everything that is not the proxy: the admin API and health, as one Elysia application. */
import { Elysia } from "elysia";
import { CodedError } from "../core/errors.ts";
import type { Log } from "../ports.ts";
import type { LoginImporter } from "../pool/imports.ts";
import type { Pool } from "../pool/pool.ts";
import { accountRoutes } from "./accounts.ts";

export interface ApplicationPorts {
  pool: Pool;
  importer: LoginImporter;
  log: Log;
  ready(): boolean;
}

export function createApplication({ pool, importer, log, ready }: ApplicationPorts) {
  return new Elysia({ normalize: true, aot: true })
    .onError(({ error, code, set }) => {
      if (error instanceof CodedError) {
        set.status = error.status;
        if (error.retryAfterSeconds !== undefined) set.headers["retry-after"] = String(error.retryAfterSeconds);
        return { error: { code: error.code, message: error.message } };
      }
      if (code === "NOT_FOUND") {
        set.status = 404;
        return { error: { code: "not_found", message: "There is nothing at this path." } };
      }
      if (code === "VALIDATION" || code === "PARSE") {
        set.status = 422;
        return { error: { code: "validation_error", message: "The request's fields are not as this call needs them; see /api-docs." } };
      }
      log.error("request failed", { error: error instanceof Error ? error.message : String(error) });
      set.status = 500;
      return { error: { code: "internal_error", message: "This is a defect in codex-lb; its log says more." } };
    })
    .get("/health", () => ({ status: "ok" }))
    .get("/health/live", () => ({ status: "ok" }))
    .get("/health/ready", ({ set }) => {
      if (ready()) return { status: "ok" };
      set.status = 503;
      return { status: "draining" };
    })
    .use(accountRoutes({ pool, importer }));
}

export type App = ReturnType<typeof createApplication>;
