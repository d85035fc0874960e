import { expect, test } from "bun:test";
import { keepCookies } from "./cookies.ts";
import { HeaderList } from "./header-list.ts";

const reply = (...cookies: string[]) => HeaderList.parse(cookies.map((cookie) => `Set-Cookie: ${cookie}`));

test.each<[what: string, known: string | null, cookies: string[], kept: string | null]>([
  [
    "the edge's are kept",
    null,
    ["__cf_bm=a.b-1; path=/; HttpOnly; Secure", "_cfuvid=x"],
    "__cf_bm=a.b-1; _cfuvid=x",
  ],
  [
    "a new value takes the old one's place",
    "__cf_bm=1; _cfuvid=2",
    ["__cf_bm=3; Secure"],
    "__cf_bm=3; _cfuvid=2",
  ],
  ["others are dropped", "__cf_bm=1", ["session=secret; Secure", "oai-did=1"], "__cf_bm=1"],
  ["a reply without any changes nothing", null, [], null],
  ["one that is too long is dropped", null, [`__cf_bm=${"x".repeat(2_000)}`], null],
])("%s", (_what, known, cookies, kept) => {
  expect(keepCookies(known, reply(...cookies))).toBe(kept);
});
