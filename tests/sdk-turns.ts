/** Turns of the simulator for clients whose tools have names of their own. */
import type { Turn } from "../src/simulator/types.ts";

/** The model calls one tool. */
export function callTurn(name: string, input: unknown): Turn {
  const text = JSON.stringify(input);
  const call = { type: "function_call", id: "fc_1", call_id: "call_1", name, status: "completed" };
  const response = { id: "resp_1", object: "response", model: "gpt-5.5", status: "in_progress", output: [] };
  const usage = { input_tokens: 10, output_tokens: 5, total_tokens: 15 };
  return {
    kind: "events",
    events: [
      { type: "response.created", response },
      { type: "response.output_item.added", output_index: 0, item: { ...call, arguments: "" } },
      { type: "response.function_call_arguments.delta", item_id: "fc_1", output_index: 0, delta: text },
      { type: "response.output_item.done", output_index: 0, item: { ...call, arguments: text } },
      { type: "response.completed", response: { ...response, status: "completed", usage } },
    ],
  };
}
