import { closeSync, openSync, readSync, rmSync, writeSync } from "node:fs";
import { CHUNK_SIZE, type LogBatch, type LogLine, type MetricBatch } from "@fmlab/api/protocol";
import type { MetricPoint } from "../context/run-event.ts";

/**
 * Sealed chunks kept in memory until acknowledged; further ones wait on disk. 24 bytes a point: 12
 * MB.
 */
const CHUNKS_IN_MEMORY_MAX = 500;
/** Chosen so that one report stays near 4 MB of JSON. */
const REPORT_CHARACTERS = 4_000_000;
const REPORT_CHUNKS_MAX = 100;
const POINT_CHARACTERS = 40;

/** One batch, for a curve or for the log. */
type Chunk = { metric: MetricBatch } | { log: LogBatch };
type Waiting = { chunk: Chunk } | { offset: number; sizeBytes: number };

interface OpenCurve {
  chunkNo: number;
  steps: number[];
  values: (number | null)[];
  timesMs: number[];
  /** Points of it that the server has. */
  acknowledged: number;
}

interface OpenLog {
  chunkNo: number;
  lines: LogLine[];
  acknowledged: number;
}

/** What to send next; `acknowledge` when the server has taken it. */
export interface Parcel {
  metrics: MetricBatch[];
  logs: LogBatch[];
  acknowledge(): void;
}

/**
 * Points and lines on their way to the server, kept until it has acknowledged them. They are
 * numbered in chunks; the open chunk of a curve is sent again, longer, and a sealed one never
 * changes, so a report may be repeated any number of times. When the server is away for long,
 * sealed chunks wait in a file: memory stays bounded and nothing is dropped.
 */
export class ChunkOutbox {
  readonly #spillFile: string;
  readonly #curves = new Map<string, OpenCurve>();
  #log: OpenLog = { chunkNo: 0, lines: [], acknowledged: 0 };
  #sealed: Waiting[] = [];
  #inMemory = 0;
  #spill: { file: number; sizeBytes: number } | undefined;
  /** Curves whose open chunk has points the server lacks. */
  readonly #dirty = new Set<string>();

  /** @param spillFile where sealed chunks wait when there are many; removed by `close` */
  constructor(spillFile: string) {
    this.#spillFile = spillFile;
  }

  addPoint(point: MetricPoint): void {
    let curve = this.#curves.get(point.key);
    if (curve === undefined) {
      curve = { chunkNo: 0, steps: [], values: [], timesMs: [], acknowledged: 0 };
      this.#curves.set(point.key, curve);
    }
    curve.steps.push(point.step);
    curve.values.push(point.value);
    curve.timesMs.push(point.timeMs);
    this.#dirty.add(point.key);
    if (curve.steps.length < CHUNK_SIZE) return;
    this.#seal({ metric: batchOf(point.key, curve, true) });
    const chunkNo = curve.chunkNo + 1;
    this.#curves.set(point.key, { chunkNo, steps: [], values: [], timesMs: [], acknowledged: 0 });
    this.#dirty.delete(point.key);
  }

  addLine(line: LogLine): void {
    this.#log.lines.push(line);
    if (this.#log.lines.length < CHUNK_SIZE) return;
    this.#seal({ log: { chunkNo: this.#log.chunkNo, sealed: true, lines: this.#log.lines } });
    this.#log = { chunkNo: this.#log.chunkNo + 1, lines: [], acknowledged: 0 };
  }

  /** True when a full chunk waits: no reason to wait for more. */
  get hasSealed(): boolean {
    return this.#sealed.length > 0;
  }

  get isEmpty(): boolean {
    return !this.hasSealed && this.#dirty.size === 0 && !this.#hasNewLines();
  }

  /** The oldest waiting chunks, up to a report's size; null when everything is acknowledged. */
  next(): Parcel | null {
    if (this.isEmpty) return null;
    const chunks: Chunk[] = [];
    let characters = 0;
    let taken = 0;
    const hasRoom = () => chunks.length < REPORT_CHUNKS_MAX && characters < REPORT_CHARACTERS;
    const put = (chunk: Chunk) => {
      chunks.push(chunk);
      characters += sizeOf(chunk);
    };
    for (const waiting of this.#sealed) {
      if (!hasRoom()) break;
      put(this.#read(waiting));
      taken += 1;
    }
    const curves: [OpenCurve, number, string][] = [];
    for (const key of this.#dirty) {
      const curve = this.#curves.get(key);
      if (curve === undefined || !hasRoom()) break;
      curves.push([curve, curve.steps.length, key]);
      put({ metric: batchOf(key, curve, false) });
    }
    const log = this.#log;
    const lines = hasRoom() && this.#hasNewLines() ? log.lines.slice() : [];
    if (lines.length > 0) put({ log: { chunkNo: log.chunkNo, sealed: false, lines } });
    return {
      metrics: chunks.flatMap((chunk) => ("metric" in chunk ? [chunk.metric] : [])),
      logs: chunks.flatMap((chunk) => ("log" in chunk ? [chunk.log] : [])),
      acknowledge: () => {
        this.#dropSealed(taken);
        for (const [curve, n, key] of curves) {
          curve.acknowledged = n;
          if (curve.steps.length === n && this.#curves.get(key) === curve) this.#dirty.delete(key);
        }
        log.acknowledged = Math.max(log.acknowledged, lines.length);
      },
    };
  }

  close(): void {
    this.#sealed = [];
    this.#dropSpill();
  }

  #hasNewLines(): boolean {
    return this.#log.lines.length > this.#log.acknowledged;
  }

  #seal(chunk: Chunk): void {
    if (this.#inMemory < CHUNKS_IN_MEMORY_MAX) {
      this.#inMemory += 1;
      this.#sealed.push({ chunk });
      return;
    }
    this.#spill ??= { file: openSync(this.#spillFile, "w+", 0o600), sizeBytes: 0 };
    const bytes = Buffer.from(JSON.stringify(chunk));
    const offset = this.#spill.sizeBytes;
    let written = 0;
    while (written < bytes.length) {
      written += writeSync(
        this.#spill.file,
        bytes,
        written,
        bytes.length - written,
        offset + written,
      );
    }
    this.#spill.sizeBytes += bytes.length;
    this.#sealed.push({ offset, sizeBytes: bytes.length });
  }

  #read(waiting: Waiting): Chunk {
    if ("chunk" in waiting) return waiting.chunk;
    const bytes = Buffer.alloc(waiting.sizeBytes);
    if (this.#spill === undefined) throw new Error("assertion failed: a spilled chunk has a file");
    let read = 0;
    while (read < bytes.length) {
      const got = readSync(
        this.#spill.file,
        bytes,
        read,
        bytes.length - read,
        waiting.offset + read,
      );
      if (got === 0) throw new Error(`${this.#spillFile} was cut short by someone else`);
      read += got;
    }
    return JSON.parse(bytes.toString()) as Chunk;
  }

  #dropSealed(count: number): void {
    for (const waiting of this.#sealed.splice(0, count)) {
      if ("chunk" in waiting) this.#inMemory -= 1;
    }
    if (!this.#sealed.some((waiting) => "offset" in waiting)) this.#dropSpill();
  }

  #dropSpill(): void {
    if (this.#spill === undefined) return;
    closeSync(this.#spill.file);
    rmSync(this.#spillFile, { force: true });
    this.#spill = undefined;
  }
}

function batchOf(key: string, curve: OpenCurve, sealed: boolean): MetricBatch {
  const { chunkNo, steps, values, timesMs } = curve;
  return {
    key,
    chunkNo,
    sealed,
    steps: steps.slice(),
    values: values.slice(),
    timesMs: timesMs.slice(),
  };
}

function sizeOf(chunk: Chunk): number {
  if ("metric" in chunk) return chunk.metric.steps.length * POINT_CHARACTERS;
  return chunk.log.lines.reduce((sum, line) => sum + line.text.length + POINT_CHARACTERS, 0);
}
