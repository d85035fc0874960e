/** Brings a login into the pool: read, recognised, durable, in rotation. */
import { CodedError } from "../core/errors.ts";
import { readAuthJson, type ChatGptLogin } from "../core/credentials.ts";
import type { Account, AccountIdentity, Credentials } from "../core/account.ts";
import { broughtUpToDate, newAccount } from "../core/new-account.ts";
import type { Secret } from "../core/secret.ts";
import type { Clock } from "../ports.ts";
import type { Pool, PooledAccount } from "./pool.ts";

/** Who a personal access token belongs to, as upstream says. */
export type TokenOwner =
  | { kind: "known"; identity: AccountIdentity; email: string | null; planType: string }
  | { kind: "unauthorized" }
  | { kind: "unreachable"; code: string };

export interface LoginImporterPorts {
  pool: Pool;
  clock: Clock;
  /** Durable when it returns. What people set on an existing account stays; answers what is stored now. */
  save(account: Account, credentials: Credentials): { account: Account; credentials: Credentials };
  whoami(token: Secret): Promise<TokenOwner>;
  /** True: a login that is already in the pool is refused instead of brought up to date. */
  withoutOverwrite(): boolean;
  /** Told after each import, to read the account's usage and models. */
  onImported(account: PooledAccount): void;
}

export interface LoginImporter {
  /** An auth.json in any of its variants. Throws CodedError. */
  importAuthJson(content: Uint8Array): Promise<PooledAccount>;
  /** A login that a person just completed; `again`: on purpose for an account that is in the pool, whatever the settings say. */
  importLogin(login: ChatGptLogin, options?: { again: boolean }): PooledAccount;
}

export function createLoginImporter(ports: LoginImporterPorts): LoginImporter {
  const { pool, clock } = ports;

  function add(account: Account, credentials: Credentials, again = false): PooledAccount {
    const known = pool.get(account.id);
    if (known && !again && ports.withoutOverwrite()) {
      throw new CodedError(
        "duplicate_identity_conflict",
        `The account ${known.email ?? known.id} is already in the pool. Delete it first, or allow imports to overwrite in Settings.`,
        { status: 409 },
      );
    }
    const saved = ports.save(account, credentials);
    const pooled = pool.put({
      // The pool knows of its states before they are stored.
      account: known ? broughtUpToDate(known, saved.account) : saved.account,
      credentials: saved.credentials,
      windows: known?.windows ?? [],
      credits: known?.credits ?? null,
      models: known?.models ?? null,
    });
    if (known) pool.apply(pooled.id, { kind: "logged_in" });
    ports.onImported(pooled);
    return pooled;
  }

  function importLogin(login: ChatGptLogin, options?: { again: boolean }): PooledAccount {
    return add(newAccount(login, clock.now()), login.credentials, options?.again);
  }

  return {
    importLogin,
    async importAuthJson(content) {
      const login = readAuthJson(content, clock.now());
      if (login.kind === "chatgpt") return importLogin(login);
      const owner = await ports.whoami(login.token);
      switch (owner.kind) {
        case "known": {
          const { identity, email, planType } = owner;
          const account = newAccount(
            { identity, email, planType, workspaceLabel: null, seatType: null },
            clock.now(),
          );
          return add(account, { kind: "personal_access_token", accessToken: login.token });
        }
        case "unauthorized":
          throw new CodedError(
            "invalid_auth_json",
            "OpenAI refuses this personal access token. Create a new one, or log in with ChatGPT instead.",
          );
        case "unreachable":
          throw new CodedError(
            "upstream_unavailable",
            `OpenAI could not be asked whose personal access token this is (${owner.code}). Try again.`,
            { status: 502 },
          );
      }
    },
  };
}
