/** Claims about OpenAI's Node SDK in front of the executable: only its base URL is changed. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import OpenAI, { BadRequestError, NotFoundError } from "openai";
import { zodResponseFormat, zodTextFormat } from "openai/helpers/zod";
import { z } from "zod";
import { startPool } from "./harness.ts";
import { waitFor } from "./wait.ts";

const MODEL = "gpt-5.5";
const Place = z.object({ city: z.string(), people: z.number() });
const shell = {
  name: "shell",
  description: "Runs a command.",
  parameters: {
    type: "object",
    properties: { command: { type: "array", items: { type: "string" } } },
    required: ["command"],
  },
};
const imageUrl =
  "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==";

/** What a call of the SDK throws. */
const failure = (call: PromiseLike<unknown>) =>
  call.then(
    () => null,
    (error: unknown) => error,
  );

let pool: Awaited<ReturnType<typeof startPool>>;
let client: OpenAI;

beforeAll(async () => {
  pool = await startPool({ accounts: 3, simulator: { keepBodies: true } });
  client = new OpenAI({ baseURL: `${pool.service.url}/v1`, apiKey: "none-is-needed-on-this-machine" });
});
afterAll(() => pool?.dispose());

describe("responses", () => {
  test("a whole response, its text, its usage and our request id", async () => {
    const response = await client.responses.create({
      model: MODEL,
      instructions: "Be brief.",
      input: "hello",
      temperature: 0.2,
    });
    expect(response.output_text).toBe("Simulated answer to: hello");
    expect(response.usage!.total_tokens).toBeGreaterThan(0);
    expect(response).toHaveProperty("_request_id", expect.stringMatching(/^req_/));
  });

  test("a stream, its text deltas and its final response", async () => {
    const stream = client.responses.stream({ model: MODEL, input: "stream please" });
    let text = "";
    stream.on("response.output_text.delta", ({ delta }) => void (text += delta));
    const final = await stream.finalResponse();
    expect(text).toBe("Simulated answer to: stream please");
    expect(final.output_text).toBe(text);
  });

  test("a tool call and its result", async () => {
    const tools = [{ type: "function" as const, ...shell, strict: false }];
    const input: OpenAI.Responses.ResponseInput = [{ role: "user", content: "please run: echo one" }];
    const first = await client.responses.create({ model: MODEL, input, tools });
    const call = first.output.find((item) => item.type === "function_call")!;
    expect(JSON.parse(call.arguments)).toEqual({ command: ["bash", "-lc", "echo one"] });
    // What came goes back whole, reasoning included.
    input.push(...(first.output as OpenAI.Responses.ResponseInputItem[]), {
      type: "function_call_output",
      call_id: call.call_id,
      output: "one",
    });
    const second = await client.responses.create({ model: MODEL, input, tools });
    expect(second.output_text).toBe("The command printed:\none");
  });

  test("an answer parsed by a schema", async () => {
    const format = { format: zodTextFormat(Place, "place") };
    const response = await client.responses.parse({ model: MODEL, input: "where?", text: format });
    expect(Place.parse(response.output_parsed)).toBeDefined();
  });

  test("a conversation by previous_response_id; an unknown one is refused with the code on which all of it is sent", async () => {
    const { id } = await client.responses.create({ model: MODEL, input: "my name is Ada" });
    await client.responses.create({ model: MODEL, input: "who am I?", previous_response_id: id });
    expect(JSON.stringify(pool.simulator.requests.at(-1)!.json)).toContain("my name is Ada");
    const refused = client.responses.create({ model: MODEL, input: "on", previous_response_id: "resp_1" });
    expect(await failure(refused)).toMatchObject({ status: 400, code: "previous_response_not_found" });
  });
});

describe("chat completions", () => {
  test("a whole completion", async () => {
    const completion = await client.chat.completions.create({
      model: MODEL,
      messages: [
        { role: "system", content: "Be brief." },
        {
          role: "user",
          content: [
            { type: "text", text: "see" },
            { type: "image_url", image_url: { url: imageUrl } },
          ],
        },
      ],
    });
    expect(completion.choices[0]!.message.content).toBe("Simulated answer to: see");
    expect(completion.choices[0]!.finish_reason).toBe("stop");
    expect(completion.usage!.prompt_tokens).toBeGreaterThan(0);
  });

  test("a stream with usage at its end", async () => {
    const stream = client.chat.completions.stream({
      model: MODEL,
      messages: [{ role: "user", content: "stream it" }],
      stream_options: { include_usage: true },
    });
    expect(await stream.finalContent()).toBe("Simulated answer to: stream it");
    expect((await stream.totalUsage()).total_tokens).toBeGreaterThan(0);
  });

  test("the SDK's own tool runner goes around once", async () => {
    const ran: string[] = [];
    const runner = client.chat.completions.runTools({
      model: MODEL,
      messages: [{ role: "user", content: "please run: echo two" }],
      tools: [
        {
          type: "function",
          function: {
            ...shell,
            parse: (text: string) => JSON.parse(text) as { command: string[] },
            function({ command }: { command: string[] }) {
              ran.push(command.at(-1)!);
              return "two";
            },
          },
        },
      ],
    });
    expect(await runner.finalContent()).toBe("The command printed:\ntwo");
    expect(ran).toEqual(["echo two"]);
  });

  test("an answer parsed by a schema, streamed", async () => {
    const stream = client.chat.completions.stream({
      model: MODEL,
      messages: [{ role: "user", content: "where?" }],
      response_format: zodResponseFormat(Place, "place"),
    });
    const completion = await stream.finalChatCompletion();
    expect(Place.parse(completion.choices[0]!.message.parsed)).toBeDefined();
  });

  test("legacy completions", async () => {
    const completion = await client.completions.create({ model: MODEL, prompt: "once" });
    expect(completion.choices[0]!.text).toBe("Simulated answer to: once");
  });
});

test("an abort in mid-stream ends upstream's request too", async () => {
  pool.simulator.addFault({ moment: "after_text", act: { kind: "hang" } });
  const abort = new AbortController();
  const stream = await client.chat.completions.create(
    { model: MODEL, messages: [{ role: "user", content: "endless" }], stream: true },
    { signal: abort.signal },
  );
  for await (const chunk of stream) if (chunk.choices[0]?.delta.content) abort.abort();
  await waitFor("upstream's side is closed", () => pool.simulator.counters.openRequests === 0);
  expect(pool.simulator.counters.aborted).toBe(1);
});

test("errors have the SDK's own classes: bad input, an unknown model, a broken stream", async () => {
  const messages = [{ role: "user" as const, content: "hi" }];
  const bad = await failure(client.chat.completions.create({ model: MODEL, messages, n: 2 }));
  expect(bad).toBeInstanceOf(BadRequestError);
  expect(bad).toMatchObject({ status: 400, param: "n", code: "unsupported_parameter" });
  const unknown = await failure(client.chat.completions.create({ model: "gpt-0", messages }));
  expect(unknown).toBeInstanceOf(NotFoundError);

  pool.simulator.addFault({ moment: "after_text", act: { kind: "cut" } });
  const stream = await client.chat.completions.create({ model: MODEL, messages, stream: true });
  expect(await failure(Array.fromAsync(stream))).toMatchObject({ code: "upstream_cut" });
});

test("models, images and transcriptions", async () => {
  const models = await Array.fromAsync(client.models.list());
  expect(models.map(({ id }) => id)).toContain(MODEL);
  expect((await client.models.retrieve(MODEL)).id).toBe(MODEL);
  const image = await client.images.generate({ prompt: "a cat" });
  expect(image.data![0]!.b64_json).toBeString();
  const file = new File([Buffer.from("RIFF")], "a.wav", { type: "audio/wav" });
  const edited = await client.images.edit({
    prompt: "a dog",
    image: new File(["png"], "a.png", { type: "image/png" }),
  });
  expect(edited.data![0]!.b64_json).toBeString();
  const { text } = await client.audio.transcriptions.create({ file, model: "gpt-4o-transcribe" });
  expect(text).toBe("Simulated transcription.");
  const embeddings = client.embeddings.create({ model: "text-embedding-3-small", input: "a" });
  expect(await failure(embeddings)).toMatchObject({ status: 404 });
});
