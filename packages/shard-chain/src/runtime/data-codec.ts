import type { ByteReader, ByteWriter } from "../bytes/index.ts";
import type { Data } from "../protocol/data.ts";

const TAGS = ["null", "false", "true", "number", "bigint", "string", "list", "object"] as const;

/** Nesting that a reader follows; protocols of this package need 4. */
const DEPTH_MAX = 16;

/** Appends data for a socket. */
export function writeData(writer: ByteWriter, data: Data): void {
  const tag = tagOf(data);
  writer.byte(TAGS.indexOf(tag));
  if (typeof data === "number") writer.float(data);
  else if (typeof data === "string") writer.text(data);
  else if (typeof data === "bigint") writer.text(data.toString());
  else if (tag === "list") {
    const items = data as readonly Data[];
    writer.uint(items.length);
    for (const item of items) writeData(writer, item);
  } else if (tag === "object") {
    const entries = Object.entries(data as { readonly [name: string]: Data });
    writer.uint(entries.length);
    for (const [name, value] of entries) {
      writer.text(name);
      writeData(writer, value);
    }
  }
}

/**
 * Reads data back.
 *
 * @throws ShardChainError `BAD_BYTES`
 */
export function readData(reader: ByteReader, depth = 0): Data {
  if (depth > DEPTH_MAX) reader.fail("nested too deep");
  switch (TAGS[reader.byte()]) {
    case "null":
      return null;
    case "false":
      return false;
    case "true":
      return true;
    case "number":
      return reader.float();
    case "bigint":
      return readBigint(reader);
    case "string":
      return reader.text();
    case "list":
      return reader.list(() => readData(reader, depth + 1));
    case "object":
      return Object.fromEntries(
        // A name and a tag: two bytes at least.
        reader.list(() => [readName(reader), readData(reader, depth + 1)] as const, 2),
      );
    default:
      return reader.fail("unknown kind of data");
  }
}

function tagOf(data: Data): (typeof TAGS)[number] {
  if (data === null) return "null";
  if (typeof data === "boolean") return data ? "true" : "false";
  if (typeof data === "object") return Array.isArray(data) ? "list" : "object";
  return typeof data as "number" | "bigint" | "string";
}

function readBigint(reader: ByteReader): bigint {
  const text = reader.text();
  // 2^256 has 78 digits.
  if (!/^-?(0|[1-9][0-9]{0,77})$/.test(text) || text === "-0") reader.fail("no whole number");
  return BigInt(text);
}

function readName(reader: ByteReader): string {
  const name = reader.text();
  return name === "__proto__" ? reader.fail("a name that is reserved") : name;
}
