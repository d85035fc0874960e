/** A small OpenAI-compatible upstream for gateways that do not speak to the Codex backend: the same streamed chat completion to everybody. */
import { REPLY } from "./load.ts";

const DELTAS = REPLY.events;
/** Model, id and the frame of a chunk take the rest of its share of the reply. */
const CHUNK_BYTES = REPLY.totalBytes / REPLY.events;

function chunk(fields: object): string {
  const base = {
    id: "chatcmpl-mock",
    object: "chat.completion.chunk",
    created: 1_795_000_000,
    model: "gpt-5.5",
  };
  return `data: ${JSON.stringify({ ...base, ...fields })}\n\n`;
}

const choice = (delta: object, finishReason: string | null = null) => ({
  choices: [{ index: 0, delta, finish_reason: finishReason }],
});
const usage = {
  prompt_tokens: 3_500,
  completion_tokens: 72,
  total_tokens: 3_572,
  prompt_tokens_details: { cached_tokens: 2_048 },
};

/** The whole reply: `DELTAS` pieces of text, the end, the usage. About as long as the canned reply of the Codex backend. */
export function chatReply(): Uint8Array<ArrayBuffer> {
  const spare = chunk(choice({ content: "" })).length;
  const content = "x".repeat(Math.max(1, CHUNK_BYTES - spare));
  const deltas = Array.from({ length: DELTAS }, () => chunk(choice({ content })));
  const end = [chunk(choice({}, "stop")), chunk({ choices: [], usage }), "data: [DONE]\n\n"];
  const text = [chunk(choice({ role: "assistant", content: "" })), ...deltas, ...end].join("");
  return new TextEncoder().encode(text);
}

if (import.meta.main) {
  const reply = chatReply();
  const server = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch(request) {
      const { pathname } = new URL(request.url);
      if (pathname === "/v1/models")
        return Response.json({ object: "list", data: [{ id: "gpt-5.5", object: "model" }] });
      if (pathname !== "/v1/chat/completions") return new Response(null, { status: 404 });
      await request.arrayBuffer();
      const body = new ReadableStream<Uint8Array<ArrayBuffer>>({
        start(controller) {
          controller.enqueue(reply);
          controller.close();
        },
      });
      return new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" } });
    },
  });
  console.log(`http://127.0.0.1:${server.port}`);
}
