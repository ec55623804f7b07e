// Prisma's schema engine as WebAssembly, over the node-postgres driver adapter.
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import path from "node:path";
import { PrismaPg } from "@prisma/adapter-pg";
import { bindMigrationAwareSqlAdapterFactory, ColumnTypeEnum } from "@prisma/driver-adapter-utils";
import * as wasm from "@prisma/schema-engine-wasm/schema_engine_bg";
import { connectionParts, withClient } from "./schema-engine-database.mjs";

/**
 * Types of the catalogue's columns by Postgres' type oid. adapter-pg's own map lacks `"char"` (18),
 * which the engine reads.
 */
const COLUMN_TYPES = {
  16: ColumnTypeEnum.Boolean,
  17: ColumnTypeEnum.Bytes,
  18: ColumnTypeEnum.Character,
  20: ColumnTypeEnum.Int64,
  21: ColumnTypeEnum.Int32,
  23: ColumnTypeEnum.Int32,
  26: ColumnTypeEnum.Int64,
  114: ColumnTypeEnum.Json,
  700: ColumnTypeEnum.Float,
  701: ColumnTypeEnum.Double,
  1000: ColumnTypeEnum.BooleanArray,
  1002: ColumnTypeEnum.CharacterArray,
  1003: ColumnTypeEnum.TextArray,
  1005: ColumnTypeEnum.Int32Array,
  1007: ColumnTypeEnum.Int32Array,
  1009: ColumnTypeEnum.TextArray,
  1015: ColumnTypeEnum.TextArray,
  1016: ColumnTypeEnum.Int64Array,
  1028: ColumnTypeEnum.Int64Array,
  1082: ColumnTypeEnum.Date,
  1083: ColumnTypeEnum.Time,
  1114: ColumnTypeEnum.DateTime,
  1184: ColumnTypeEnum.DateTime,
  1700: ColumnTypeEnum.Numeric,
  2950: ColumnTypeEnum.Uuid,
  3802: ColumnTypeEnum.Json,
};

/** Changes an adapter-pg connection in the two places where the schema engine needs more. */
function forMigrations(connection) {
  connection.queryRaw = async (query) => {
    const { fields, rows } = await connection.performIO(query);
    return {
      columnNames: fields.map((f) => f.name),
      columnTypes: fields.map((f) => COLUMN_TYPES[f.dataTypeID] ?? ColumnTypeEnum.Text),
      rows,
    };
  };
  // The adapter splits a script at every `;`, also inside strings and $$ bodies. Postgres need not.
  connection.executeScript = async (script) => {
    try {
      await connection.underlyingDriver().query(script);
    } catch (error) {
      connection.onError(error);
    }
  };
  return connection;
}

const connectTo = async (connectionString) =>
  forMigrations(await new PrismaPg({ connectionString }).connect());

/** A throw-away database beside the real one, dropped when the engine disposes of it. */
async function connectToShadowDatabase(url) {
  const name = `prisma_migrate_shadow_db_${randomUUID()}`;
  await withClient(url, (c) => c.query(`CREATE DATABASE "${name}"`));
  const shadow = new URL(url);
  shadow.pathname = `/${name}`;
  const connection = await connectTo(shadow.toString());
  const dispose = connection.dispose.bind(connection);
  connection.dispose = async () => {
    await dispose();
    await withClient(url, (c) => c.query(`DROP DATABASE IF EXISTS "${name}" WITH (FORCE)`));
  };
  return connection;
}

function loadWasm() {
  const require = createRequire(import.meta.url);
  const folder = path.dirname(require.resolve("@prisma/schema-engine-wasm/schema_engine_bg"));
  const bytes = readFileSync(path.join(folder, "schema_engine_bg.wasm"));
  const module = new WebAssembly.Module(bytes);
  const instance = new WebAssembly.Instance(module, { "./schema_engine_bg.js": wasm });
  wasm.__wbg_set_wasm(instance.exports);
  instance.exports.__wbindgen_start();
}

/** The engine for the given schema files and data source; its methods are the JSON-RPC methods. */
export async function createEngine({ datamodels, datasource }) {
  loadWasm();
  const schemas = await Promise.all(
    datamodels.map(async (file) => [file, await readFile(file, "utf8")]),
  );
  const { url, schema } = connectionParts(
    datasource?.url ?? "postgresql://offline:offline@127.0.0.1:1/offline",
  );
  const factory = new PrismaPg({ connectionString: url, max: 5 }, { schema });
  const connect = factory.connect.bind(factory);
  factory.connect = async () => forMigrations(await connect());
  factory.connectToShadowDb = () =>
    datasource?.shadowDatabaseUrl
      ? connectTo(datasource.shadowDatabaseUrl)
      : connectToShadowDatabase(url);
  const log = (line) => {
    if (process.env.SCHEMA_ENGINE_LOG) process.stderr.write(`${line}\n`);
  };
  return wasm.SchemaEngine.new(
    { datamodels: schemas.length > 0 ? schemas : undefined },
    log,
    bindMigrationAwareSqlAdapterFactory(factory),
  );
}
