import { randomUUID } from "node:crypto";
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import pg from "pg";
import { startPostgres } from "./embedded.mjs";

const TEMPLATE = "fmlab_template";
const MIGRATIONS = path.join(import.meta.dirname, "../prisma/migrations");
const URL_VARIABLE = "FMLAB_TEST_PG_URL";

/** Starts the tests' throw-away Postgres with a migrated template; for vitest's `globalSetup`. */
export async function startTestPostgres(): Promise<() => Promise<void>> {
  if (process.env[URL_VARIABLE]) return async () => {};
  const dir = mkdtempSync(path.join(os.tmpdir(), "fmlab-test-pg-"));
  chmodSync(dir, 0o711); // Postgres' own user must be able to pass through.
  const server = await startPostgres({
    dir: path.join(dir, "data"),
    password: randomUUID(),
    logFile: path.join(dir, "postgres.log"),
    fsync: false,
  });
  await query(server.url, `create database ${TEMPLATE}`);
  await applyMigrations(named(server.url, TEMPLATE));
  process.env[URL_VARIABLE] = server.url;
  return async () => {
    delete process.env[URL_VARIABLE];
    await server.stop();
    rmSync(dir, { recursive: true, force: true });
  };
}

/** A migrated, empty database of its own for one test file. */
export async function createTestDatabase(): Promise<{ url: string; drop(): Promise<void> }> {
  const server = process.env[URL_VARIABLE];
  if (!server) {
    throw new Error(`${URL_VARIABLE} is not set: add startTestPostgres to the globalSetup`);
  }
  const name = `test_${randomUUID().replaceAll("-", "")}`;
  await query(server, `create database ${name} template ${TEMPLATE}`);
  return {
    url: named(server, name),
    drop: () => query(server, `drop database if exists ${name} with (force)`),
  };
}

/** Runs the migrations' SQL in order, without the migration engine's bookkeeping. */
async function applyMigrations(url: string): Promise<void> {
  const folders = readdirSync(MIGRATIONS, { withFileTypes: true }).filter((e) => e.isDirectory());
  for (const { name } of folders.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    await query(url, readFileSync(path.join(MIGRATIONS, name, "migration.sql"), "utf8"));
  }
}

async function query(url: string, sql: string): Promise<void> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}

function named(url: string, database: string): string {
  const own = new URL(url);
  own.pathname = `/${database}`;
  return own.toString();
}
