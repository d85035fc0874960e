/** The request log, page by page, for as long as one page shows it. */
import { createEffect, createSignal, on } from "solid-js";
import { api, type Query } from "../../lib/api.ts";
import type { RequestEntry, RequestPage } from "../../lib/api-types.ts";
import { queryClient, requestsPath } from "../../lib/queries.ts";

/** Fills a tall screen twice; with hundreds of accounts each row names them all, and a larger page takes long to read. */
const PAGE_SIZE = 100;

/**
 * Plain arrays in signals, not a query's store: that one wraps and compares every row of every page anew for each page that
 * comes, which takes seconds from ten thousand rows on.
 * `query`: what to ask for; when it changes, the log begins anew.
 */
export function createLogPages(query: () => Query) {
  const [rows, setRows] = createSignal<readonly RequestEntry[]>([]);
  /** The first page as it came last: the totals are in it. */
  const [head, setHead] = createSignal<RequestPage | null>(null);
  const [error, setError] = createSignal<unknown>(null);
  let cursor: string | null = null;
  let loading = false;
  let round = 0;
  /** To which round the rows belong: those of the one before stay until the next ones are there. */
  let shown = 0;

  async function fetchPage(after: string | null): Promise<RequestPage | null> {
    const asked = round;
    const path = requestsPath({ ...query(), limit: PAGE_SIZE, cursor: after });
    try {
      const page = await queryClient.fetchQuery({
        queryKey: ["requests", "list", path],
        queryFn: ({ signal }) => api.get<RequestPage>(path, signal),
        staleTime: 0,
        gcTime: 0,
        structuralSharing: false,
      });
      if (asked !== round) return null;
      setError(null);
      return page;
    } catch (failure) {
      if (asked === round) setError(failure);
      return null;
    }
  }

  /** Asks for the first page: what it has more is put on top, and when it has nothing in common with the rows, it replaces them. */
  async function refresh(): Promise<void> {
    const page = await fetchPage(null);
    if (!page) return;
    const known = new Set(rows().map((row) => row.requestId));
    const newer = page.requests.filter((row) => !known.has(row.requestId));
    const goesOn = shown === round && newer.length < page.requests.length;
    shown = round;
    if (!goesOn) cursor = page.nextCursor;
    if (newer.length > 0 || !goesOn) setRows(goesOn ? [...newer, ...rows()] : page.requests);
    setHead(page);
  }

  async function more(): Promise<void> {
    if (loading || cursor === null) return;
    loading = true;
    const page = await fetchPage(cursor);
    loading = false;
    if (!page) return;
    cursor = page.nextCursor;
    setRows([...rows(), ...page.requests]);
  }

  createEffect(
    on(query, () => {
      round++;
      cursor = null;
      loading = false;
      void refresh();
    }),
  );
  return { rows, head, error, refresh, more, hasMore: () => rows().length > 0 && cursor !== null };
}
