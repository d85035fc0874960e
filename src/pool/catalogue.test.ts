import { describe, expect, test } from "bun:test";
import type { ModelEntry } from "../core/models-catalogue.ts";
import { createFakeClock } from "../testing/fake-clock.ts";
import { type AskedList, clientVersionOf, createCatalogue, DEFAULT_CLIENT_VERSION } from "./catalogue.ts";

const entries = (...slugs: string[]): ModelEntry[] =>
  slugs.map((slug, priority) => ({ slug, priority, own: { x: 1 } }));

type Ask = { accountId: string; clientVersion: string; etag: string | null };

function setUp(options: {
  accounts?: { id: string; planType: string }[];
  answer?: (ask: Ask) => AskedList | Promise<AskedList>;
}) {
  const asked: Ask[] = [];
  const kept: string[] = [];
  const clock = createFakeClock();
  const catalogue = createCatalogue({
    clock,
    accounts: () => options.accounts ?? [{ id: "a", planType: "plus" }],
    async ask(accountId, how) {
      const ask = { accountId, ...how };
      asked.push(ask);
      return options.answer?.(ask) ?? { kind: "ok", models: entries("m1"), etag: "e" };
    },
    onList: ({ accountId, clientVersion }) => void kept.push(`${accountId}@${clientVersion}`),
  });
  return { catalogue, asked, kept, advance: clock.advance };
}

const slugs = (models: readonly ModelEntry[]) => models.map(({ slug }) => slug);

describe("the version a client names", () => {
  const cases: [text: string | null, version: string | null][] = [
    ["0.169.0", "0.169.0"],
    ["0.170.0-alpha.3", "0.170.0-alpha.3"],
    ["codex_exec/0.145.0 (Debian 12.0.0; x86_64) xterm", "0.145.0"],
    ["codex-tui/0.169.0", "0.169.0"],
    ["Mozilla/5.0 (X11)", null],
    ["OpenAI/Python 2.1.0", null],
    ["0.1", null],
    ["", null],
    [null, null],
  ];
  for (const [text, version] of cases) test(String(text), () => expect(clientVersionOf(text)).toBe(version));
});

test("one account of each plan is asked for a new version, once for all who wait", async () => {
  const { catalogue, asked, kept } = setUp({
    accounts: [
      { id: "a", planType: "plus" },
      { id: "b", planType: "plus" },
      { id: "c", planType: "pro" },
    ],
    answer: ({ accountId }) => ({
      kind: "ok",
      models: entries("m1", ...(accountId === "c" ? ["pro-only"] : [])),
      etag: null,
    }),
  });
  const lists = await Promise.all([
    catalogue.forVersion("0.150.0", null),
    catalogue.forVersion("0.150.0", null),
  ]);
  expect(lists.map(({ models }) => slugs(models))).toEqual([
    ["m1", "pro-only"],
    ["m1", "pro-only"],
  ]);
  expect(asked.map(({ accountId }) => accountId)).toEqual(["a", "c"]);
  expect(kept).toEqual(["a@0.150.0", "c@0.150.0"]);
});

test("a list that is not answered in time does not hold the client up", async () => {
  const { catalogue, advance } = setUp({ answer: () => new Promise(() => {}) });
  catalogue.restore({
    accountId: "a",
    clientVersion: DEFAULT_CLIENT_VERSION,
    models: entries("known"),
    etag: null,
  });
  const list = catalogue.forVersion("0.150.0", null);
  await Promise.resolve();
  advance(3_500);
  expect(slugs((await list).models)).toEqual(["known"]);
});

test("a refresh asks for every version in use with its tag, and keeps what is unchanged", async () => {
  const { catalogue, asked } = setUp({ answer: () => ({ kind: "unchanged" }) });
  catalogue.restore({ accountId: "a", clientVersion: "0.150.0", models: entries("m1"), etag: "e1" });
  expect(await catalogue.refresh("a")).toBeTrue();
  expect(asked).toEqual([
    { accountId: "a", clientVersion: DEFAULT_CLIENT_VERSION, etag: null },
    { accountId: "a", clientVersion: "0.150.0", etag: "e1" },
  ]);
  expect(catalogue.slugsOf("a")).toEqual(new Set(["m1"]));
});

test("versions are bounded; the one asked for longest ago is forgotten, never the default", async () => {
  const { catalogue, asked } = setUp({});
  for (let minor = 100; minor < 120; minor++) await catalogue.forVersion(`0.${minor}.0`, null);
  asked.length = 0;
  await catalogue.refresh("a");
  expect(asked.map(({ clientVersion }) => clientVersion).toSorted()).toEqual(
    [
      DEFAULT_CLIENT_VERSION,
      ...[113, 114, 115, 116, 117, 118, 119].map((minor) => `0.${minor}.0`),
    ].toSorted(),
  );
});

test("a key sees the models of its accounts, and of its own list, under a tag of their own", () => {
  const { catalogue } = setUp({});
  catalogue.restore({ accountId: "a", clientVersion: "0.169.0", models: entries("m1", "m2"), etag: null });
  catalogue.restore({ accountId: "b", clientVersion: "0.169.0", models: entries("m3"), etag: null });
  const viewer = (accounts: string[] | null, models: string[] | null) => ({
    allowedAccountIds: accounts && new Set(accounts),
    settings: { allowedModels: models },
  });
  const all = catalogue.etag("0.169.0", null);
  const some = viewer(["b"], null);
  const one = viewer(null, ["m1-2026-01-01"]);
  expect(catalogue.etag("0.169.0", viewer(null, null))).toBe(all);
  expect(catalogue.etag("0.169.0", some)).not.toBe(all);
  expect(catalogue.etag("0.169.0", one)).not.toBe(catalogue.etag("0.169.0", some));
  expect(catalogue.etag("0.150.0", null)).toBeNull();
});

test("the merged list is that of the newest version; a removed account takes its models with it", () => {
  const { catalogue } = setUp({});
  catalogue.restore({ accountId: "a", clientVersion: "0.99.0", models: entries("old"), etag: null });
  catalogue.restore({ accountId: "b", clientVersion: "0.145.0", models: entries("newer"), etag: null });
  expect(slugs(catalogue.merged().models)).toEqual(["newer"]);
  expect(catalogue.slugs()).toEqual(new Set(["old", "newer"]));
  catalogue.remove("b");
  expect(slugs(catalogue.merged().models)).toEqual(["old"]);
  expect(catalogue.slugsOf("b")).toBeNull();
});
