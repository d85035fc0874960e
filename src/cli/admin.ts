/** `codex-lb admin reset-password`: for the owner of the data directory who has lost the password or the second factor. */
import type { Config } from "../config.ts";
import { CodedError } from "../core/errors.ts";
import { asText } from "../core/json-read.ts";
import { Secret } from "../core/secret.ts";
import { createDashboardSessions } from "../pool/dashboard-sessions.ts";
import { resetPassword } from "../pool/password-reset.ts";
import { createPasswords } from "../pool/passwords.ts";
import { createSecondFactor } from "../pool/second-factor.ts";
import type { Ports } from "../ports.ts";
import type { Store } from "../store/open.ts";
import { USAGE_ERROR } from "./args.ts";
import { openWorkplace } from "./service.ts";

export async function adminCommand(
  operands: readonly string[],
  config: Config,
  ports: Ports,
): Promise<number> {
  if (operands.length !== 1 || operands[0] !== "reset-password") {
    throw new CodedError(USAGE_ERROR, 'The only thing to do is "reset-password". See: codex-lb admin --help');
  }
  const place = openWorkplace(config, ports);
  let password: string;
  if (place.kind === "service") {
    const reply = await place.service.call("POST", "/api/dashboard-auth/password/reset");
    password = asText(reply.password) ?? "";
  } else {
    password = await resetInStore(place.store, ports);
    place.store.close();
  }
  process.stdout.write(`${password}\n`);
  process.stderr.write(
    "This is the new dashboard password. The second factor is off, and everybody is signed out. Change it after signing in.\n",
  );
  return 0;
}

async function resetInStore(
  { dashboardAuth: store, audit }: Store,
  { clock, random }: Ports,
): Promise<string> {
  const password = await resetPassword({
    passwords: createPasswords({ store, bootstrapToken: () => new Secret("") }),
    secondFactor: createSecondFactor({ store, clock, random }),
    sessions: createDashboardSessions({ store, clock, random, lifetimeMs: () => 0 }),
    random,
  });
  audit.add({
    atMs: clock.now(),
    actor: "cli",
    actorIp: null,
    action: "password.reset",
    target: null,
    details: null,
  });
  return password;
}
