/** Every read of the API, named once: its key, its path, how fresh it must be. */
import { keepPreviousData, QueryCache, QueryClient, queryOptions } from "@tanstack/solid-query";
import { ApiError, api, needsSignIn, type Query, withQuery } from "./api.ts";
import type * as Api from "./api-types.ts";

/** Live events keep pages fresh; this catches what they missed. */
const BACKGROUND_REFRESH_MS = 30_000;

export const queryClient = new QueryClient({
  queryCache: new QueryCache({
    onError: (error) => {
      if (needsSignIn(error)) void queryClient.invalidateQueries({ queryKey: sessionQuery.queryKey });
    },
  }),
  defaultOptions: {
    queries: {
      staleTime: 5_000,
      refetchOnWindowFocus: true,
      // An answer of the service will not change by asking again; a missing answer may.
      retry: (failures, error) => error instanceof ApiError && error.status === 0 && failures < 2,
      retryDelay: 800,
    },
  },
});

/** A query's data without suspending: undefined until there is some. */
export function dataOf<T>(query: { isPending: boolean; data: T | undefined }): T | undefined {
  return query.isPending ? undefined : query.data;
}

export const sessionQuery = queryOptions({
  queryKey: ["session"],
  queryFn: ({ signal }) => api.get<Api.DashboardSession>("/api/dashboard-auth/session", signal),
  staleTime: 60_000,
});

export const overviewQuery = (timeframe: Api.Timeframe) =>
  queryOptions({
    queryKey: ["overview", timeframe],
    queryFn: ({ signal }) =>
      api.get<Api.Overview>(withQuery("/api/dashboard/overview", { timeframe }), signal),
    refetchInterval: BACKGROUND_REFRESH_MS,
    placeholderData: keepPreviousData,
    reconcile: "accountId",
  });

export const accountsQuery = queryOptions({
  queryKey: ["accounts"],
  queryFn: async ({ signal }) =>
    (await api.get<{ accounts: Api.AccountSummary[] }>("/api/accounts", signal)).accounts,
  refetchInterval: BACKGROUND_REFRESH_MS,
  reconcile: "accountId",
});

export const accountTrendsQuery = (accountId: string) =>
  queryOptions({
    queryKey: ["accounts", accountId, "trends"],
    queryFn: ({ signal }) => api.get<Api.AccountTrends>(`/api/accounts/${accountId}/trends`, signal),
    staleTime: 60_000,
  });

export const accountSessionsQuery = (accountId: string) =>
  queryOptions({
    queryKey: ["accounts", accountId, "sessions"],
    queryFn: ({ signal }) => api.get<Api.AccountSessions>(`/api/accounts/${accountId}/sessions`, signal),
  });

export const requestsPath = (filters: Query) => withQuery("/api/request-logs", filters);

export const recentRequestsQuery = queryOptions({
  queryKey: ["requests", "recent"],
  queryFn: ({ signal }) => api.get<Api.RequestPage>(requestsPath({ limit: 14 }), signal),
  staleTime: 30_000,
});

export const requestOptionsQuery = queryOptions({
  queryKey: ["requests", "options"],
  queryFn: ({ signal }) => api.get<Api.RequestOptions>("/api/request-logs/options", signal),
  staleTime: 60_000,
});

export const keysQuery = queryOptions({
  queryKey: ["keys"],
  queryFn: ({ signal }) => api.get<Api.ApiKey[]>("/api/api-keys/", signal),
  refetchInterval: BACKGROUND_REFRESH_MS,
  reconcile: "id",
});

export const keyTrendsQuery = (id: string) =>
  queryOptions({
    queryKey: ["keys", id, "trends"],
    queryFn: ({ signal }) => api.get<Api.KeyTrends>(`/api/api-keys/${id}/trends`, signal),
    staleTime: 60_000,
  });

export const keyLedgerQuery = (id: string) =>
  queryOptions({
    queryKey: ["keys", id, "ledger"],
    queryFn: ({ signal }) => api.get<Api.Ledger>(`/api/api-keys/${id}/ledger`, signal),
  });

export const modelsQuery = queryOptions({
  queryKey: ["models"],
  queryFn: async ({ signal }) => (await api.get<{ models: Api.Model[] }>("/api/models", signal)).models,
  staleTime: 300_000,
});

export const settingsQuery = queryOptions({
  queryKey: ["settings"],
  queryFn: ({ signal }) => api.get<Api.Settings>("/api/settings", signal),
});

export const reportQuery = (filters: Query) =>
  queryOptions({
    queryKey: ["reports", filters],
    queryFn: ({ signal }) => api.get<Api.Report>(withQuery("/api/reports", filters), signal),
    staleTime: 60_000,
    placeholderData: keepPreviousData,
  });

export const signedInQuery = queryOptions({
  queryKey: ["signed-in"],
  queryFn: async ({ signal }) =>
    (await api.get<{ sessions: Api.SignedInSession[] }>("/api/dashboard-auth/sessions", signal)).sessions,
});

export const pricesQuery = queryOptions({
  queryKey: ["prices"],
  queryFn: ({ signal }) => api.get<Api.Prices>("/api/prices", signal),
  staleTime: 60_000,
});

export const aboutQuery = queryOptions({
  queryKey: ["about"],
  queryFn: ({ signal }) => api.get<Api.About>("/api/about", signal),
  staleTime: 300_000,
});
