import path from "node:path";
import { ensureDatabase, startPostgres } from "../../packages/db/src/embedded.mjs";
import { log } from "./log.mjs";

/** Below the range that systems give to outgoing connections, so it is rarely taken by chance. */
const PORT = 25499;

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
  const options = {
    dir: path.join(home, "pg"),
    password,
    port: Number(process.env.FMLAB_PG_PORT || PORT),
    // Only fmlab connects: any free port does, unless the user asked for one.
    portIsFixed: Boolean(process.env.FMLAB_PG_PORT),
    logFile: path.join(home, "postgres.log"),
  };
  const server = await startPostgres(options);
  log(`Postgres ${server.reused ? "taken over" : "started"} on port ${server.port}`);
  supervisor.watch("postgres", server, () =>
    startPostgres({ ...options, port: server.port, portIsFixed: true }),
  );
  return ensureDatabase(server.url, "fmlab");
}
