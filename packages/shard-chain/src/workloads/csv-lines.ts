import { createReadStream } from "node:fs";
import { pipeline } from "node:stream";
import { createGunzip } from "node:zlib";
import { ShardChainError } from "../errors.ts";

/** A line of a CSV file, cut into its fields. */
export interface CsvLine {
  /** From 1, the header included. */
  readonly line: number;
  readonly fields: readonly string[];
}

/** The longest line read; call data of the largest transactions is 256 KB of hex. */
const LINE_CHARACTERS_MAX = 4_000_000;

/**
 * Streams the lines of a CSV file (RFC 4180, without line breaks inside fields), unpacking it when
 * its name ends in `.gz`. Empty lines are skipped. Memory stays bounded by the longest line.
 *
 * @throws ShardChainError `UNREADABLE`, `BAD_DATASET`
 */
export async function* readCsvLines(path: string): AsyncGenerator<CsvLine> {
  let line = 0;
  let rest = "";
  for await (const chunk of readText(path)) {
    const parts = (rest + chunk).split("\n");
    rest = parts.pop() ?? "";
    if (rest.length > LINE_CHARACTERS_MAX) throw tooLong(path, line + 1);
    for (const text of parts) {
      line++;
      const fields = splitLine(path, line, text);
      if (fields !== undefined) yield { line, fields };
    }
  }
  const fields = splitLine(path, line + 1, rest);
  if (fields !== undefined) yield { line: line + 1, fields };
}

async function* readText(path: string): AsyncGenerator<string> {
  const file = createReadStream(path);
  // The pipeline hands errors of the file on to who reads the unpacked stream.
  const stream = path.endsWith(".gz") ? pipeline(file, createGunzip(), () => undefined) : file;
  stream.setEncoding("utf8");
  try {
    for await (const chunk of stream) yield chunk as string;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ShardChainError(
      `${path} cannot be read: ${reason}`,
      { code: "UNREADABLE", path, reason },
      { cause: error },
    );
  } finally {
    file.destroy();
  }
}

function splitLine(path: string, line: number, raw: string): string[] | undefined {
  const text = raw.replace(/\r$/, "").replace(/^\uFEFF/, "");
  if (text === "") return undefined;
  if (!text.includes('"')) return text.split(",");
  const fields: string[] = [];
  // A field is quoted, with doubled quotes inside, or has no quote at all.
  const pattern = /(?:"((?:[^"]|"")*)"|([^",]*))(,|$)/gy;
  while (pattern.lastIndex <= text.length) {
    const match = pattern.exec(text);
    if (match === null) {
      const problem = "a quote that does not close, or text beside one";
      throw new ShardChainError(`${path}, line ${line}: ${problem}`, {
        code: "BAD_DATASET",
        path,
        line,
        problem,
      });
    }
    fields.push(match[1]?.replaceAll('""', '"') ?? match[2] ?? "");
    if (match[3] === "") break;
  }
  return fields;
}

function tooLong(path: string, line: number): ShardChainError {
  const problem = `longer than ${LINE_CHARACTERS_MAX} characters`;
  return new ShardChainError(`${path}, line ${line}: ${problem}; is this a CSV file?`, {
    code: "BAD_DATASET",
    path,
    line,
    problem,
  });
}
