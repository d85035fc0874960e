/** Claims about the Vercel AI SDK in front of the executable, through both providers that people configure. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createOpenAI } from "@ai-sdk/openai";
import { createOpenAICompatible } from "@ai-sdk/openai-compatible";
import { generateText, type LanguageModel, Output, stepCountIs, streamText, tool } from "ai";
import { z } from "zod";
import { startPool } from "./harness.ts";
import { waitFor } from "./wait.ts";

const MODEL = "gpt-5.5";
const Place = z.object({ city: z.string(), people: z.number() });

let pool: Awaited<ReturnType<typeof startPool>>;
/** The paths that each provider calls by itself. */
const models: Record<string, () => LanguageModel> = {
  "openai-compatible (chat)": () =>
    createOpenAICompatible({
      name: "codex-lb",
      baseURL: `${pool.service.url}/v1`,
      supportsStructuredOutputs: true,
    })(MODEL),
  "openai (chat)": () => openai().chat(MODEL),
  "openai (responses)": () => openai().responses(MODEL),
};
const openai = () =>
  createOpenAI({ baseURL: `${pool.service.url}/v1`, apiKey: "none-is-needed-on-this-machine" });

beforeAll(async () => {
  pool = await startPool({ accounts: 2, simulator: { keepBodies: true } });
});
afterAll(() => pool?.dispose());

describe.each(Object.entries(models))("%s", (_name, model) => {
  test("a whole text with usage", async () => {
    const { text, usage, finishReason } = await generateText({ model: model(), prompt: "hello" });
    expect(text).toBe("Simulated answer to: hello");
    expect(finishReason).toBe("stop");
    expect(usage.inputTokens).toBeGreaterThan(0);
  });

  test("a streamed text with reasoning", async () => {
    const result = streamText({ model: model(), prompt: "stream please" });
    let text = "";
    for await (const delta of result.textStream) text += delta;
    expect(text).toBe("Simulated answer to: stream please");
    expect(await result.finishReason).toBe("stop");
  });

  test("a tool is called and its result answered, over several steps", async () => {
    const ran: string[] = [];
    const shell = tool({
      description: "Runs a command.",
      inputSchema: z.object({ command: z.array(z.string()) }),
      execute({ command }) {
        ran.push(command.at(-1)!);
        return "done";
      },
    });
    for (const run of [generateText, streamText]) {
      const result = run({
        model: model(),
        prompt: "please run: echo it",
        tools: { shell },
        stopWhen: stepCountIs(3),
      });
      expect(await (await result).text).toContain("done");
    }
    expect(ran).toEqual(["echo it", "echo it"]);
  });

  test("an object by its schema", async () => {
    const { output } = await generateText({
      model: model(),
      prompt: "where?",
      output: Output.object({ schema: Place }),
    });
    expect(Place.parse(output)).toBeDefined();
  });

  test("an abort ends upstream's request", async () => {
    pool.simulator.addFault({ moment: "after_text", act: { kind: "hang" } });
    const abort = new AbortController();
    const result = streamText({ model: model(), prompt: "endless", abortSignal: abort.signal, onError() {} });
    const read = (async () => {
      for await (const delta of result.textStream) if (delta) abort.abort();
    })();
    await read.catch(() => {});
    await waitFor("upstream's side is closed", () => pool.simulator.counters.openRequests === 0);
  });
});
