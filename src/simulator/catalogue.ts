/** The simulator's model catalogue: entries that Codex accepts (UPSTREAM: models), with a few of the optional fields. */

const LEVELS = [
  ["low", "Fast responses with lighter reasoning"],
  ["medium", "Balances speed and reasoning depth for everyday tasks"],
  ["high", "Greater reasoning depth for complex problems"],
  ["xhigh", "Extra high reasoning depth for complex problems"],
] as const;

function entry(slug: string, displayName: string, priority: number, more: Record<string, unknown> = {}) {
  return {
    slug,
    display_name: displayName,
    description: `${displayName}, simulated.`,
    default_reasoning_level: "medium",
    supported_reasoning_levels: LEVELS.map(([effort, description]) => ({ effort, description })),
    shell_type: "unified_exec",
    visibility: "list",
    supported_in_api: true,
    priority,
    additional_speed_tiers: ["fast"],
    service_tiers: [{ id: "priority", name: "Fast", description: "1.5x speed, increased usage" }],
    support_verbosity: true,
    default_verbosity: "low",
    truncation_policy: { mode: "tokens", limit: 10_000 },
    context_window: 272_000,
    max_context_window: 272_000,
    effective_context_window_percent: 95,
    experimental_supported_tools: [],
    input_modalities: ["text", "image"],
    base_instructions: "You are Codex, a coding agent. You and the user share one workspace.",
    ...more,
  };
}

export const DEFAULT_MODELS: Record<string, unknown>[] = [
  entry("gpt-5.5", "GPT-5.5", 13),
  entry("gpt-5.5-mini", "GPT-5.5-Mini", 20),
  entry("gpt-5.1-codex", "GPT-5.1-Codex", 30),
  entry("gpt-5", "GPT-5", 40),
  entry("gpt-6-sol", "GPT-6-Sol", 5, { minimal_client_version: "0.150.0" }),
  entry("gpt-6.1-sol", "GPT-6.1-Sol", 1, {
    minimal_client_version: "0.160.0",
    use_responses_lite: true,
    tool_mode: "code_mode_only",
  }),
  entry("codex-auto-review", "Codex Auto Review", 43, { visibility: "hide" }),
];

/** Entries of `models` that this client is new enough for and this account may use. */
export function visibleModels(
  models: Record<string, unknown>[],
  clientVersion: string | null,
  allowed: string[] | null,
): Record<string, unknown>[] {
  return models.filter((model) => {
    if (allowed !== null && !allowed.includes(String(model["slug"]))) return false;
    const minimal = model["minimal_client_version"];
    return (
      typeof minimal !== "string" || clientVersion === null || compareVersions(clientVersion, minimal) >= 0
    );
  });
}

function compareVersions(left: string, right: string): number {
  const parts = (version: string) => version.split(/[.-]/).map((part) => Number.parseInt(part, 10) || 0);
  const [a, b] = [parts(left), parts(right)];
  for (let at = 0; at < 3; at++) {
    const difference = (a[at] ?? 0) - (b[at] ?? 0);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** The ETag of a list of models, weak as upstream's. */
export function modelsEtag(models: Record<string, unknown>[]): string {
  return `W/"${Bun.hash(JSON.stringify(models)).toString(16)}"`;
}
