/** Somebody with a browser, for tests of the dashboard's door: keeps cookies, says where its pages come from, and may be elsewhere. */
import { SESSION_COOKIE } from "../http/sign-in.ts";
import type { RunningService } from "./running-service.ts";

export interface Visitor {
  /** The session's cookie; null: none. Can be set, as a thief would. */
  cookie: string | null;
  ask(method: string, path: string, json?: unknown, headers?: Record<string, string>): Promise<Answer>;
}

export interface Answer {
  status: number;
  /** The error's code, "ok" without one. */
  code: string;
  body: Record<string, unknown>;
  headers: Headers;
  text: string;
}

/** `from`: an address elsewhere, which the service believes when it trusts its proxy on 127.0.0.1; default: this machine. */
export function createVisitor(service: RunningService, { from }: { from?: string } = {}): Visitor {
  const visitor: Visitor = {
    cookie: null,
    async ask(method, path, json, more = {}) {
      const headers = new Headers({ origin: service.url, "sec-fetch-site": "same-origin" });
      if (from !== undefined) headers.set("x-forwarded-for", from);
      if (visitor.cookie !== null) headers.set("cookie", `other=1; ${SESSION_COOKIE}=${visitor.cookie}`);
      if (json !== undefined) headers.set("content-type", "application/json");
      for (const [name, value] of Object.entries(more)) {
        if (value === "") headers.delete(name);
        else headers.set(name, value);
      }
      const body = json === undefined ? null : JSON.stringify(json);
      const reply = await service.fetch(path, { method, headers, body, redirect: "manual" });
      const given = new RegExp(`^${SESSION_COOKIE}=([^;]*)`).exec(reply.headers.get("set-cookie") ?? "");
      if (given) visitor.cookie = given[1] || null;
      const text = await reply.text();
      const parsed = readObject(text);
      const error = parsed.error as { code?: string } | undefined;
      return { status: reply.status, code: error?.code ?? "ok", body: parsed, headers: reply.headers, text };
    },
  };
  return visitor;
}

function readObject(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text);
  } catch {
    return {};
  }
}

/** Lets a service believe `from`. */
export const BEHIND_PROXY = {
  CODEX_LB_FIREWALL_TRUST_PROXY_HEADERS: "true",
  CODEX_LB_FIREWALL_TRUSTED_PROXY_CIDRS: "127.0.0.1",
};
/** Nobody gets in by token. */
export const NO_ADMIN_TOKEN = { CODEX_LB_ADMIN_API_TOKEN: "" };
