import path from "node:path";
import { ensureDatabase, isListening, startPostgres } from "../../packages/db/src/embedded.mjs";
import { log } from "./log.mjs";

const PORT = 54399;

/**
 * `DATABASE_URL` when set; else the embedded Postgres of `home`, kept running by the supervisor.
 *
 * @returns the address of fmlab's database
 */
export async function startDatabase({ home, password, supervisor }) {
  if (process.env.DATABASE_URL) {
    log("using the Postgres of DATABASE_URL");
    return process.env.DATABASE_URL;
  }
  const wanted = Number(process.env.FMLAB_PG_PORT || PORT);
  // The port is private: any free one does, unless the user asked for one.
  const taken = await isListening(wanted);
  const options = {
    dir: path.join(home, "pg"),
    password,
    port: taken && !process.env.FMLAB_PG_PORT ? undefined : wanted,
    logFile: path.join(home, "postgres.log"),
  };
  const server = await startPostgres(options);
  log(`Postgres ${server.reused ? "taken over" : "started"} on port ${server.port}`);
  supervisor.watch("postgres", server, () => startPostgres({ ...options, port: server.port }));
  return ensureDatabase(server.url, "fmlab");
}
