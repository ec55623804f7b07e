import { PrismaPg } from "@prisma/adapter-pg";
import { type Prisma, PrismaClient } from "./generated/client.ts";

export * from "./generated/client.ts";

/** The database: a Prisma client over node-postgres. */
export type Db = PrismaClient;
/** A database transaction; every function that writes state takes one. */
export type Tx = Prisma.TransactionClient;

/** How the client connects. */
export interface DbOptions {
  /** Connections kept at most (default 20: a web server's share of Postgres' 100). */
  poolSize?: number;
}

/**
 * Opens a client for `url`. Connects on the first query; call `$disconnect()` when done.
 *
 * @param url `postgresql://user:password@host:port/database`
 */
export function createDb(url: string, options: DbOptions = {}): Db {
  const adapter = new PrismaPg({
    connectionString: url,
    max: options.poolSize ?? 20,
    connectionTimeoutMillis: 10_000,
    // A dropped connection must not take the process with it; the next query opens another.
    keepAlive: true,
  });
  return new PrismaClient({
    adapter,
    errorFormat: "minimal",
    transactionOptions: { maxWait: 15_000, timeout: 60_000 },
  });
}
