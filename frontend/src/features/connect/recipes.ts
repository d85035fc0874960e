/** What to paste where: one recipe per client and system, made from address, key and model. Pure, so that it can be tested. */
import { connect as words } from "../../lib/strings.ts";

export type Client = keyof typeof words.clients;
export type System = keyof typeof words.systems;
export type Variant = keyof typeof words.variants;

export interface RecipeInput {
  /** Without a slash at the end. */
  address: string;
  secret: string;
  model: string;
  system: System;
  variant: Variant;
}

export interface Step {
  title: string;
  /** The file to put it in, or the program to type it into. */
  where: string;
  code: string;
  note?: string;
}

/** The variable that the configs read the key from, so that no config file holds it. */
const KEY_VARIABLE = "CODEX_LB_API_KEY";
const ISOLATED_HOME = ".codex-lb-client";

/**
 * Verified against Codex CLI 0.169 (exec and TUI, HTTP and WebSocket). The name "OpenAI" switches on remote compaction;
 * `chatgpt_base_url` must stay unset, or the client goes around the pool.
 */
export function codexConfig({ address, model }: Pick<RecipeInput, "address" | "model">): string {
  return `model = "${model}"
model_provider = "codex-lb"

[model_providers.codex-lb]
name = "OpenAI"
base_url = "${address}/backend-api/codex"
model_catalog_url = "${address}/backend-api/codex/models"
env_key = "${KEY_VARIABLE}"
wire_api = "responses"
supports_websockets = true

[features]
plugins = false
apps = false

[analytics]
enabled = false`;
}

const shellName = (system: System) => (system === "windows" ? "PowerShell" : "Terminal");

function environmentStep({ system, secret }: RecipeInput): Step {
  const profile = system === "macos" ? "~/.zshrc" : "~/.bashrc";
  return {
    title: words.steps.environment,
    where: shellName(system),
    code:
      system === "windows"
        ? `setx ${KEY_VARIABLE} "${secret}"`
        : `echo 'export ${KEY_VARIABLE}="${secret}"' >> ${profile}`,
    note: words.steps.environmentNote[system],
  };
}

function codexFile(system: System): string {
  return system === "windows" ? "%USERPROFILE%\\.codex\\config.toml" : "~/.codex/config.toml";
}

function configStep(input: RecipeInput): Step {
  return {
    title: words.steps.codexConfig,
    where: codexFile(input.system),
    code: codexConfig(input),
    note: words.steps.codexConfigNote,
  };
}

function codex(input: RecipeInput): Step[] {
  if (input.variant === "isolated") return isolatedCodex(input);
  return [
    environmentStep(input),
    configStep(input),
    {
      title: words.steps.run,
      where: shellName(input.system),
      code: 'codex exec "Say hello"',
      note: words.resume,
    },
  ];
}

function isolatedCodex(input: RecipeInput): Step[] {
  const config = codexConfig(input);
  if (input.system === "windows") {
    return [
      {
        title: words.steps.isolated,
        where: "PowerShell",
        code: `New-Item -ItemType Directory -Force "$HOME\\${ISOLATED_HOME}" | Out-Null
@'
${config}
'@ | Set-Content -Encoding ascii "$HOME\\${ISOLATED_HOME}\\config.toml"`,
      },
      {
        title: words.steps.run,
        where: "PowerShell",
        code: `$env:CODEX_HOME = "$HOME\\${ISOLATED_HOME}"
$env:${KEY_VARIABLE} = "${input.secret}"
codex exec "Say hello"`,
        note: words.noLogin,
      },
    ];
  }
  return [
    {
      title: words.steps.isolated,
      where: "Terminal",
      code: `mkdir -p ~/${ISOLATED_HOME}
cat > ~/${ISOLATED_HOME}/config.toml <<'EOF'
${config}
EOF`,
    },
    {
      title: words.steps.run,
      where: "Terminal",
      code: `export CODEX_HOME="$HOME/${ISOLATED_HOME}"
export ${KEY_VARIABLE}="${input.secret}"
codex exec "Say hello"`,
      note: words.noLogin,
    },
  ];
}

const EDITOR_ENVIRONMENT: Record<System, (secret: string) => Pick<Step, "where" | "code">> = {
  linux: (secret) => ({
    where: "Terminal",
    code: `mkdir -p ~/.config/environment.d
echo '${KEY_VARIABLE}="${secret}"' > ~/.config/environment.d/codex-lb.conf`,
  }),
  macos: (secret) => ({ where: "Terminal", code: `launchctl setenv ${KEY_VARIABLE} "${secret}"` }),
  windows: (secret) => ({ where: "PowerShell", code: `setx ${KEY_VARIABLE} "${secret}"` }),
};

function ide(input: RecipeInput): Step[] {
  return [
    {
      title: words.steps.editorEnvironment,
      ...EDITOR_ENVIRONMENT[input.system](input.secret),
      note: words.steps.editorNote,
    },
    configStep(input),
    { title: words.steps.reload, where: words.clients.ide, code: "Say hello" },
  ];
}

function openCode(input: RecipeInput): Step[] {
  const file =
    input.system === "windows"
      ? "%USERPROFILE%\\.config\\opencode\\opencode.json"
      : "~/.config/opencode/opencode.json";
  const config = {
    $schema: "https://opencode.ai/config.json",
    provider: {
      "codex-lb": {
        npm: "@ai-sdk/openai",
        name: "codex-lb",
        options: { baseURL: `${input.address}/v1`, apiKey: `{env:${KEY_VARIABLE}}` },
        models: { [input.model]: {} },
      },
    },
    model: `codex-lb/${input.model}`,
  };
  return [
    environmentStep(input),
    { title: words.steps.file, where: file, code: JSON.stringify(config, null, 2) },
    { title: words.steps.run, where: shellName(input.system), code: 'opencode run "Say hello"' },
  ];
}

function openClaw(input: RecipeInput): Step[] {
  const config = {
    models: {
      mode: "merge",
      providers: {
        "codex-lb": {
          baseUrl: `${input.address}/v1`,
          apiKey: `\${${KEY_VARIABLE}}`,
          api: "openai-responses",
          models: [{ id: input.model, name: input.model, reasoning: true, input: ["text", "image"] }],
        },
      },
    },
    agents: { defaults: { model: { primary: `codex-lb/${input.model}` } } },
  };
  return [
    environmentStep(input),
    {
      title: words.steps.file,
      where:
        input.system === "windows" ? "%USERPROFILE%\\.openclaw\\openclaw.json" : "~/.openclaw/openclaw.json",
      code: JSON.stringify(config, null, 2),
    },
    { title: words.steps.run, where: shellName(input.system), code: 'openclaw agent --message "Say hello"' },
  ];
}

function python(input: RecipeInput): Step[] {
  return [
    environmentStep(input),
    { title: words.steps.install, where: shellName(input.system), code: "pip install openai" },
    {
      title: words.steps.run,
      where: "hello.py",
      code: `import os
from openai import OpenAI

client = OpenAI(base_url="${input.address}/v1", api_key=os.environ["${KEY_VARIABLE}"])
response = client.responses.create(model="${input.model}", input="Say hello")
print(response.output_text)`,
    },
  ];
}

function javascript(input: RecipeInput): Step[] {
  return [
    environmentStep(input),
    { title: words.steps.install, where: shellName(input.system), code: "npm install openai" },
    {
      title: words.steps.run,
      where: "hello.mjs",
      code: `import OpenAI from "openai";

const client = new OpenAI({ baseURL: "${input.address}/v1", apiKey: process.env.${KEY_VARIABLE} });
const response = await client.responses.create({ model: "${input.model}", input: "Say hello" });
console.log(response.output_text);`,
    },
  ];
}

function claude(input: RecipeInput): Step[] {
  const variables: [string, string][] = [
    ["ANTHROPIC_BASE_URL", input.address],
    ["ANTHROPIC_AUTH_TOKEN", input.secret],
    ["ANTHROPIC_MODEL", input.model],
  ];
  const line = ([name, value]: [string, string]) =>
    input.system === "windows" ? `$env:${name} = "${value}"` : `export ${name}="${value}"`;
  return [
    {
      title: words.steps.use,
      where: shellName(input.system),
      code: [...variables.map(line), 'claude -p "Say hello"'].join("\n"),
    },
  ];
}

function curl(input: RecipeInput): Step[] {
  const body = JSON.stringify({ model: input.model, input: "Say hello" });
  return [
    {
      title: words.steps.run,
      where: shellName(input.system),
      code:
        input.system === "windows"
          ? `Invoke-RestMethod "${input.address}/v1/responses" -Method Post -ContentType "application/json" \`
  -Headers @{ Authorization = "Bearer ${input.secret}" } \`
  -Body '${body}'`
          : `curl ${input.address}/v1/responses \\
  -H "Authorization: Bearer ${input.secret}" \\
  -H "Content-Type: application/json" \\
  -d '${body}'`,
    },
  ];
}

const RECIPES: Record<Client, (input: RecipeInput) => Step[]> = {
  codex,
  ide,
  opencode: openCode,
  openclaw: openClaw,
  python,
  javascript,
  claude,
  curl,
};

export const CLIENTS = Object.keys(RECIPES) as Client[];

export const recipe = (client: Client, input: RecipeInput): Step[] => RECIPES[client](input);
