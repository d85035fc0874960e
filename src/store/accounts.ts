/** Accounts and their tokens. Every write is on disk before it returns: a login that was accepted is never lost. */
import { eq, getTableColumns } from "drizzle-orm";
import type { Account, AccountState, Credentials } from "../core/account.ts";
import { broughtUpToDate, newerTokens } from "../core/new-account.ts";
import type { Secret } from "../core/secret.ts";
import type { Connection } from "./connection.ts";
import { accountCredits, accounts, affinity, credentials, windowHistory, windowSnapshots } from "./schema.ts";
import type { SecretBox } from "./secrets.ts";

export interface StoredAccount {
  account: Account;
  /** null when the tokens were altered on disk and cannot be read: the account needs a new login. */
  credentials: Credentials | null;
}

/** What people, and fresh facts from upstream, may change without a new login. */
export type AccountPatch = Partial<
  Pick<
    Account,
    "email" | "alias" | "planType" | "workspaceLabel" | "seatType" | "routingPolicy" | "reserveAtPercent"
  >
>;

export interface AccountStateChange {
  state: AccountState;
  stateReason: string | null;
  stateUntilMs: number | null;
}

type CredentialRow = typeof credentials.$inferSelect;
type TokenField = "accessToken" | "refreshToken" | "idToken";

const place = (row: string, field: TokenField) => ({ table: "credentials", row, field });

/** What changes while requests run, and needs no key. */
export function createAccountFields({ orm, transaction }: Pick<Connection, "orm" | "transaction">) {
  return {
    /** The account after the change; null when there is none. */
    patch(id: string, patch: AccountPatch): Account | null {
      return transaction(() => {
        const changes = Object.values(patch).some((value) => value !== undefined);
        if (changes) orm.update(accounts).set(patch).where(eq(accounts.id, id)).run();
        return orm.select().from(accounts).where(eq(accounts.id, id)).get() ?? null;
      });
    },

    /** False when there is no such account. */
    setState(id: string, change: AccountStateChange): boolean {
      return orm.update(accounts).set(change).where(eq(accounts.id, id)).run().changes === 1;
    },
  };
}

export type AccountStore = ReturnType<typeof createAccountStore>;

export function createAccountStore(connection: Connection, box: SecretBox) {
  const { orm, durably } = connection;
  function toRow(accountId: string, value: Credentials): CredentialRow {
    const seal = (field: TokenField, secret: Secret) => box.seal(place(accountId, field), secret);
    const accessToken = seal("accessToken", value.accessToken);
    if (value.kind === "personal_access_token")
      return {
        accountId,
        kind: value.kind,
        accessToken,
        refreshToken: null,
        idToken: null,
        accessExpiresAtMs: null,
        lastRefreshAtMs: null,
      };
    return {
      accountId,
      kind: value.kind,
      accessToken,
      refreshToken: value.refreshToken && seal("refreshToken", value.refreshToken),
      idToken: value.idToken && seal("idToken", value.idToken),
      accessExpiresAtMs: value.accessExpiresAtMs,
      lastRefreshAtMs: value.lastRefreshAtMs,
    };
  }

  function fromRow(row: CredentialRow): Credentials | null {
    const open = (field: TokenField, sealed: Buffer) => box.open(place(row.accountId, field), sealed);
    try {
      const accessToken = open("accessToken", row.accessToken);
      if (row.kind === "personal_access_token") return { kind: row.kind, accessToken };
      return {
        kind: row.kind,
        accessToken,
        refreshToken: row.refreshToken && open("refreshToken", row.refreshToken),
        idToken: row.idToken && open("idToken", row.idToken),
        accessExpiresAtMs: row.accessExpiresAtMs,
        lastRefreshAtMs: row.lastRefreshAtMs,
      };
    } catch {
      return null;
    }
  }

  function putCredentials(accountId: string, value: Credentials) {
    const row = toRow(accountId, value);
    orm.insert(credentials).values(row).onConflictDoUpdate({ target: credentials.accountId, set: row }).run();
  }

  /** The tokens as they are on disk now; null when the account is gone or they cannot be read. */
  function readCredentials(id: string): Credentials | null {
    const row = orm.select().from(credentials).where(eq(credentials.accountId, id)).get();
    return row ? fromRow(row) : null;
  }

  return {
    /**
     * Inserts the account, or brings the one with the same id up to date (`broughtUpToDate`), with the newer of the tokens. Answers
     * what is stored now.
     */
    put(
      account: Account,
      tokens: Credentials,
    ): { account: Account; credentials: Credentials; created: boolean } {
      return durably(() => {
        const existing = orm.select().from(accounts).where(eq(accounts.id, account.id)).get();
        const known = existing ? readCredentials(account.id) : null;
        const merged = existing ? broughtUpToDate(existing, account) : account;
        const kept =
          existing && known ? newerTokens({ account: existing, credentials: known }, tokens) : tokens;
        orm.insert(accounts).values(merged).onConflictDoUpdate({ target: accounts.id, set: merged }).run();
        putCredentials(account.id, kept);
        return { account: merged, credentials: kept, created: !existing };
      });
    },

    /** Every account, oldest first. */
    loadAll(): StoredAccount[] {
      return orm
        .select({ account: getTableColumns(accounts), tokens: getTableColumns(credentials) })
        .from(accounts)
        .innerJoin(credentials, eq(credentials.accountId, accounts.id))
        .orderBy(accounts.createdAtMs, accounts.id)
        .all()
        .map((row) => ({ account: row.account, credentials: fromRow(row.tokens) }));
    },

    get(id: string): Account | null {
      return orm.select().from(accounts).where(eq(accounts.id, id)).get() ?? null;
    },

    readCredentials,

    /** Rotated tokens, on disk before this returns: use them only afterwards. False when the account was deleted meanwhile. */
    saveRotatedCredentials(id: string, tokens: Credentials): boolean {
      const row = toRow(id, tokens);
      return durably(
        () => orm.update(credentials).set(row).where(eq(credentials.accountId, id)).run().changes === 1,
      );
    },

    ...createAccountFields(connection),

    /** Forgets the account, its tokens, windows and sessions; its rows in the request log stay. False when there was none. */
    delete(id: string): boolean {
      return durably(() => {
        for (const table of [windowSnapshots, windowHistory, accountCredits, affinity])
          orm.delete(table).where(eq(table.accountId, id)).run();
        return orm.delete(accounts).where(eq(accounts.id, id)).run().changes === 1;
      });
    },
  };
}
