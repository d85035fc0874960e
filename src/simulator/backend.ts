/** The backend's other routes: models, usage, accounts, reset credits, images, files, transcription, analytics. */
import { consumeResetCredit, usageBody, type SimAccount } from "./accounts.ts";
import { modelsEtag, visibleModels } from "./catalogue.ts";
import { decodeBody, parseObject, type ModelTurns } from "./model-turns.ts";
import { namedError } from "./named-errors.ts";
import { sendError, sendJson, strike } from "./strike.ts";
import { TINY_PNG_BASE64 } from "./turns.ts";
import type { RouteName } from "./types.ts";
import { bearerToken, type Universe } from "./universe.ts";
import type { WireRequest } from "./http-message.ts";
import type { WireReply } from "./wire.ts";

const BACKEND = "/backend-api";
/** Files remembered; the oldest are forgotten first. */
const MAX_FILES = 5000;

/** Which route of the backend a path is; null: none of it. `/api/codex/*` is the form without `/backend-api`. */
export function backendRoute(path: string): RouteName | null {
  if (path === "/api/codex/usage") return "usage";
  if (!path.startsWith(`${BACKEND}/`)) return null;
  switch (path.slice(BACKEND.length)) {
    case "/codex/responses":
      return "responses";
    case "/codex/responses/compact":
      return "compact";
    case "/codex/models":
      return "models";
    case "/wham/usage":
      return "usage";
    case "/wham/accounts/check":
      return "accounts_check";
    case "/wham/rate-limit-reset-credits":
    case "/wham/rate-limit-reset-credits/consume":
      return "reset_credits";
    case "/codex/images/generations":
    case "/codex/images/edits":
      return "images";
    case "/transcribe":
      return "transcribe";
    case "/codex/analytics-events/events":
      return "analytics";
    default:
      return path.startsWith(`${BACKEND}/files`) ? "files" : "other_backend";
  }
}

export function createBackend(universe: Universe, turns: ModelTurns) {
  const { journal, tokens, rules, random, models, now } = universe;
  const files = new Map<string, { account: number; name: unknown }>();

  async function handle(request: WireRequest, reply: WireReply, route: RouteName): Promise<void> {
    const verdict = tokens.bearer(bearerToken(request) ?? "");
    const bodyText = () => decodeBody(request.body, request.header("content-encoding")) ?? "";
    const entry = journal.record({
      route,
      transport: "http",
      method: request.method,
      target: request.target,
      headers: request.headers,
      body: request.body,
      decoded: bodyText,
      account: verdict.account?.index ?? null,
    });
    const fault = rules.takeFault({
      route,
      transport: "http",
      account: entry.account,
      model: null,
      bodyText,
    });
    turns.noteFault(entry, fault);
    if (fault !== null) {
      const outcome = await strike(reply, fault.act, { nowMs: now(), planType: verdict.account?.planType });
      if (outcome !== "continue") {
        entry.status = outcome;
        return;
      }
    }
    const asked = request.header("chatgpt-account-id");
    if (verdict.kind === "refused")
      entry.status = sendError(reply, namedError(verdict.error, { nowMs: now() }));
    else if (asked !== undefined && asked !== verdict.account.chatgptAccountId) {
      entry.status = sendError(reply, namedError("forbidden", { nowMs: now() }));
    } else entry.status = answer(request, reply, route, verdict.account, bodyText);
  }

  function answer(
    request: WireRequest,
    reply: WireReply,
    route: RouteName,
    account: SimAccount,
    bodyText: () => string,
  ): number {
    switch (route) {
      case "models":
        return listModels(request, reply, account);
      case "usage":
        return sendJson(reply, 200, usageBody(account, now()));
      case "accounts_check":
        return sendJson(reply, 200, accountsCheck(account));
      case "reset_credits":
        return resetCredits(request, reply, account);
      case "images":
        return sendJson(reply, 200, {
          created: Math.floor(now() / 1000),
          data: [{ b64_json: TINY_PNG_BASE64 }],
          background: "opaque",
          quality: "auto",
          size: parseObject(bodyText())?.["size"] ?? "auto",
        });
      case "files":
        return file(request, reply, account, bodyText);
      case "transcribe":
        return sendJson(reply, 200, { text: "Simulated transcription." });
      case "analytics":
        return sendJson(reply, 200, {});
      default:
        return sendError(reply, namedError("not_found", { nowMs: now() }));
    }
  }

  function listModels(request: WireRequest, reply: WireReply, account: SimAccount): number {
    const version = new URLSearchParams(request.query).get("client_version");
    const visible = visibleModels(models, version, account.models);
    const etag = modelsEtag(visible);
    if (request.header("if-none-match") === etag) {
      reply.send(304, [["etag", etag]], "");
      return 304;
    }
    return sendJson(reply, 200, { models: visible }, [["etag", etag]]);
  }

  function accountsCheck(account: SimAccount) {
    return {
      accounts: [
        {
          id: account.chatgptAccountId,
          plan_type: account.planType,
          name: null,
          structure: "personal",
          profile_picture_url: null,
          workspace_backend_origin: account.workspaceBackendOrigin,
          account_routing_override: account.accountRoutingOverride,
        },
      ],
      account_ordering: [account.chatgptAccountId],
      default_account_id: account.chatgptAccountId,
    };
  }

  function resetCredits(request: WireRequest, reply: WireReply, account: SimAccount): number {
    if (request.path.endsWith("/consume")) {
      const windows = consumeResetCredit(account);
      if (windows === null) return sendJson(reply, 200, { code: "no_credit", windows_reset: 0 });
      return sendJson(reply, 200, { code: "reset", windows_reset: windows });
    }
    const credits = Array.from({ length: account.resetCredits }, (_, at) => ({
      id: `credit-${at + 1}`,
      status: "available",
    }));
    const available_count = account.resetCredits;
    return sendJson(reply, 200, { credits, available_count, total_earned_count: available_count });
  }

  /** A file belongs to the account that made it; another one sees 404. */
  function file(request: WireRequest, reply: WireReply, account: SimAccount, bodyText: () => string): number {
    const id = /\/files\/([^/?]+)/.exec(request.path)?.[1];
    if (request.method === "POST" && id === undefined) {
      const fileId = `file-${random.hex(24)}`;
      if (files.size >= MAX_FILES) files.delete(files.keys().next().value!);
      files.set(fileId, { account: account.index, name: parseObject(bodyText())?.["file_name"] ?? "file" });
      const host = request.header("host") ?? "127.0.0.1";
      return sendJson(reply, 200, {
        status: "success",
        file_id: fileId,
        upload_url: `http://${host}${BACKEND}/files/${fileId}/content`,
      });
    }
    const known = id === undefined ? undefined : files.get(id);
    if (known === undefined || known.account !== account.index)
      return sendError(reply, namedError("not_found", { nowMs: now() }));
    return sendJson(reply, 200, { status: "success", id, file_name: known.name, download_url: null });
  }
  return { handle };
}
