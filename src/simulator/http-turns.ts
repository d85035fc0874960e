/** `POST …/codex/responses` and `…/responses/compact`: one turn over HTTP. */
import type { SimAccount } from "./accounts.ts";
import { deliverBody, deliverSse, stepsOf, type Delivered } from "./deliver.ts";
import { decodeBody, parseObject, placed, type ModelTurns } from "./model-turns.ts";
import { detail, namedError } from "./named-errors.ts";
import { sendError, sendJson, strike } from "./strike.ts";
import { mint, usageBody, type TurnBody, readTurnBody } from "./turns.ts";
import type { JournalEntry, ScriptRule } from "./types.ts";
import { bearerToken, type Universe } from "./universe.ts";
import type { HeaderList, WireRequest } from "./http-message.ts";
import type { WireReply } from "./wire.ts";

export function createHttpTurns(universe: Universe, turns: ModelTurns) {
  const { journal, tokens, rules, random, options, now } = universe;

  function receive(request: WireRequest, reply: WireReply, route: "responses" | "compact") {
    const verdict = tokens.bearer(bearerToken(request) ?? "");
    let text: string | null | undefined;
    const decoded = () => (text ??= decodeBody(request.body, request.header("content-encoding"))) ?? "";
    const entry = journal.record({
      route,
      transport: "http",
      method: request.method,
      target: request.target,
      headers: request.headers,
      body: request.body,
      decoded,
      account: verdict.account?.index ?? null,
    });
    const close = turns.open(verdict.account);
    reply.onGone = () => close("gone");
    return { verdict, decoded, entry, close };
  }

  async function responses(request: WireRequest, reply: WireReply): Promise<void> {
    const { verdict, decoded, entry, close } = receive(request, reply, "responses");
    const { account } = verdict;
    const raw = lazily(() => parseObject(decoded()));
    const facts = {
      route: "responses" as const,
      transport: "http" as const,
      account: account?.index ?? null,
      get model() {
        return typeof raw()?.["model"] === "string" ? String(raw()!["model"]) : null;
      },
      bodyText: decoded,
    };
    const fault = placed(rules.takeFault(facts));
    turns.noteFault(entry, fault);
    if (fault?.moment === "before_headers") {
      const details = {
        nowMs: now(),
        planType: account?.planType,
        model: facts.model ?? undefined,
        location: request.target,
      };
      const outcome = await strike(reply, fault.act, details, [["x-request-id", turns.requestId()]]);
      if (outcome !== "continue") {
        entry.status = outcome;
        return close(reply.gone && outcome === null && fault.act.kind === "hang" ? "gone" : "faulted");
      }
    }
    const refuse = (status: number) => {
      entry.status = status;
      close("faulted");
    };
    const idHeader: HeaderList = [["x-request-id", turns.requestId()]];
    if (verdict.kind === "refused") {
      return refuse(sendError(reply, namedError(verdict.error, { nowMs: now() }), idHeader));
    }
    const accepted = accept(verdict.account, request, raw());
    if (accepted.kind === "refused")
      return refuse(sendError(reply, accepted.error, [...idHeader, ...accepted.headers]));
    const script = rules.takeScript(facts);
    entry.status = 200;
    const delivered = await answer({
      request,
      reply,
      account: verdict.account,
      body: accepted.body,
      script,
      fault,
    });
    close(delivered);
  }

  function accept(account: SimAccount, request: WireRequest, raw: Record<string, unknown> | null) {
    const refused = (error: ReturnType<typeof detail>, headers: HeaderList = []) => ({
      kind: "refused" as const,
      error,
      headers,
    });
    const asked = request.header("chatgpt-account-id");
    if (asked !== undefined && asked !== account.chatgptAccountId)
      return refused(namedError("forbidden", { nowMs: now() }));
    if (raw === null) return refused(detail(400, "Invalid JSON body"));
    const body = readTurnBody(raw);
    const refusal = turns.refusal(account, raw, body, "http");
    return refusal === null ? { kind: "accepted" as const, body } : refused(refusal.error, refusal.headers);
  }

  async function answer(turn: {
    request: WireRequest;
    reply: WireReply;
    account: SimAccount;
    body: TurnBody;
    script: ScriptRule;
    fault: ReturnType<typeof placed>;
  }): Promise<Delivered> {
    const { request, reply, account, body, script, fault } = turn;
    const delivery = script.delivery ?? {};
    const turnState = script.turnState === undefined ? `ts-${random.hex(16)}` : script.turnState;
    const quota = () => turns.replyHeaders(account, request, body.model);
    const headers = (): HeaderList => [
      ["content-type", "text/event-stream; charset=utf-8"],
      ["cache-control", "no-cache"],
      ...quota(),
      ...(turnState === null ? [] : ([["x-codex-turn-state", turnState]] satisfies HeaderList)),
    ];
    if (script.turn.kind === "raw") {
      const end = { kind: "end", how: "clean", closeCode: 1000 } as const;
      return deliverBody({
        reply,
        headers: headers(),
        parts: [Buffer.from(script.turn.body), end],
        delivery,
      });
    }
    const planned = turns.plan({
      account,
      body,
      bodyChars: request.body.length,
      earlierTokens: 0,
      script: script.turn,
    });
    const steps = stepsOf({
      events: planned.events(),
      responseId: planned.responseId,
      fault: turns.overflow(account, planned) ?? fault,
      gapMs: delivery.gapMs ?? 0,
      nowMs: now(),
    });
    return deliverSse({ reply, headers: headers(), steps, delivery });
  }

  /** The form that clients before about 0.155 call; answers with the compacted items as JSON. */
  async function compact(request: WireRequest, reply: WireReply): Promise<void> {
    const { verdict, decoded, entry, close } = receive(request, reply, "compact");
    const finish = (status: number, entryOf: JournalEntry) => {
      entryOf.status = status;
      close(status === 200 ? "finished" : "faulted");
    };
    const account = verdict.account;
    const fault = rules.takeFault({
      route: "compact",
      transport: "http",
      account: account?.index ?? null,
      model: null,
      bodyText: decoded,
    });
    turns.noteFault(entry, fault);
    if (fault !== null) {
      const outcome = await strike(reply, fault.act, { nowMs: now(), planType: account?.planType });
      if (outcome !== "continue") return finish(outcome ?? 0, entry);
    }
    if (verdict.kind === "refused")
      return finish(sendError(reply, namedError(verdict.error, { nowMs: now() })), entry);
    if (options.compactEndpoint === "gone")
      return finish(sendError(reply, namedError("not_found", { nowMs: now() })), entry);
    const raw = parseObject(decoded());
    if (raw === null) return finish(sendError(reply, detail(400, "Invalid JSON body")), entry);
    const body = readTurnBody(raw);
    const refusal = turns.refusal(verdict.account, { ...raw, stream: true, store: false }, body, "http");
    if (refusal !== null) return finish(sendError(reply, refusal.error, refusal.headers), entry);
    const planned = turns.plan({
      account: verdict.account,
      body,
      bodyChars: request.body.length,
      earlierTokens: 0,
      script: { kind: "text", text: "" },
    });
    const item = {
      type: "compaction",
      id: `cmp_${random.hex(24)}`,
      encrypted_content: mint(verdict.account, random),
    };
    const kept = body.input.filter((one) => one["type"] === "message" && one["role"] === "user");
    const reply200 = {
      id: planned.responseId,
      object: "response.compaction",
      created_at: Math.floor(now() / 1000),
      output: [...kept, item],
      usage: usageBody(planned.usage),
    };
    finish(sendJson(reply, 200, reply200, turns.replyHeaders(verdict.account, request, body.model)), entry);
  }
  return { responses, compact };
}

function lazily<T>(make: () => T): () => T {
  let made: { value: T } | null = null;
  return () => (made ??= { value: make() }).value;
}
