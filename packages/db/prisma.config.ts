import path from 'node:path'
import { existsSync } from 'node:fs'
import { defineConfig } from 'prisma/config'
// No native schema-engine is needed: the stand-in runs the WebAssembly build of it.
const shim = path.join(import.meta.dirname, 'scripts/schema-engine.mjs')
if (existsSync(shim)) process.env.PRISMA_SCHEMA_ENGINE_BINARY ??= shim
export default defineConfig({
  schema: 'prisma/schema.prisma',
  migrations: { path: 'prisma/migrations' },
  datasource: { url: process.env.DATABASE_URL ?? 'postgresql://offline:offline@127.0.0.1:1/offline' },
})
