import { existsSync } from "node:fs";
import path from "node:path";
import { defineConfig } from "prisma/config";

// No native schema engine is needed: the stand-in runs the WebAssembly build of it. A native one
// named by PRISMA_SCHEMA_ENGINE_BINARY takes precedence.
const standIn = path.join(import.meta.dirname, "scripts/schema-engine.mjs");
if (existsSync(standIn)) process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= standIn;

export default defineConfig({
  schema: "prisma/schema.prisma",
  migrations: { path: "prisma/migrations" },
  datasource: {
    url: process.env.DATABASE_URL ?? "postgresql://offline:offline@127.0.0.1:1/offline",
  },
});
