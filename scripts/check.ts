/** `npm run check`: format, lint and types; runs all of them, fails when one does. */

const CHECKS: [label: string, command: string[]][] = [
  ["format", [process.execPath, "fmt", "--no-script", "--check"]],
  ["lint", [process.execPath, "x", "--bun", "--no-install", "oxlint", "--deny-warnings"]],
  ["types", [process.execPath, "check", "--no-script"]],
  ["types of the dashboard", [process.execPath, "check", "--no-script", "-p", "frontend"]],
];

const failed = CHECKS.filter(([, command]) => {
  const { exitCode } = Bun.spawnSync(command, { stdio: ["ignore", "inherit", "inherit"] });
  return exitCode !== 0;
});
if (failed.length > 0) {
  console.error(`check failed: ${failed.map(([label]) => label).join(", ")}`);
  process.exit(1);
}
