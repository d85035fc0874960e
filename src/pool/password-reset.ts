/** The way back in for the owner of the machine: a new password, no second factor, everybody signed out. */
import type { Random } from "../ports.ts";
import type { DashboardSessions } from "./dashboard-sessions.ts";
import type { Passwords } from "./passwords.ts";
import type { SecondFactor } from "./second-factor.ts";

/** 120 bits, as five groups that can be typed. */
const PASSWORD_BYTES = 15;

/** Answers the new password, to be shown once. */
export async function resetPassword(ports: {
  passwords: Passwords;
  secondFactor: Pick<SecondFactor, "remove">;
  sessions: Pick<DashboardSessions, "revokeAll">;
  random: Random;
}): Promise<string> {
  const { passwords, secondFactor, sessions, random } = ports;
  const password = Buffer.from(random.bytes(PASSWORD_BYTES)).toString("hex").match(/.{6}/g)!.join("-");
  await passwords.set(password, { first: false });
  secondFactor.remove();
  sessions.revokeAll();
  return password;
}
