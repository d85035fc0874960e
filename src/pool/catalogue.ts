/** The model lists that upstream gave for each account and client version, and what a client of that version is shown of them. */
import {
  type AccountCatalogue,
  etagOf,
  type MergedCatalogue,
  mergeCatalogues,
  type ModelEntry,
} from "../core/models-catalogue.ts";
import { isSameModel } from "../core/model-name.ts";
import type { Clock } from "../ports.ts";

/** One account's list for one client version: upstream leaves out what that version cannot use (UPSTREAM H). */
export interface AccountList {
  accountId: string;
  clientVersion: string;
  models: readonly ModelEntry[];
  /** Upstream's; null when it sent none. */
  etag: string | null;
}

/** Who looks: a key may be bound to some accounts and some models. A `PooledKey` is one. */
export interface CatalogueViewer {
  readonly allowedAccountIds: ReadonlySet<string> | null;
  readonly settings: { readonly allowedModels: readonly string[] | null };
}

export type AskedList =
  { kind: "ok"; models: ModelEntry[]; etag: string | null } | { kind: "unchanged" } | { kind: "failed" };

export interface CataloguePorts {
  clock: Clock;
  /** The accounts that may be asked, and one question to upstream. Never rejects. */
  accounts(): readonly { id: string; planType: string }[];
  ask(accountId: string, ask: { clientVersion: string; etag: string | null }): Promise<AskedList>;
  /** A list came in: to be kept, and used for routing. */
  onList(list: AccountList): void;
}

export interface Catalogue {
  /** A stored list. */
  restore(list: AccountList): void;
  remove(accountId: string): void;
  /** Asks for the account's list of every version in use. False: upstream did not answer. */
  refresh(accountId: string): Promise<boolean>;
  /** For a client of this version; asks upstream first, for a moment, when the version is new. */
  forVersion(clientVersion: string | null, viewer: CatalogueViewer | null): Promise<MergedCatalogue>;
  /** The tag of what `forVersion` would answer now; null when nothing is known for that version. */
  etag(clientVersion: string | null, viewer: CatalogueViewer | null): string | null;
  /** For whoever is no Codex client: the newest version's list, of it what the viewer may use. */
  merged(viewer?: CatalogueViewer | null): MergedCatalogue;
  /** Every slug that any version lists. */
  slugs(): ReadonlySet<string>;
  /** The slugs of one account; null while nothing is known of it. */
  slugsOf(accountId: string): ReadonlySet<string> | null;
  /** What still comes in is not kept. */
  stop(): void;
}

/** Asked for while no client has named its version. */
export const DEFAULT_CLIENT_VERSION = "0.169.0";
/** Versions in use at a time: a team updates within weeks. The one that was asked for longest ago goes. */
const MAX_VERSIONS = 8;
/** Accounts that are asked when a version is new: one of each plan says it all; the others follow in their turn. */
const MAX_ASKED_AT_ONCE = 3;
/** Codex gives up on its list after 5 s (UPSTREAM A.3). */
const PATIENCE_MS = 3_500;
const VERSION = /^\d+\.\d+\.\d+[\w.-]{0,32}$/;

/** The client's version from its `client_version` or its user agent (`codex_exec/0.169.0 (…)`); null when it names none. */
export function clientVersionOf(text: string | null): string | null {
  const version = text?.replace(/^[\w-]{1,64}\//, "").split(/[\s(]/, 1)[0] ?? "";
  return VERSION.test(version) ? version : null;
}

export function createCatalogue(ports: CataloguePorts): Catalogue {
  const { clock } = ports;
  /** By version, then account. The version asked for last comes last. */
  const lists = new Map<string, Map<string, AccountList>>([[DEFAULT_CLIENT_VERSION, new Map()]]);
  const asking = new Map<string, Promise<void>>();
  let stopped = false;
  const NOBODY = {};
  /** By viewer's settings (a new object with each change), then version. Emptied by every change of a list. */
  let shown = new WeakMap<object, Map<string, MergedCatalogue>>();

  function changed(): void {
    shown = new WeakMap();
  }

  /** The lists of a version; a new one takes its place among the versions in use. */
  function use(version: string): Map<string, AccountList> {
    const known = lists.get(version) ?? new Map<string, AccountList>();
    lists.delete(version);
    lists.set(version, known);
    for (const oldest of lists.keys()) {
      if (lists.size <= MAX_VERSIONS) break;
      if (oldest !== DEFAULT_CLIENT_VERSION) lists.delete(oldest);
    }
    return known;
  }

  function set(list: AccountList): void {
    use(list.clientVersion).set(list.accountId, list);
    changed();
  }

  function view(version: string, viewer: CatalogueViewer | null): MergedCatalogue | null {
    const known = lists.get(version);
    if (!known || known.size === 0) return null;
    const key = viewer?.settings ?? NOBODY;
    const merged = shown.get(key)?.get(version) ?? merge(known, viewer);
    const versions = shown.get(key) ?? new Map<string, MergedCatalogue>();
    shown.set(key, versions.set(version, merged));
    return merged;
  }

  function newestVersion(): string {
    const filled = [...lists].filter(([, known]) => known.size > 0).map(([version]) => version);
    return filled.toSorted(compareVersions).at(-1) ?? DEFAULT_CLIENT_VERSION;
  }

  async function ask(accountId: string, clientVersion: string): Promise<boolean> {
    const etag = lists.get(clientVersion)?.get(accountId)?.etag ?? null;
    const reply = await ports.ask(accountId, { clientVersion, etag });
    if (reply.kind !== "ok" || stopped) return reply.kind === "unchanged";
    const list: AccountList = { accountId, clientVersion, models: reply.models, etag: reply.etag };
    set(list);
    ports.onList(list);
    return true;
  }

  /** Asks a few accounts of different plans for a version; one question at a time per version. */
  function askSome(version: string): Promise<void> {
    const running = asking.get(version);
    if (running) return running;
    const byPlan = Map.groupBy(ports.accounts(), ({ planType }) => planType);
    const firsts = [...byPlan.values()].map((accounts) => accounts[0]!).slice(0, MAX_ASKED_AT_ONCE);
    const all = (async () => {
      await Promise.all(firsts.map(({ id }) => ask(id, version)));
      asking.delete(version);
    })();
    asking.set(version, all);
    return all;
  }

  return {
    restore: set,
    remove(accountId) {
      for (const known of lists.values()) known.delete(accountId);
      changed();
    },
    async refresh(accountId) {
      let answered = true;
      for (const version of [...lists.keys()]) answered = (await ask(accountId, version)) && answered;
      return answered;
    },
    async forVersion(clientVersion, viewer) {
      const version = clientVersion ?? newestVersion();
      use(version);
      const known = view(version, viewer);
      if (known) return known;
      await Promise.race([
        askSome(version),
        new Promise<void>((resolve) => clock.schedule(PATIENCE_MS, resolve)),
      ]);
      return view(version, viewer) ?? view(newestVersion(), viewer) ?? EMPTY;
    },
    etag(clientVersion, viewer) {
      return clientVersion === null ? null : (view(clientVersion, viewer)?.etag ?? null);
    },
    merged: (viewer = null) => view(newestVersion(), viewer) ?? EMPTY,
    slugs() {
      const all = new Set<string>();
      for (const known of lists.values())
        for (const { models } of known.values()) for (const { slug } of models) all.add(slug);
      return all;
    },
    slugsOf(accountId) {
      let slugs: Set<string> | null = null;
      for (const known of lists.values()) {
        const list = known.get(accountId);
        if (list) slugs = new Set([...(slugs ?? []), ...list.models.map(({ slug }) => slug)]);
      }
      return slugs;
    },
    stop: () => void (stopped = true),
  };
}

/** An empty list leaves the client the one that it was built with (UPSTREAM H). */
const EMPTY: MergedCatalogue = mergeCatalogues([]);

function merge(known: ReadonlyMap<string, AccountList>, viewer: CatalogueViewer | null): MergedCatalogue {
  const seen: AccountCatalogue[] = [...known.values()].filter(
    ({ accountId }) => viewer?.allowedAccountIds?.has(accountId) ?? true,
  );
  const merged = mergeCatalogues(seen);
  const allowed = viewer?.settings.allowedModels ?? null;
  if (allowed === null) return merged;
  const models = merged.models.filter(({ slug }) => allowed.some((name) => isSameModel(name, slug)));
  return { ...merged, models, etag: etagOf(models) };
}

function compareVersions(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}
