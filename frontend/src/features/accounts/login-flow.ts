/** One login at OpenAI, from its start to its end; polled while somebody looks. */
import { createSignal, onCleanup } from "solid-js";
import { api, messageOf, withQuery } from "../../lib/api.ts";
import type { OauthFlow, OauthStatus } from "../../lib/api-types.ts";
import { accounts as words } from "../../lib/strings.ts";

/** When the service names no interval. */
const POLL_SECONDS = 3;

export type LoginState =
  | { name: "idle" }
  | { name: "starting" }
  | { name: "waiting"; flow: OauthFlow; expiresAt: string }
  | { name: "failed"; message: string };

export function createLoginFlow(options: {
  method: "device" | "browser";
  accountId: () => string | undefined;
  onSuccess(accountId: string | null): void;
}) {
  const [state, setState] = createSignal<LoginState>({ name: "idle" });
  let timer: ReturnType<typeof setTimeout> | undefined;
  let gone = false;
  onCleanup(() => {
    gone = true;
    clearTimeout(timer);
  });

  async function start(): Promise<OauthFlow | null> {
    clearTimeout(timer);
    setState({ name: "starting" });
    try {
      const accountId = options.accountId();
      const body = { forceMethod: options.method, ...(accountId ? { accountId } : {}) };
      const flow = await api.post<OauthFlow>("/api/oauth/start", body);
      const expiresAt = new Date(Date.now() + flow.expiresInSeconds * 1_000).toISOString();
      setState({ name: "waiting", flow, expiresAt });
      pollLater(flow);
      return flow;
    } catch (error) {
      setState({ name: "failed", message: messageOf(error) });
      return null;
    }
  }

  function pollLater(flow: OauthFlow): void {
    timer = setTimeout(() => void poll(flow), (flow.intervalSeconds ?? POLL_SECONDS) * 1_000);
  }

  async function poll(flow: OauthFlow): Promise<void> {
    const current = state();
    if (gone || current.name !== "waiting" || current.flow !== flow) return;
    if (Date.parse(current.expiresAt) <= Date.now())
      return void setState({ name: "failed", message: words.addDialog.expired });
    // One unanswered question is no failed login: the next one may be answered.
    const status = await api
      .get<OauthStatus>(withQuery("/api/oauth/status", { flowId: flow.flowId }))
      .catch(() => null);
    if (gone) return;
    if (status?.status === "success") return options.onSuccess(status.accountId ?? null);
    if (status?.status === "error")
      return void setState({ name: "failed", message: status.errorMessage ?? words.addDialog.failed });
    pollLater(flow);
  }

  return { state, start };
}
