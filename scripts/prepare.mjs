#!/usr/bin/env node
// Generates the Prisma client when it is missing or older than its schema. Runs after `npm ci`
// (npm's `prepare`) and again, cheaply, before start and test, so that a pulled schema change is
// never forgotten.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { runOnce } from "./start/process.mjs";

const root = path.resolve(import.meta.dirname, "..");

/** Writes packages/db/src/generated from the schema, unless it is up to date. */
export async function generateClient() {
  const folder = path.join(root, "packages/db");
  const stamp = path.join(folder, "src/generated/schema.sha256");
  const wanted = createHash("sha256")
    .update(readFileSync(path.join(folder, "prisma/schema.prisma")))
    .update(readFileSync(path.join(root, "node_modules/prisma/package.json")))
    .digest("hex");
  if (existsSync(stamp) && readFileSync(stamp, "utf8") === wanted) return;
  const prisma = path.join(root, "node_modules/prisma/build/index.js");
  await runOnce("prisma generate", [prisma, "generate"], { cwd: folder });
  writeFileSync(stamp, wanted);
}

if (process.argv[1] === import.meta.filename) await generateClient();
