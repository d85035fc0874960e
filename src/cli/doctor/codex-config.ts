/** Whether a Codex config leads to codex-lb, and into which of the known traps (UPSTREAM A.1, A.3) it falls. Pure. */
import { asRecord, asText, type JsonRecord } from "../../core/json-read.ts";
import { type Finding, note, ok, problem, warning } from "./finding.ts";

export interface CodexSurroundings {
  /** Addresses under which the service is reached from here, `http://127.0.0.1:2455` among them. */
  serviceUrls: readonly string[];
  /** The service asks every client for a key. */
  keyNeeded: boolean;
  env: Readonly<Record<string, string | undefined>>;
  /** There is an auth.json beside the config. */
  hasLogin: boolean;
}

const CHECK = "codex_config";
const WRITE = "Let it be written: codex-lb connect codex --write";
const LOCAL_NAMES = new Set(["localhost", "127.0.0.1", "[::1]"]);

export function codexFindings(config: JsonRecord, around: CodexSurroundings): Finding[] {
  const providerId = asText(config.model_provider) ?? "openai";
  const providers = asRecord(config.model_providers) ?? {};
  const isBuiltIn = providerId === "openai";
  const provider = isBuiltIn ? { base_url: config.openai_base_url } : (asRecord(providers[providerId]) ?? {});
  const base = urlOf(provider.base_url);
  const reserved = asRecord(providers.openai) === null ? [] : [reservedName()];
  if (base === null || !isService(base, around.serviceUrls)) {
    return [...reserved, elsewhere(base, providerId, around)];
  }
  const found = [
    ...reserved,
    ...pathFindings(base),
    ...routingFindings(config, { provider, base, isBuiltIn, hasLogin: around.hasLogin }),
    ...keyFindings(provider, isBuiltIn, around),
    ...protocolFindings(provider, isBuiltIn),
    ...profileFindings(config, providerId),
  ];
  return found.some(({ severity }) => severity !== "note")
    ? found
    : [ok(CHECK, "Codex is pointed at codex-lb."), ...found];
}

function urlOf(value: unknown): URL | null {
  return typeof value === "string" && URL.canParse(value) ? new URL(value) : null;
}

function isService(url: URL, serviceUrls: readonly string[]): boolean {
  return serviceUrls.some((text) => {
    const service = new URL(text);
    const sameHost =
      service.hostname === url.hostname ||
      (LOCAL_NAMES.has(service.hostname) && LOCAL_NAMES.has(url.hostname));
    return sameHost && portOf(service) === portOf(url);
  });
}

const portOf = ({ port, protocol }: URL) => port || (protocol === "https:" ? "443" : "80");

function reservedName(): Finding {
  return problem(
    CHECK,
    "[model_providers.openai] is a reserved name: Codex does not start with it.",
    `Give the provider another name. ${WRITE}`,
  );
}

function elsewhere(base: URL | null, providerId: string, { serviceUrls }: CodexSurroundings): Finding {
  if (base !== null && LOCAL_NAMES.has(base.hostname)) {
    return warning(
      CHECK,
      `Codex goes to ${base.origin}, where codex-lb does not listen (it is ${serviceUrls[0]}).`,
      "codex-lb connect codex --write",
    );
  }
  return note(CHECK, `Codex uses "${providerId}", not codex-lb.`, "codex-lb connect codex --write");
}

function pathFindings(base: URL): Finding[] {
  const path = base.pathname.replace(/\/+$/, "");
  if (path === "/backend-api/codex" || path === "/v1") return [];
  return [
    problem(
      CHECK,
      `Codex's base_url ends in "${path || "/"}", where codex-lb serves no model.`,
      `Use ${base.origin}/backend-api/codex`,
    ),
  ];
}

/** Workspace routing: the trap that sends the client around the pool. */
function routingFindings(
  config: JsonRecord,
  {
    provider,
    base,
    isBuiltIn,
    hasLogin,
  }: { provider: JsonRecord; base: URL; isBuiltIn: boolean; hasLogin: boolean },
): Finding[] {
  const chatgpt = urlOf(config.chatgpt_base_url);
  // Another spelling of the host is another origin, and https is followed: both work.
  if (chatgpt === null || chatgpt.origin !== base.origin || chatgpt.protocol === "https:") return [];
  const mend = `Remove chatgpt_base_url. ${WRITE}`;
  if (!isBuiltIn && provider.requires_openai_auth !== true) {
    const text =
      "chatgpt_base_url points to codex-lb: it is not needed, and sends your own login's side calls there.";
    return hasLogin ? [warning(CHECK, text, mend)] : [];
  }
  if (isBuiltIn || provider.name === "OpenAI") {
    return [
      problem(
        CHECK,
        "chatgpt_base_url has codex-lb's address: Codex asks it for a workspace and then goes around the pool, or does not start.",
        mend,
      ),
    ];
  }
  return [
    problem(
      CHECK,
      "chatgpt_base_url has codex-lb's address and the provider asks for a ChatGPT login: Codex's screen closes at the start.",
      mend,
    ),
  ];
}

function keyFindings(provider: JsonRecord, isBuiltIn: boolean, around: CodexSurroundings): Finding[] {
  const variable = asText(provider.env_key);
  if (variable !== null) {
    if (around.env[variable]) return [];
    return [
      problem(
        CHECK,
        `Codex wants the variable ${variable}, which is not set here ("Missing environment variable").`,
        `export ${variable}=<key of codex-lb>${around.keyNeeded ? "" : " (any text will do while no key is asked for)"}`,
      ),
    ];
  }
  const ownHeaders = [asRecord(provider.http_headers), asRecord(provider.env_http_headers)];
  const sendsKey =
    asText(provider.experimental_bearer_token) !== null ||
    asRecord(provider.auth) !== null ||
    ownHeaders.some(
      (headers) => headers !== null && Object.keys(headers).some((name) => /^x-lb-key$/i.test(name)),
    );
  if (sendsKey || !around.keyNeeded) return [];
  const login = isBuiltIn || provider.requires_openai_auth === true;
  return [
    problem(
      CHECK,
      `codex-lb asks for a key, and Codex sends ${login ? "its ChatGPT login" : "none"}.`,
      login
        ? 'Add env_http_headers = { "x-lb-key" = "CODEX_LB_API_KEY" } to the provider, or use env_key in place of the login.'
        : `Add env_key = "CODEX_LB_API_KEY" to the provider. ${WRITE}`,
    ),
  ];
}

function protocolFindings(provider: JsonRecord, isBuiltIn: boolean): Finding[] {
  if (isBuiltIn) return [];
  const found: Finding[] = [];
  const wireApi = asText(provider.wire_api);
  if (wireApi !== null && wireApi !== "responses") {
    found.push(
      problem(
        CHECK,
        `wire_api = "${wireApi}" is not loaded by Codex any more.`,
        'Use wire_api = "responses"',
      ),
    );
  }
  if (provider.name !== "OpenAI") {
    found.push(
      note(
        CHECK,
        'The provider is not named "OpenAI": long conversations are compacted by Codex itself.',
        WRITE,
      ),
    );
  }
  if (provider.supports_websockets !== true) {
    found.push(note(CHECK, "supports_websockets is off: each turn is a request of its own.", WRITE));
  }
  return found;
}

function profileFindings(config: JsonRecord, providerId: string): Finding[] {
  const name = asText(config.profile);
  const profile = name === null ? null : asRecord(asRecord(config.profiles)?.[name]);
  const other = asText(profile?.model_provider);
  if (other === null || other === providerId) return [];
  return [
    problem(
      CHECK,
      `The profile "${name}" chooses the provider "${other}" in place of codex-lb.`,
      `Set model_provider = "${providerId}" in [profiles.${name}], or remove it there.`,
    ),
  ];
}
