// Connections and the `cli` sub-commands of the schema-engine stand-in.
import pg from "pg";

/** Splits a Prisma connection string into what node-postgres understands and what it does not. */
export function connectionParts(connectionString) {
  const url = new URL(connectionString);
  const database = decodeURIComponent(url.pathname.slice(1)) || "postgres";
  const schema = url.searchParams.get("schema") ?? "public";
  url.searchParams.delete("schema");
  const admin = new URL(url);
  admin.pathname = "/postgres";
  return { database, schema, url: url.toString(), adminUrl: admin.toString() };
}

/** Runs `use` on a fresh connection and closes it. */
export async function withClient(connectionString, use) {
  const client = new pg.Client({ connectionString });
  await client.connect();
  try {
    return await use(client);
  } finally {
    await client.end();
  }
}

const COMMANDS = {
  "can-connect-to-database": (parts) => withClient(parts.url, (c) => c.query("SELECT 1")),
  "create-database": (parts) =>
    withClient(parts.adminUrl, (c) =>
      c.query(`CREATE DATABASE ${c.escapeIdentifier(parts.database)}`),
    ),
  "drop-database": (parts) =>
    withClient(parts.adminUrl, (c) =>
      c.query(`DROP DATABASE ${c.escapeIdentifier(parts.database)} WITH (FORCE)`),
    ),
};

/** Does one `cli` command; returns the exit status and logs errors the way the CLI parses them. */
export async function runCommand(command, connectionString) {
  // The CLI drops the first line of stderr before it parses the rest.
  process.stderr.write("\n");
  const parts = connectionParts(connectionString);
  try {
    const run = Object.hasOwn(COMMANDS, command) ? COMMANDS[command] : undefined;
    if (!run) throw new Error(`the schema engine has no command ${command}`);
    await run(parts);
    return 0;
  } catch (error) {
    logError(userError(error, parts, new URL(connectionString)));
    return 1;
  }
}

/**
 * Postgres' and the network's codes as Prisma's
 * (https://www.prisma.io/docs/orm/reference/error-reference).
 */
function userError(error, parts, { hostname, port }) {
  switch (error.code) {
    case "3D000":
      return { code: "P1003", message: `Database \`${parts.database}\` does not exist` };
    case "28P01":
      return { code: "P1000", message: "Authentication failed against database server" };
    case "ECONNREFUSED":
      return {
        code: "P1001",
        message: `Can't reach database server at \`${hostname}:${port || 5432}\``,
      };
    default:
      return { code: error.code ?? "P1000", message: error.message };
  }
}

function logError({ code, message }) {
  const record = {
    timestamp: new Date().toISOString(),
    level: "ERROR",
    target: "schema_engine::logger",
    fields: { message, error_code: code, is_panic: false },
  };
  process.stderr.write(`${JSON.stringify(record)}\n`);
}
