/** The part of better-sqlite3 that the store uses; the package ships no types. */
declare module "better-sqlite3" {
  namespace Database {
    interface RunResult {
      changes: number;
      lastInsertRowid: number | bigint;
    }
    interface Statement {
      run(...values: unknown[]): RunResult;
      get(...values: unknown[]): unknown;
      all(...values: unknown[]): unknown[];
    }
    interface Transaction<T> {
      (): T;
      /** Takes the write lock at once. */
      immediate(): T;
    }
    interface Database {
      readonly open: boolean;
      readonly inTransaction: boolean;
      prepare(sql: string): Statement;
      exec(sql: string): Database;
      pragma(sql: string, options?: { simple?: boolean }): unknown;
      transaction<T>(work: () => T): Transaction<T>;
      /** SQLite's online backup: copies while the database is in use. */
      backup(path: string): Promise<{ totalPages: number; remainingPages: number }>;
      close(): Database;
    }
    interface Options {
      /** How long to wait for another process's lock, in milliseconds. */
      timeout?: number;
      readonly?: boolean;
      fileMustExist?: boolean;
    }
  }
  const Database: new (path: string, options?: Database.Options) => Database.Database;
  export = Database;
}
