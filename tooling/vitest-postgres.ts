import { startTestPostgres } from "../packages/db/src/testing.ts";

/** Vitest's globalSetup of the projects that use Postgres; all of them share one server. */
export default async function setup(): Promise<() => Promise<void>> {
  return startTestPostgres();
}
