/** `/__sim/*`: the same controls as the in-process interface, as JSON over HTTP, for a separate process. */
import { parseObject } from "./model-turns.ts";
import { sendJson } from "./strike.ts";
import type { FaultRule, ScriptRule, Simulator, Storm } from "./types.ts";
import type { WireRequest } from "./http-message.ts";
import type { WireReply } from "./wire.ts";

export const CONTROL_PREFIX = "/__sim/";

/**
 * GET state · GET requests · DELETE requests · POST/DELETE faults · POST/DELETE scripts · POST storm (a Storm, or an empty body for none) ·
 * POST canned (likewise) · POST advance {ms} · POST accounts (a spec) · PATCH accounts/N · GET accounts/N/auth.json ·
 * GET accounts/N/pat.json · POST device {userCode, account?} · POST login {account} · POST drop.
 */
export function handleControl(simulator: Simulator, request: WireRequest, reply: WireReply): void {
  const [thing, id, file] = request.path.slice(CONTROL_PREFIX.length).split("/");
  const body = () => parseObject(Buffer.from(request.body).toString("utf8")) ?? {};
  const done = (extra: Record<string, unknown> = {}) => void sendJson(reply, 200, { ok: true, ...extra });
  try {
    switch (`${request.method} ${thing}`) {
      case "GET state":
        return done({ now: simulator.now(), counters: simulator.counters, accounts: simulator.accounts() });
      case "GET requests":
        return done({ requests: simulator.requests });
      case "DELETE requests":
        simulator.clearRequests();
        return done();
      case "POST faults":
        simulator.addFault(body() as unknown as FaultRule);
        return done();
      case "DELETE faults":
        simulator.clearFaults();
        return done();
      case "POST scripts":
        simulator.addScript(body() as unknown as ScriptRule);
        return done();
      case "DELETE scripts":
        simulator.clearScripts();
        return done();
      case "POST storm":
        simulator.setStorm(request.body.length === 0 ? null : (body() as unknown as Storm));
        return done();
      case "POST canned":
        simulator.setCanned(request.body.length === 0 ? null : body());
        return done();
      case "POST advance":
        simulator.advance(Number(body()["ms"]));
        return done({ now: simulator.now() });
      case "POST accounts":
        return done({ index: simulator.addAccount(body()) });
      case "PATCH accounts":
        simulator.patchAccount(Number(id), body());
        return done();
      case "GET accounts": {
        const issue = file === "pat.json" ? simulator.issuePatJson : simulator.issueAuthJson;
        return void sendJson(reply, 200, issue(Number(id)));
      }
      case "POST device":
        return done({
          approved: simulator.approveDevice(
            String(body()["userCode"]),
            body()["account"] as number | undefined,
          ),
        });
      case "POST login":
        simulator.setLoginAccount(Number(body()["account"]));
        return done();
      case "POST drop":
        done();
        simulator.dropConnections();
        return;
      default:
        return void sendJson(reply, 404, { ok: false, error: "no such control" });
    }
  } catch (error) {
    sendJson(reply, 400, { ok: false, error: String(error) });
  }
}
