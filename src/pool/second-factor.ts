/** The second factor: time-based codes of an authenticator app (RFC 6238), and recovery codes for when it is lost. */
import { createHash } from "node:crypto";
import { generateSecret, generateURI, verifySync } from "otplib";
import { renderSVG } from "uqr";
import { isEqualInConstantTime } from "../core/api-key.ts";
import { CodedError } from "../core/errors.ts";
import { Secret } from "../core/secret.ts";
import type { Clock, Random } from "../ports.ts";
import type { DashboardAuthStore } from "../store/dashboard-auth.ts";

export interface SecondFactor {
  isConfigured(): boolean;
  /** A secret to show once. Throws `totp_already_configured` (409). */
  start(): TotpSetup;
  /** With a code of that secret it is in force; answers the recovery codes, to be shown once. Throws `totp_invalid_code` (400). */
  confirm(secret: string, code: string): string[];
  /** Uses up a code, or one of the recovery codes. Throws `totp_invalid_code` (401). */
  use(code: string): "totp" | "recovery_code";
  remove(): void;
}

export interface TotpSetup {
  secret: string;
  otpauthUri: string;
  qrSvgDataUri: string;
}

/** RFC 4226, 4: 160 bits. */
const SECRET_BYTES = 20;
const STEP_SECONDS = 30;
const RECOVERY_CODES = 10;
/** 80 bits each: a stolen database holds their hashes, and those must not be worth guessing. */
const RECOVERY_BYTES = 10;
/** Time to scan the picture and type a code. */
const SETUP_LIMIT_MS = 15 * 60_000;

export function createSecondFactor(ports: {
  store: DashboardAuthStore;
  clock: Clock;
  random: Random;
}): SecondFactor {
  const { store, clock, random } = ports;
  let setup: { secret: Secret; startedAtMs: number } | null = null;

  /** The step whose code this is, later than `afterStep`: one code works once. null: none. */
  function stepOf(secret: Secret, code: string, afterStep: number | null): number | null {
    if (!/^\d{6}$/.test(code)) return null;
    const epoch = Math.floor(clock.now() / 1000);
    const result = verifySync({ secret: secret.reveal(), token: code, epoch, epochTolerance: STEP_SECONDS });
    if (!result.valid || !("timeStep" in result)) return null;
    return afterStep !== null && result.timeStep <= afterStep ? null : result.timeStep;
  }

  function isConfigured(): boolean {
    return store.credentials().totpSecret !== null;
  }

  return {
    isConfigured,
    start() {
      if (isConfigured()) {
        throw new CodedError(
          "totp_already_configured",
          "There is a second factor already. Switch it off with a code first.",
          { status: 409 },
        );
      }
      const secret = generateSecret({ length: SECRET_BYTES });
      setup = { secret: new Secret(secret), startedAtMs: clock.now() };
      const otpauthUri = generateURI({ issuer: "codex-lb", label: "dashboard", secret });
      const svg = renderSVG(otpauthUri, { ecc: "M", border: 2 });
      const qrSvgDataUri = `data:image/svg+xml;base64,${Buffer.from(svg).toString("base64")}`;
      return { secret, otpauthUri, qrSvgDataUri };
    },
    confirm(secret, code) {
      const isOpen = setup !== null && clock.now() - setup.startedAtMs <= SETUP_LIMIT_MS;
      if (setup === null || !isOpen || !isEqualInConstantTime(setup.secret.reveal(), secret)) {
        throw new CodedError("totp_setup_expired", "This set-up is no longer open. Start it again.", {
          status: 409,
        });
      }
      const step = stepOf(setup.secret, code.replace(/\s/g, ""), null);
      if (step === null) throw wrongCode(400);
      const codes = Array.from({ length: RECOVERY_CODES }, () => recoveryCode(random));
      store.saveCredentials({
        totpSecret: setup.secret,
        totpLastStep: step,
        recoveryCodeHashes: codes.map((recovery) => hashOf(recovery.replaceAll("-", ""))),
      });
      setup = null;
      return codes;
    },
    use(code) {
      const { totpSecret, totpLastStep, recoveryCodeHashes } = store.credentials();
      // As people type it: with or without hyphens and blanks.
      const text = code.replace(/[\s-]/g, "").toLowerCase();
      const step = totpSecret === null ? null : stepOf(totpSecret, text, totpLastStep);
      if (step !== null) {
        store.saveCredentials({ totpLastStep: step });
        return "totp";
      }
      const hash = hashOf(text);
      if (!recoveryCodeHashes.includes(hash)) throw wrongCode(401);
      store.saveCredentials({ recoveryCodeHashes: recoveryCodeHashes.filter((other) => other !== hash) });
      return "recovery_code";
    },
    remove() {
      store.saveCredentials({ totpSecret: null, totpLastStep: null, recoveryCodeHashes: [] });
    },
  };
}

function wrongCode(status: 400 | 401): CodedError {
  return new CodedError(
    "totp_invalid_code",
    "This code is wrong, or was used before. Wait for the next one; check the clock of your device.",
    { status },
  );
}

/** RFC 4648's, which leaves out the digits that look like letters. */
const ALPHABET = "abcdefghijklmnopqrstuvwxyz234567";

/** `xxxx-xxxx-xxxx-xxxx`. */
function recoveryCode(random: Random): string {
  let bits = BigInt(`0x${Buffer.from(random.bytes(RECOVERY_BYTES)).toString("hex")}`);
  let text = "";
  for (let n = 0; n < (RECOVERY_BYTES * 8) / 5; n++) {
    text += ALPHABET[Number(bits & 31n)];
    bits >>= 5n;
  }
  return text.match(/.{4}/g)!.join("-");
}

function hashOf(code: string): string {
  return createHash("sha256").update(code).digest("hex");
}
