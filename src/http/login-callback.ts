/** The page at which a browser login arrives: on 127.0.0.1:1455, the only place OpenAI sends it to, and only while a login runs. */
import type { Server } from "bun";
import { CodedError } from "../core/errors.ts";
import type { CallbackListener, LoginFlow } from "../pool/login-flows.ts";
import type { Log } from "../ports.ts";
import { pageHeaders } from "./security-headers.ts";

export function createCallbackListener(ports: {
  /** `http://127.0.0.1:1455/auth/callback`. */
  redirectUri: string;
  /**
   * Not only on the redirect's own address: in a container, what is published from the host does not arrive there. The
   * login's `state` keeps strangers out.
   */
  everyInterface?: boolean;
  arrived(callbackUrl: string): Promise<LoginFlow>;
  log: Log;
}): CallbackListener {
  const { hostname: redirectHost, port, pathname } = new URL(ports.redirectUri);
  const hostname = ports.everyInterface ? "0.0.0.0" : redirectHost;
  let server: Server<undefined> | null = null;

  async function answer(request: Request): Promise<Response> {
    const url = URL.canParse(request.url) ? new URL(request.url) : null;
    if (request.method !== "GET" || url?.pathname !== pathname)
      return page(404, "Nothing here", "This port waits for a login.");
    try {
      const { end } = await ports.arrived(url.href);
      if (end?.status === "success")
        return page(200, "Logged in", "The account is in codex-lb now. You can close this page.");
      return page(400, "Not logged in", end?.message ?? "The login is still under way.");
    } catch (error) {
      if (error instanceof CodedError) return page(error.status, "Not logged in", error.message);
      ports.log.error("login callback failed", { error: (error as Error).message });
      return page(500, "Not logged in", "This is a defect in codex-lb; its log says more.");
    }
  }

  return {
    open() {
      if (server !== null) return true;
      try {
        server = Bun.serve({ hostname, port, fetch: answer, maxRequestBodySize: 1024 });
        return true;
      } catch (error) {
        ports.log.warn("port for the login's way back is taken; paste the address instead", {
          port,
          code: (error as { code?: string }).code,
        });
        return false;
      }
    },
    async close() {
      const closing = server;
      server = null;
      // The page that told the browser so is still on its way.
      await closing?.stop(false);
    },
  };
}

function page(status: number, title: string, text: string): Response {
  const body = `<!doctype html><html lang="en"><meta charset="utf-8"><title>${escape(title)} · codex-lb</title><h1>${escape(title)}</h1><p>${escape(text)}</p></html>`;
  const headers = {
    ...pageHeaders(),
    "content-type": "text/html; charset=utf-8",
    "cache-control": "no-store",
  };
  return new Response(body, { status, headers: { ...headers, connection: "close" } });
}

function escape(text: string): string {
  return text.replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);
}
