import { describe, expect, test } from "bun:test";
import { CLIENTS, codexConfig, recipe, type RecipeInput, type System } from "./recipes.ts";

const input = (fields: Partial<RecipeInput> = {}): RecipeInput => ({
  address: "http://127.0.0.1:2455",
  secret: "sk-clb-test",
  model: "gpt-5.5",
  system: "linux",
  variant: "everyday",
  ...fields,
});
const SYSTEMS: System[] = ["linux", "macos", "windows"];

test("the config of Codex is TOML with the provider that was verified, and no key in it", () => {
  expect(Bun.TOML.parse(codexConfig(input()))).toEqual({
    model: "gpt-5.5",
    model_provider: "codex-lb",
    model_providers: {
      "codex-lb": {
        name: "OpenAI",
        base_url: "http://127.0.0.1:2455/backend-api/codex",
        model_catalog_url: "http://127.0.0.1:2455/backend-api/codex/models",
        env_key: "CODEX_LB_API_KEY",
        wire_api: "responses",
        supports_websockets: true,
      },
    },
    features: { plugins: false, apps: false },
    analytics: { enabled: false },
  });
});

test("blocks that are JSON files parse, name the address and take the key from the environment", () => {
  for (const client of ["opencode", "openclaw"] as const) {
    const file = recipe(client, input()).find((step) => step.where.endsWith(".json"));
    expect(() => JSON.parse(file?.code ?? "")).not.toThrow();
    expect(file?.code).toContain("http://127.0.0.1:2455/v1");
    expect(file?.code).not.toContain("sk-clb-test");
  }
});

describe("every client on every system", () => {
  for (const client of CLIENTS) {
    for (const system of SYSTEMS) {
      test(`${client} on ${system}: says address, key and where to put each block`, () => {
        const steps = recipe(client, input({ system }));
        const all = steps.map((step) => step.code).join("\n");
        expect(all).toContain("http://127.0.0.1:2455");
        expect(all).toContain("sk-clb-test");
        expect(steps.every((step) => step.title !== "" && step.where !== "")).toBe(true);
      });
    }
  }
});

test("the isolated Codex never touches the everyday directory", () => {
  for (const system of SYSTEMS) {
    const all = recipe("codex", input({ system, variant: "isolated" }))
      .map((step) => step.code)
      .join("\n");
    expect(all).toContain("CODEX_HOME");
    expect(all).not.toMatch(/\.codex[\\/]/);
  }
});

test("the blocks for a Unix shell are valid shell", () => {
  for (const variant of ["everyday", "isolated"] as const) {
    for (const step of recipe("codex", input({ variant })).filter(({ where }) => where === "Terminal")) {
      const { exitCode, stderr } = Bun.spawnSync(["sh", "-n"], {
        stdin: new TextEncoder().encode(`${step.code}\n`),
      });
      expect(stderr.toString()).toBe("");
      expect(exitCode).toBe(0);
    }
  }
});
