import { readFile } from "node:fs/promises";
import { gunzipSync } from "node:zlib";
import type { RunContext } from "@fmlab/experiment";
import { MoeError } from "../errors.ts";

/** Bytes of text that are taken at most, unpacked; chosen, some 16 million tokens. */
const TEXT_BYTES_MAX = 64 * 1_048_576;

/** The text of a config, with a name for records. */
export interface TextInput {
  /** The file as the config names it, or "inline text". */
  readonly name: string;
  readonly text: string;
}

/**
 * The text an experiment is to measure on: a file, UTF-8, packed by gzip or not, or else the text
 * in the config itself.
 *
 * @throws ExperimentError `MISSING_FILE` | `FORBIDDEN_PATH`
 * @throws MoeError `BAD_TEXT` for a file that is no text, is too long, or cannot be read
 */
export async function readTextInput(
  ctx: Pick<RunContext, "resolveFile">,
  config: { readonly textFile: string; readonly text: string },
): Promise<TextInput> {
  const { textFile, text } = config;
  if (textFile === "") return { name: "inline text", text };
  const bytes = await readBytes(await ctx.resolveFile(textFile), textFile);
  try {
    return { name: textFile, text: new TextDecoder("utf-8", { fatal: true }).decode(bytes) };
  } catch (cause) {
    throw badText(textFile, "it is not UTF-8", cause);
  }
}

async function readBytes(path: string, name: string): Promise<Uint8Array> {
  let bytes: Uint8Array;
  try {
    bytes = await readFile(path);
    const isPacked = bytes[0] === 0x1f && bytes[1] === 0x8b;
    if (isPacked) bytes = gunzipSync(bytes, { maxOutputLength: TEXT_BYTES_MAX });
  } catch (cause) {
    throw badText(name, cause instanceof Error ? cause.message : String(cause), cause);
  }
  if (bytes.length <= TEXT_BYTES_MAX) return bytes;
  throw badText(name, `it has ${bytes.length} bytes; at most ${TEXT_BYTES_MAX} are taken`);
}

function badText(path: string, problem: string, cause?: unknown): MoeError {
  return new MoeError(
    `${path} cannot be used as a text: ${problem}. Give a UTF-8 text file, .txt or .txt.gz.`,
    { code: "BAD_TEXT", path, problem },
    { cause },
  );
}
