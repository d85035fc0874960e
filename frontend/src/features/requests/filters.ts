/** The filters of the request log, kept in the URL, and whether a request that just ended passes them. */
import { useSearchParams } from "@solidjs/router";
import { createMemo } from "solid-js";
import type { Query } from "../../lib/api.ts";
import type { RequestEntry, RequestStatus } from "../../lib/api-types.ts";

export const PERIODS = { "1h": 3_600_000, "24h": 86_400_000, "7d": 7 * 86_400_000, "30d": 30 * 86_400_000 };
export type Period = keyof typeof PERIODS;

// A type and not an interface: only then it fits the router's index signature.
export type RequestFilters = {
  q?: string;
  accountId?: string;
  apiKeyId?: string;
  model?: string;
  status?: string;
  period?: string;
  session?: string;
};
type Name = keyof RequestFilters;
const NAMES: readonly Name[] = ["q", "accountId", "apiKeyId", "model", "status", "period", "session"];

export const STATUSES: readonly RequestStatus[] = ["ok", "cancelled", "rate_limit", "quota", "error"];

export function createFilters() {
  const [params, setParams] = useSearchParams<RequestFilters & { open?: string }>();
  const values = createMemo(
    () => {
      const found: RequestFilters = {};
      for (const name of NAMES) if (params[name]) found[name] = params[name];
      return found;
    },
    undefined,
    { equals: (a, b) => JSON.stringify(a) === JSON.stringify(b) },
  );
  return {
    values,
    any: () => Object.keys(values()).length > 0,
    set: (change: RequestFilters) => setParams(change, { replace: true, scroll: false }),
    clear: () =>
      setParams(Object.fromEntries(NAMES.map((name) => [name, undefined])), { replace: true, scroll: false }),
    opened: () => params.open,
    open: (requestId: string | undefined) => setParams({ open: requestId }, { replace: true, scroll: false }),
  };
}

/** As the API wants them. A period counts from the minute it was asked in, so that pages follow one another. */
export function queryOf(filters: RequestFilters, nowMs: number): Query {
  const length = PERIODS[filters.period as Period];
  return {
    search: filters.q ?? filters.session,
    accountId: filters.accountId,
    apiKeyId: filters.apiKeyId,
    model: filters.model,
    status: filters.status,
    since:
      length === undefined
        ? undefined
        : new Date(Math.floor((nowMs - length) / 60_000) * 60_000).toISOString(),
  };
}

export function passes(entry: RequestEntry, filters: RequestFilters): boolean {
  const wanted = (filters.q ?? "").toLowerCase();
  return (
    (!filters.accountId || entry.accountId === filters.accountId) &&
    (!filters.apiKeyId || entry.apiKeyId === filters.apiKeyId) &&
    (!filters.model || entry.model === filters.model) &&
    (!filters.status || entry.status === filters.status) &&
    (!filters.session || entry.sessionId === filters.session) &&
    (wanted === "" ||
      [entry.requestId, entry.sessionId, entry.errorCode, entry.model].some((text) =>
        text?.toLowerCase().includes(wanted),
      ))
  );
}
