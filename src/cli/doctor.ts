/** `codex-lb doctor`: looks at everything that could keep the pool from working, and says how to mend what it finds. */
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import type { AccountSummary } from "../http/account-views.ts";
import { isLoopbackHost } from "../http/locality.ts";
import type { Ports } from "../ports.ts";
import { listAccounts } from "./accounts.ts";
import type { Machine } from "./connect/clients.ts";
import { clientFindings } from "./doctor/clients.ts";
import { type Finding, note, ok, problem, type Severity, warning } from "./doctor/finding.ts";
import {
  databaseFindings,
  directoryFindings,
  keyFindings,
  portFindings,
  upstreamFindings,
} from "./doctor/machine.ts";
import { plain, print, printJson } from "./format.ts";
import { type AdminApi, findService, openAdminApi } from "./service.ts";

/** Resolves with the exit code: 1 when there is a problem. */
export async function doctorCommand(
  { json, offline }: { json: boolean; offline: boolean },
  machine: Machine,
  config: Config,
  ports: Ports,
): Promise<number> {
  const service = await findService(config, ports.fetch);
  const findings = [
    service === null
      ? note("service", `codex-lb does not run on ${config.dataDir}.`, "codex-lb")
      : ok("service", `codex-lb runs on ${service.url}.`),
    ...directoryFindings(config),
    ...keyFindings(config),
    ...databaseFindings(config),
    ...(await portFindings(config, service !== null)),
    ...(offline ? [] : await upstreamFindings(config, ports.fetch, ports.clock.now)),
  ];
  const serviceUrl = service?.url ?? `http://127.0.0.1:${config.port}`;
  const isOpenable = findings.every(
    ({ check, severity }) => severity !== "problem" || !NEEDED_TO_OPEN.has(check),
  );
  // Looking must not make a data directory.
  const exists = existsSync(join(config.dataDir, "codex-lb.db"));
  if (!exists) findings.push(noAccount());
  const api = isOpenable && exists ? await openPool(config, ports, findings) : null;
  let accounts: AccountSummary[] = [];
  let keyNeeded = false;
  if (api !== null) {
    try {
      accounts = await listAccounts(api);
      findings.push(...(await accountFindings(api, accounts, offline)));
      const settings = await api.call("GET", "/api/settings");
      keyNeeded = settings.apiKeyAuthEnabled === true;
      const { passwordRequired } = await api.call("GET", "/api/dashboard-auth/session");
      findings.push(...exposureFindings(config, { keyNeeded, passwordSet: passwordRequired === true }));
    } finally {
      await api.close();
    }
  }
  const accountIds = new Set(accounts.map(({ accountId }) => accountId));
  const serviceUrls = [serviceUrl];
  findings.push(...clientFindings({ machine, serviceUrls, keyNeeded, accountIds, nowMs: ports.clock.now() }));
  return report(findings, json);
}

/** Without these the database cannot be opened, and opening it would only say the same again. */
const NEEDED_TO_OPEN: ReadonlySet<string> = new Set(["data_directory", "encryption_key", "database"]);

async function openPool(config: Config, ports: Ports, findings: Finding[]): Promise<AdminApi | null> {
  try {
    return await openAdminApi(config, ports);
  } catch (error) {
    if (!(error instanceof CodedError)) throw error;
    findings.push(problem(error.code, error.message, "See above."));
    return null;
  }
}

const RENEW = "codex-lb login";

const noAccount = () =>
  warning("accounts", "The pool has no account.", "codex-lb import ~/.codex/auth.json, or codex-lb login");

async function accountFindings(
  api: AdminApi,
  accounts: AccountSummary[],
  offline: boolean,
): Promise<Finding[]> {
  if (accounts.length === 0) {
    return [
      warning(
        "accounts",
        "The pool has no account.",
        "codex-lb import ~/.codex/auth.json, or codex-lb login",
      ),
    ];
  }
  const found: Finding[] = [];
  // One after the other: nothing here is worth a burst of calls.
  for (const account of accounts) found.push(await accountFinding(api, account, offline));
  return found;
}

async function accountFinding(api: AdminApi, account: AccountSummary, offline: boolean): Promise<Finding> {
  const check = "account";
  const name = `${plain(account.displayName)} (${account.planType})`;
  switch (account.status) {
    case "reauth_required":
      return problem(check, `${name} needs a new login: ${plain(account.statusReason ?? "")}`, RENEW);
    case "deactivated":
      return problem(
        check,
        `${name} is deactivated: ${plain(account.statusReason ?? "")}`,
        "codex-lb accounts remove ACCOUNT, or ask OpenAI.",
      );
    case "paused":
      return note(check, `${name} is paused.`, `codex-lb accounts resume ${account.accountId}`);
    case "active":
    case "rate_limited":
    case "quota_exceeded":
      break;
  }
  if (offline) return ok(check, `${name} is ${account.status}.`);
  const probe = await api.call("POST", `/api/accounts/${account.accountId}/probe`);
  if (probe.ok === true)
    return ok(check, `${name}: OpenAI takes its login; it is ${String(probe.statusAfter)}.`);
  if (probe.status === "reauth_required" || probe.status === "deactivated") {
    return problem(check, `${name}: OpenAI refuses its login (${String(probe.errorCode)}).`, RENEW);
  }
  return warning(
    check,
    `${name} could not be asked for (${String(probe.errorCode)}).`,
    "Try again; see the way to OpenAI above.",
  );
}

function exposureFindings(
  { host, tlsCertFile, firewallTrustProxyHeaders, proxyUnauthenticatedClientCidrs }: Config,
  { keyNeeded, passwordSet }: { keyNeeded: boolean; passwordSet: boolean },
): Finding[] {
  if (isLoopbackHost(host)) return [ok("exposure", "Only this machine can reach the service.")];
  const found: Finding[] = [];
  if (!passwordSet) {
    found.push(
      problem(
        "exposure",
        `Other machines can reach ${host} and no dashboard password is set.`,
        "Open the dashboard and set one.",
      ),
    );
  }
  if (!keyNeeded && proxyUnauthenticatedClientCidrs.length > 0) {
    found.push(
      warning(
        "exposure",
        "Other machines may use the pool without a key (CODEX_LB_PROXY_UNAUTHENTICATED_CLIENT_CIDRS).",
        "codex-lb config set apiKeyAuthEnabled true",
      ),
    );
  }
  if (tlsCertFile === null && !firewallTrustProxyHeaders) {
    found.push(
      warning(
        "exposure",
        "Other machines reach it without TLS: passwords and keys cross the network in clear.",
        "Set CODEX_LB_TLS_CERT_FILE and CODEX_LB_TLS_KEY_FILE, or put a reverse proxy before it.",
      ),
    );
  }
  return found.length > 0
    ? found
    : [ok("exposure", `Other machines can reach ${host}; password and encryption are in place.`)];
}

const MARKS: Record<Severity, string> = { ok: "✓", note: "·", warning: "!", problem: "✗" };

function report(findings: readonly Finding[], json: boolean): number {
  const problems = findings.filter(({ severity }) => severity === "problem").length;
  const warnings = findings.filter(({ severity }) => severity === "warning").length;
  if (json) printJson({ healthy: problems === 0, problems, warnings, findings });
  else {
    for (const { severity, text, mend } of findings) {
      print(`${MARKS[severity]} ${text}${mend === undefined ? "" : `\n    → ${mend}`}`);
    }
    print(
      `\n${problems} ${problems === 1 ? "problem" : "problems"}, ${warnings} ${warnings === 1 ? "warning" : "warnings"}`,
    );
  }
  return problems === 0 ? 0 : 1;
}
