import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import pg from "pg";
import { log } from "./log.mjs";
import { runOnce } from "./process.mjs";

/**
 * Brings the database to the repository's schema. Skips the migration engine when nothing is
 * pending.
 */
export async function migrate(root, databaseUrl) {
  const folder = path.join(root, "packages/db");
  const wanted = migrations(path.join(folder, "prisma/migrations"));
  const applied = await appliedMigrations(databaseUrl);
  if (wanted.every(({ name, checksum }) => applied.get(name) === checksum)) return;
  const prisma = path.join(root, "node_modules/prisma/build/index.js");
  await runOnce("migrate", [prisma, "migrate", "deploy"], {
    cwd: folder,
    env: { DATABASE_URL: databaseUrl },
  });
  log("database migrated");
}

function migrations(folder) {
  return readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => {
      const sql = readFileSync(path.join(folder, name, "migration.sql"));
      return { name, checksum: createHash("sha256").update(sql).digest("hex") };
    });
}

async function appliedMigrations(databaseUrl) {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  try {
    const { rows } = await client.query(
      "select migration_name, checksum from _prisma_migrations where finished_at is not null",
    );
    return new Map(rows.map((row) => [row.migration_name, row.checksum]));
  } catch (error) {
    if (error.code === "42P01") return new Map(); // No such table: an empty database.
    throw error;
  } finally {
    await client.end();
  }
}
