import { closeSync, openSync, readFileSync, renameSync, rmSync, writeSync } from "node:fs";
import { gzipSync } from "node:zlib";
import { MoeError } from "../errors.ts";
import { badTrace, checkTrace, type Trace } from "./trace.ts";
import type { TraceBlock, TraceContents } from "./trace-block.ts";
import { blockOf, contentsOf } from "./trace-block.ts";
import { decodeTrace, encodeBlock, encodeEnd, encodeHeader } from "./trace-format.ts";
import type { TraceSink } from "./trace-recorder.ts";

/** Tokens of a block when a whole trace is written. */
const BLOCK_TOKENS = 1024;

/**
 * Reads and checks a trace file, gzip or plain.
 *
 * @throws MoeError `BAD_TRACE` when it is missing or any byte of it is wrong
 */
export function readTrace(path: string): Trace {
  let bytes: Buffer;
  try {
    bytes = readFileSync(path);
  } catch (cause) {
    const problem = `it cannot be read (${(cause as Error).message})`;
    throw badTrace(path, problem, "Check the path and its permissions.");
  }
  return decodeTrace(bytes, path);
}

/**
 * Writes a trace in one go.
 *
 * @throws MoeError `BAD_TRACE` for a trace that could not be read again, `TRACE_NOT_WRITTEN`
 */
export function writeTrace(path: string, trace: Trace, options = { gzip: true }): void {
  checkTrace(trace, path);
  const writer = new TraceFileWriter(path, contentsOf(trace), options);
  for (let from = 0; from < trace.tokenCount; from += BLOCK_TOKENS) {
    writer.write(blockOf(trace, from, Math.min(trace.tokenCount, from + BLOCK_TOKENS)));
  }
  writer.close();
}

/**
 * A sink that writes blocks to a file as they come. The file appears under its name when `close`
 * has written its end; until then, and after a failure, there is none.
 */
export class TraceFileWriter implements TraceSink {
  readonly #path: string;
  readonly #partPath: string;
  readonly #contents: TraceContents;
  readonly #isGzip: boolean;
  #fd: number | undefined;
  #tokenCount = 0;

  /** @throws MoeError `TRACE_NOT_WRITTEN` */
  constructor(path: string, contents: TraceContents, options = { gzip: true }) {
    this.#path = path;
    this.#partPath = `${path}.part`;
    this.#contents = contents;
    this.#isGzip = options.gzip;
    try {
      this.#fd = openSync(this.#partPath, "w");
    } catch (cause) {
      throw notWritten(path, cause);
    }
    this.#append(encodeHeader(contents));
  }

  /** @throws MoeError `TRACE_NOT_WRITTEN`, also after `close` */
  write(block: TraceBlock): void {
    this.#append(encodeBlock(block));
    this.#tokenCount += block.tokenCount;
  }

  /** Ends the file and gives it its name. @throws MoeError `TRACE_NOT_WRITTEN` */
  close(): void {
    this.#append(encodeEnd(this.#contents, this.#tokenCount));
    try {
      this.#release();
      renameSync(this.#partPath, this.#path);
    } catch (cause) {
      this.discard();
      throw notWritten(this.#path, cause);
    }
  }

  /** Gives up: leaves no file and no open handle. Harmless when called again or after `close`. */
  discard(): void {
    this.#release();
    rmSync(this.#partPath, { force: true });
  }

  #append(bytes: Buffer): void {
    if (this.#fd === undefined) throw notWritten(this.#path, new Error("it is closed already"));
    const out = this.#isGzip ? gzipSync(bytes, { level: 1 }) : bytes;
    try {
      for (let at = 0; at < out.length; ) at += writeSync(this.#fd, out, at);
    } catch (cause) {
      this.discard();
      throw notWritten(this.#path, cause);
    }
  }

  #release(): void {
    const fd = this.#fd;
    this.#fd = undefined;
    if (fd !== undefined) closeSync(fd);
  }
}

function notWritten(path: string, cause: unknown): MoeError {
  const reason = (cause as Error).message;
  const todo = "Check the folder, its permissions and the free space.";
  return new MoeError(
    `the trace ${path} could not be written: ${reason}. ${todo}`,
    { code: "TRACE_NOT_WRITTEN", path, reason },
    { cause },
  );
}
