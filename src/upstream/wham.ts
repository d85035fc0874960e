/** Small calls to ChatGPT's backend in an account's name: usage, models, workspace routing, reset credits. */
import type { AccountIdentity, Credentials } from "../core/account.ts";
import { asList, asNumber, asRecord, asText } from "../core/json-read.ts";
import { loginClaims } from "../core/jwt.ts";
import { type ModelEntry, readCatalogue } from "../core/models-catalogue.ts";
import type { UsageReading } from "../core/windows.ts";
import { readUsageBody } from "../core/windows-read.ts";
import type { Ports } from "../ports.ts";
import {
  callJson,
  type CallerNames,
  errorCodeOf,
  isErrorPage,
  type JsonCall,
  type JsonReply,
  retryAfterMs,
} from "./json-call.ts";

/** The bundled list has 200 kB, most of it instructions; the client itself refuses more than 1 MiB from a catalogue URL. */
const MAX_MODELS_BODY_BYTES = 8 * 1024 * 1024;

/** Where upstream wants a workspace's traffic (UPSTREAM F); null: no constraint. */
export interface WorkspaceRouting {
  /** An https origin that takes the place of the base URL's. */
  origin: string | null;
  /** Sent as `x-openai-account-routing-override`. */
  routingOverride: "us" | "us_cr" | null;
}

/** Whose name a call goes in. */
export interface WhamTarget {
  identity: Pick<AccountIdentity, "chatgptAccountId">;
  credentials: Credentials;
  routing?: WorkspaceRouting | null;
}

export type WhamFailureCode =
  | "timeout"
  | "network"
  | "too_large"
  /** An error page instead of JSON: the network's fault, not the account's. */
  | "challenge"
  | "rate_limited"
  | "server_error"
  /** A 4xx of upstream's own; `upstreamCode` says which. */
  | "rejected"
  | "unexpected_reply";

export type WhamResult<Value> =
  | { outcome: "ok"; value: Value }
  /** 401: the token is bad. `upstreamCode` such as token_invalidated or account_deactivated, when it says. */
  | { outcome: "unauthorized"; upstreamCode: string | null }
  | {
      outcome: "failed";
      code: WhamFailureCode;
      /** null when there was no reply. */
      status: number | null;
      upstreamCode: string | null;
      retryAfterMs: number | null;
    };

/** `unchanged` when the ETag given still holds. */
export type ModelsReply =
  { unchanged: true } | { unchanged: false; models: ModelEntry[]; etag: string | null };

export interface AccountsCheck {
  routing: WorkspaceRouting;
  planType: string | null;
  /** The workspace's name. */
  name: string | null;
}

export interface ResetCredits {
  availableCount: number;
  totalEarnedCount: number | null;
}

export type Wham = ReturnType<typeof createWham>;

/** `baseUrl`: CODEX_LB_UPSTREAM_BASE_URL (…/backend-api), without a trailing slash. No method throws. */
export function createWham(options: {
  baseUrl: string;
  names: CallerNames;
  ports: Pick<Ports, "fetch" | "clock">;
}) {
  const { baseUrl, names } = options;
  const { fetch, clock } = options.ports;

  function call(target: WhamTarget, path: string, more: Partial<JsonCall> = {}): Promise<JsonReply> {
    const url = `${withOrigin(baseUrl, target.routing?.origin ?? null)}${path}`;
    return callJson(fetch, { ...more, url, headers: { ...accountHeaders(target, names), ...more.headers } });
  }

  /** The account's windows, plan and credits now. */
  async function fetchUsage(target: WhamTarget): Promise<WhamResult<UsageReading>> {
    const reply = await call(target, "/wham/usage");
    return read(reply, (body) => readUsageBody(body, clock.now()));
  }

  /** The account's model list for a client version: upstream filters by it. `etag` from the last reply, or null. */
  async function fetchModels(
    target: WhamTarget,
    ask: { clientVersion: string; etag: string | null },
  ): Promise<WhamResult<ModelsReply>> {
    const reply = await call(
      target,
      `/codex/models?client_version=${encodeURIComponent(ask.clientVersion)}`,
      {
        headers: ask.etag === null ? {} : { "if-none-match": ask.etag },
        maxBytes: MAX_MODELS_BODY_BYTES,
      },
    );
    if (reply.kind === "reply" && reply.status === 304) return { outcome: "ok", value: { unchanged: true } };
    return read<ModelsReply>(reply, (body, headers) => {
      const models = readCatalogue(body);
      return models === null ? null : { unchanged: false, models, etag: headers.get("etag") };
    });
  }

  /** Where the account's traffic has to go. Failed with `workspace_missing` when upstream does not list the account. */
  async function accountsCheck(target: WhamTarget): Promise<WhamResult<AccountsCheck>> {
    // Asked at the base URL itself: it is this call that tells the origin.
    const reply = await call({ ...target, routing: null }, "/wham/accounts/check");
    const entries = reply.kind === "reply" ? asList(asRecord(reply.body)?.accounts) : [];
    const id = target.identity.chatgptAccountId;
    const result = read(reply, () => readAccountsCheck(entries, { id, baseUrl }));
    return result.outcome === "failed" && result.code === "unexpected_reply" && entries.length > 0
      ? { ...result, upstreamCode: "workspace_missing" }
      : result;
  }

  /** How many times the account may reset its windows at once. */
  async function resetCredits(target: WhamTarget): Promise<WhamResult<ResetCredits>> {
    const reply = await call(target, "/wham/rate-limit-reset-credits");
    return read(reply, (body) => {
      const availableCount = asNumber(asRecord(body)?.available_count);
      if (availableCount === null) return null;
      return { availableCount, totalEarnedCount: asNumber(asRecord(body)?.total_earned_count) };
    });
  }

  /** Spends one reset credit. The same `redeemRequestId` again spends no second one. */
  async function consumeResetCredit(
    target: WhamTarget,
    redeemRequestId: string,
  ): Promise<WhamResult<{ code: string; windowsReset: number | null }>> {
    const reply = await call(target, "/wham/rate-limit-reset-credits/consume", {
      method: "POST",
      json: { redeem_request_id: redeemRequestId },
    });
    return read(reply, (body) => {
      const code = asText(asRecord(body)?.code);
      return code === null ? null : { code, windowsReset: asNumber(asRecord(body)?.windows_reset) };
    });
  }

  return { fetchUsage, fetchModels, accountsCheck, resetCredits, consumeResetCredit };
}

/** What a call in an account's name carries: credential and account id always together (UPSTREAM J.6). Holds the token in clear. */
export function accountHeaders(target: WhamTarget, names: CallerNames): Record<string, string> {
  const token = target.credentials.accessToken.reveal();
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    "chatgpt-account-id": target.identity.chatgptAccountId,
    originator: names.originator,
    "user-agent": names.userAgent,
  };
  if (loginClaims(token).isFedramp) headers["x-openai-fedramp"] = "true";
  const override = target.routing?.routingOverride ?? null;
  if (override !== null) headers["x-openai-account-routing-override"] = override;
  return headers;
}

/** `baseUrl` with its origin replaced; null keeps it. */
export function withOrigin(baseUrl: string, origin: string | null): string {
  return origin === null ? baseUrl : `${origin}${baseUrl.slice(new URL(baseUrl).origin.length)}`;
}

function read<Value>(
  reply: JsonReply,
  parse: (body: unknown, headers: Headers) => Value | null,
): WhamResult<Value> {
  if (reply.kind === "failed") return failed(reply.code, null);
  const { status, headers, body } = reply;
  if (status >= 200 && status < 300) {
    const value = parse(body, headers);
    return value === null ? failed("unexpected_reply", reply) : { outcome: "ok", value };
  }
  if (status === 401) return { outcome: "unauthorized", upstreamCode: errorCodeOf(body) };
  if (status === 429) return failed("rate_limited", reply);
  if (status >= 500) return failed("server_error", reply);
  if (isErrorPage(reply)) return failed("challenge", reply);
  return failed(status >= 400 ? "rejected" : "unexpected_reply", reply);
}

function failed(
  code: WhamFailureCode,
  reply: Extract<JsonReply, { kind: "reply" }> | null,
): Extract<WhamResult<never>, { outcome: "failed" }> {
  return {
    outcome: "failed",
    code,
    status: reply?.status ?? null,
    upstreamCode: reply === null ? null : errorCodeOf(reply.body),
    retryAfterMs: reply === null ? null : retryAfterMs(reply.headers),
  };
}

const NO_CONSTRAINT = "NO_CONSTRAINT";

/** The caller's own entry; null when it is not listed. Unknown overrides and origins that may not be followed count as none. */
function readAccountsCheck(
  entries: readonly unknown[],
  own: { id: string; baseUrl: string },
): AccountsCheck | null {
  const entry = entries.map(asRecord).find((candidate) => candidate?.id === own.id);
  if (entry === undefined || entry === null) return null;
  const override = entry.account_routing_override;
  return {
    routing: {
      origin: httpsOrigin(entry.workspace_backend_origin, own.baseUrl),
      routingOverride: override === "us" || override === "us_cr" ? override : null,
    },
    planType: asText(entry.plan_type)?.toLowerCase() ?? null,
    name: asText(entry.name),
  };
}

/** Whose tokens they are: a reply may send them to any host of these domains, and to no one else's. */
const OPENAI_DOMAINS = ["chatgpt.com", "openai.com"];

/**
 * The origin that takes the base URL's place; null: none. Whoever answers this call would otherwise choose where all tokens go: only
 * https, and only to OpenAI or to the very domain that the operator configured.
 */
function httpsOrigin(value: unknown, baseUrl: string): string | null {
  const text = asText(value);
  if (text === null || text === NO_CONSTRAINT || !URL.canParse(text)) return null;
  const { origin, protocol, hostname } = new URL(text);
  const base = new URL(baseUrl);
  const isTrusted = [...OPENAI_DOMAINS, base.hostname].some(
    (domain) => hostname === domain || hostname.endsWith(`.${domain}`),
  );
  return protocol === "https:" && isTrusted && origin !== base.origin ? origin : null;
}
