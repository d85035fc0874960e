/** The dashboard's passwords, the owner's and the guests', as argon2id hashes; and the token that lets a stranger set the first one. */
import { isEqualInConstantTime } from "../core/api-key.ts";
import { CodedError } from "../core/errors.ts";
import type { Secret } from "../core/secret.ts";
import type { DashboardAuthStore } from "../store/dashboard-auth.ts";

export interface Passwords {
  /** Once there is one, being on this machine is no longer enough. */
  isSet(): boolean;
  guestIsSet(): boolean;
  /** Whose password this is; null: nobody's. `guests` false: only the owner's counts. */
  whose(password: string, options: { guests: boolean }): Promise<"admin" | "guest" | null>;
  /**
   * Throws `validation_error` (422) for one that is too short or too long, and with `first` `password_already_set` (409) when
   * somebody was faster.
   */
  set(password: string, options: { first: boolean }): Promise<void>;
  /** null: guests can no longer sign in. */
  setGuest(password: string | null): Promise<void>;
  /** Back to the first run: no password, no guests, no second factor. */
  remove(): void;
  /** The token of the first password; it is of no use once there is one. */
  isBootstrapToken(token: string): boolean;
}

/** NIST SP 800-63B asks for 8 with rate limits; this is the one door to every account. */
export const MIN_PASSWORD_CHARS = 12;
/** Sentences are welcome; a megabyte to hash is not. */
const MAX_PASSWORD_CHARS = 256;
/** Each hash takes 64 MiB and 70 ms of a core: those who guess must not take all of both. */
const MAX_PARALLEL_HASHES = 2;
const MAX_WAITING_HASHES = 16;

export function createPasswords(ports: {
  store: DashboardAuthStore;
  /** As it is now. */
  bootstrapToken(): Secret;
  /** Told when there is a first password, and the token has done its work. */
  bootstrapped?(): void;
}): Passwords {
  const { store, bootstrapToken } = ports;
  const inTurn = createTurnstile();

  function hash(password: string): Promise<string> {
    if (password.length < MIN_PASSWORD_CHARS || password.length > MAX_PASSWORD_CHARS) {
      throw new CodedError(
        "validation_error",
        `A password has ${MIN_PASSWORD_CHARS} to ${MAX_PASSWORD_CHARS} characters; a few words make a good one.`,
        { status: 422, param: "password" },
      );
    }
    return inTurn(() => Bun.password.hash(password.normalize("NFC"), { algorithm: "argon2id" }));
  }

  async function matches(password: string, stored: string | null): Promise<boolean> {
    if (stored === null || password.length > MAX_PASSWORD_CHARS) return false;
    return inTurn(() => Bun.password.verify(password.normalize("NFC"), stored));
  }

  function isSet(): boolean {
    return store.credentials().passwordHash !== null;
  }

  return {
    isSet,
    guestIsSet: () => store.credentials().guestPasswordHash !== null,
    async whose(password, { guests }) {
      const { passwordHash, guestPasswordHash } = store.credentials();
      if (await matches(password, passwordHash)) return "admin";
      return guests && (await matches(password, guestPasswordHash)) ? "guest" : null;
    },
    async set(password, { first }) {
      const passwordHash = await hash(password);
      if (first && isSet()) throw alreadySet();
      store.saveCredentials({ passwordHash });
      if (first) ports.bootstrapped?.();
    },
    async setGuest(password) {
      store.saveCredentials({ guestPasswordHash: password === null ? null : await hash(password) });
    },
    remove() {
      store.saveCredentials({
        passwordHash: null,
        guestPasswordHash: null,
        totpSecret: null,
        totpLastStep: null,
        recoveryCodeHashes: [],
      });
    },
    isBootstrapToken: (token) => isEqualInConstantTime(token, bootstrapToken().reveal()),
  };
}

function alreadySet(): CodedError {
  return new CodedError("password_already_set", "There is a password already. Sign in, then change it.", {
    status: 409,
  });
}

function createTurnstile() {
  let running = 0;
  const waiting: (() => void)[] = [];
  return async <T>(work: () => Promise<T>): Promise<T> => {
    if (running >= MAX_PARALLEL_HASHES) {
      if (waiting.length >= MAX_WAITING_HASHES) {
        throw new CodedError("rate_limited", "Too many sign-ins at once. Try again in a moment.", {
          status: 429,
          retryAfterSeconds: 2,
        });
      }
      await new Promise<void>((resolve) => waiting.push(resolve));
    } else running++;
    try {
      return await work();
    } finally {
      // The place goes straight to the next one, so that nobody slips in between.
      const next = waiting.shift();
      if (next) next();
      else running--;
    }
  };
}
