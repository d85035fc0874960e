/** Writes what the settings table says into `.env.example` and `docs/settings.md`; a test fails when they drift. */
import { SETTINGS } from "../src/config.ts";

const ORDER = `Where a setting comes from, the first that has it: a command-line flag, the process environment, \`.env.local\`, \`.env\` of
the directory in which codex-lb is started. An empty value counts as not set. The program runs with none of them.`;

/** Every generated file, by its path in the repository. */
export function generatedFiles(): Record<string, string> {
  return { ".env.example": envExample(), "docs/settings.md": settingsPage() };
}

function envExample(): string {
  const entries = Object.values(SETTINGS).map(
    ({ names, doc, example, default: fallback }) =>
      `# ${doc}\n# Default: ${fallback ?? "none"}\n# ${names[0]}=${example}\n`,
  );
  return `# Settings of codex-lb. Copy to .env or .env.local and uncomment what you need; the program runs with none.\n\n${entries.join("\n")}`;
}

function settingsPage(): string {
  const entries = Object.values(SETTINGS).map((entry) => {
    const [name, ...others] = entry.names;
    const alias = others.map((other) => ` (or \`${other}\`)`).join("");
    const flag = "flag" in entry ? [`- Flag: \`--${entry.flag}\``] : [];
    return [
      `## \`${name}\`${alias}`,
      "",
      entry.doc,
      "",
      `- Default: ${entry.default === null ? "none" : `\`${entry.default}\``}`,
      `- Accepts: ${entry.parser.accepts}`,
      `- Example: \`${name}=${entry.example}\``,
      ...flag,
      "",
    ].join("\n");
  });
  return `# Settings\n\n${ORDER}\n\n${entries.join("\n")}`;
}

if (import.meta.main) {
  for (const [path, text] of Object.entries(generatedFiles())) {
    await Bun.write(new URL(`../${path}`, import.meta.url), text);
    console.log(`wrote ${path}`);
  }
}
