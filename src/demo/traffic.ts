/** The demo's clients: a few requests at a time through the service's own door, with the trouble that a pool meets. */
import type { Random } from "../ports.ts";
import type { Delivery, Simulator } from "../simulator/simulator.ts";
import { DEMO_MODELS, FIVE_HOURS, pickByShare, QUICK_ACCOUNT } from "./cast.ts";
import type { FilledKey } from "./fill.ts";
import { uuidOf } from "./history.ts";

export interface Traffic {
  /** Lets the requests under way end. */
  stop(): Promise<void>;
}

/** Streams at the same time: enough to see accounts share the load, and a bound for a slow machine. */
const MAX_OPEN = 7;
/** The mean pause from one request to the next. */
const PAUSE_MS = 800;
/** Something goes wrong upstream about so often. */
const TROUBLE_EVERY_MS = 11_000;
/** The quick account's window starts afresh so long after it did; well above what counts as one period. */
const QUICK_RESET_MS = 150_000;
/** After its reset it is this full, so that it is spent again before long. */
const QUICK_USED_PERCENT = 58;
const TICK_MS = 1_000;

/** Answers of three lengths; the marker stands in the request, so that a guest's own requests get ordinary answers. */
const LENGTHS: { marker: string; events: number; delivery: Delivery; share: number }[] = [
  { marker: "demo-short", events: 30, delivery: { gapMs: 30 }, share: 5 },
  { marker: "demo-middle", events: 80, delivery: { gapMs: 35 }, share: 4 },
  { marker: "demo-long", events: 190, delivery: { gapMs: 45 }, share: 1 },
];
const BYTES_PER_EVENT = 40;
/** A conversation's text: long enough for believable figures. */
const MAX_PROMPT_CHARS = 240_000;
const PROMPT = "The quick pool jumps over the spent account. ".repeat(MAX_PROMPT_CHARS / 45);

/** A conversation that goes on for a while, growing. */
interface Conversation {
  id: string;
  chars: number;
  model: string;
  effort: string;
  key: FilledKey;
}

export function startTraffic(ports: {
  url: string;
  simulator: Simulator;
  keys: readonly FilledKey[];
  random: Random;
}): Traffic {
  const { url, simulator, keys, random } = ports;
  const chance = random.next;
  const stopping = new AbortController();
  const open = new Set<Promise<void>>();
  const conversations: Conversation[] = [];
  let timer: ReturnType<typeof setTimeout> | undefined;
  const activeKeys = keys.filter(({ cast }) => cast.share > 0).map((key) => ({ key, share: key.cast.share }));

  for (const { marker, events, delivery } of LENGTHS) {
    const turn = { kind: "filled", events, bytesPerEvent: BYTES_PER_EVENT } as const;
    simulator.addScript({ when: { bodyIncludes: marker }, times: null, turn, delivery });
  }

  function nextConversation(): Conversation {
    if (conversations.length >= 6 && chance() < 0.8) {
      const known = conversations[Math.floor(chance() * conversations.length)]!;
      known.chars = Math.min(MAX_PROMPT_CHARS, known.chars + 4_000 + Math.floor(chance() * 12_000));
      return known;
    }
    const { key } = pickByShare(activeKeys, chance());
    const models = DEMO_MODELS.filter(({ slug }) => key.cast.allowedModels?.includes(slug) ?? true);
    // Now and then somebody asks for a model that the key may not use.
    const model = pickByShare(chance() < 0.05 ? DEMO_MODELS : models, chance());
    const fresh = {
      id: uuidOf(random),
      chars: 30_000 + Math.floor(chance() * 60_000),
      model: model.slug,
      effort: model.efforts[Math.floor(chance() * model.efforts.length)]!,
      key,
    };
    conversations.push(fresh);
    if (conversations.length > 10) conversations.shift();
    return fresh;
  }

  async function ask(): Promise<void> {
    const conversation = nextConversation();
    const { marker } = pickByShare(LENGTHS, chance());
    // One in thirty loses patience.
    const leaves = chance() < 0.03 ? [AbortSignal.timeout(500 + chance() * 1_500)] : [];
    try {
      const response = await fetch(`${url}/backend-api/codex/responses`, {
        method: "POST",
        headers: headersOf(conversation),
        body: JSON.stringify(bodyOf(conversation, marker)),
        signal: AbortSignal.any([stopping.signal, ...leaves]),
      });
      for await (const _ of response.body ?? []) {
        // Read as a client would, and thrown away.
      }
    } catch {
      // What failed stands in the log, which is what the demo shows.
    }
  }

  function plan(): void {
    timer = setTimeout(
      () => {
        if (open.size < MAX_OPEN) {
          const request = ask().finally(() => void open.delete(request));
          open.add(request);
        }
        plan();
      },
      -Math.log(1 - chance()) * PAUSE_MS,
    );
  }

  const trouble = setInterval(() => makeTrouble(simulator, chance()), TROUBLE_EVERY_MS);
  const tick = setInterval(createQuickResets(simulator), TICK_MS);
  plan();
  return {
    async stop() {
      clearTimeout(timer);
      clearInterval(trouble);
      clearInterval(tick);
      stopping.abort();
      await Promise.allSettled(open);
    },
  };
}

function headersOf({ id, key }: Conversation): Record<string, string> {
  return {
    "content-type": "application/json",
    authorization: `Bearer ${key.secret.reveal()}`,
    "user-agent": key.cast.userAgent,
    originator: "codex_exec",
    "session-id": id,
    "thread-id": id,
  };
}

function bodyOf({ id, chars, model, effort }: Conversation, marker: string) {
  const content = [{ type: "input_text", text: `${marker} ${PROMPT.slice(0, chars)}` }];
  return {
    model,
    instructions: "You are a coding agent.",
    input: [{ type: "message", role: "user", content }],
    tools: [],
    tool_choice: "auto",
    parallel_tool_calls: false,
    reasoning: { effort },
    store: false,
    stream: true,
    include: [],
    prompt_cache_key: id,
  };
}

/** One failure, for the next request that comes: nobody should notice but the log. */
function makeTrouble(simulator: Simulator, chance: number): void {
  if (chance < 0.4) simulator.addFault({ act: { kind: "error", name: "server_is_overloaded" } });
  else if (chance < 0.6) simulator.addFault({ act: { kind: "error", name: "rate_limit_exceeded" } });
  else if (chance < 0.75) simulator.addFault({ act: { kind: "reset" } });
  else if (chance < 0.9)
    simulator.addFault({ moment: "first_event", act: { kind: "failed", code: "server_error" } });
  else
    simulator.addFault({
      moment: "first_event",
      act: {
        kind: "failed",
        code: "context_length_exceeded",
        message: "Your input exceeds the context window.",
      },
    });
}

/** A 5-hour window whose reset comes every few minutes: to be called often. */
function createQuickResets(simulator: Simulator): () => void {
  let resetAtMs = simulator.now() + QUICK_RESET_MS;
  return () => {
    if (simulator.now() < resetAtMs) return;
    resetAtMs = simulator.now() + QUICK_RESET_MS;
    const { windows } = simulator.accounts()[QUICK_ACCOUNT]!;
    simulator.patchAccount(QUICK_ACCOUNT, {
      windows: windows.map(({ minutes, usedPercent, resetAtMs: at }) =>
        minutes === FIVE_HOURS
          ? { minutes, usedPercent: QUICK_USED_PERCENT, percentPer1kTokens: 0.06, resetInMs: QUICK_RESET_MS }
          : { minutes, usedPercent, percentPer1kTokens: 0.0008, resetInMs: at - simulator.now() },
      ),
    });
  };
}
