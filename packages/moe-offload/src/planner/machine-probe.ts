import { Arena, type Device, GgmlLibrary, StagingMemory, TENSOR_TYPE } from "@fmlab/ggml";
import type { DeviceName } from "../engine/device/device-names.ts";
import { findDevice } from "../engine/device/find-device.ts";
import { MoeError } from "../errors.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { AlignedReader, type ReadMode, readBuffer } from "../tiers/aligned-reader.ts";
import { ExpertFiles, ReadError } from "../tiers/expert-files.ts";
import { expertTable, PART_COUNT } from "../tiers/expert-table.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";

/** What was measured of a machine's memories. */
export interface MachineProbe {
  /** Reading experts of the model from its disk. */
  readonly disk: LinkOptions;
  /** `buffered` where the page cache could not be bypassed: then the disk may be slower. */
  readonly readMode: ReadMode;
  /** Copying an expert from host memory to fast memory: main memory too, or that of a card. */
  readonly copy: LinkOptions;
  /** Experts that were read. */
  readonly expertsRead: number;
}

/**
 * Experts read, and the most time that may take; chosen so that a probe takes a fraction of 1 s.
 */
const READS_MAX = 64;
const READ_MS_MAX = 400;
/** Memory that copies go through: more than caches hold. */
const COPY_BYTES = 64 * 2 ** 20;
const COPIES = 32;

/** A read this short is delay alone. */
const SHORT_READ_BYTES = 4096;

/**
 * Measures how experts come to memory on this machine: reads of whole experts in a scattered order
 * as decoding reads them, and copies between two places in memory. The delay of an expert is that
 * of short reads at the same places, one for each of its parts; what is left of its time is
 * bandwidth: `t = delay + bytes / bandwidth`.
 *
 * @param name  what has the fast memory
 * @throws MoeError `EXPERT_UNREADABLE`; EngineError `NO_DEVICE`, GgmlError for a lack of memory
 */
export function probeMachine(
  layout: ExpertLayout,
  nowMs: () => number,
  name: DeviceName = "cpu",
): MachineProbe {
  const disk = probeDisk(layout, nowMs);
  const device = findDevice(GgmlLibrary.load(), name);
  const { expertBytes } = layout;
  const copy = device.isHost
    ? probeCopy(expertBytes, nowMs)
    : probeCardCopy(device, expertBytes, nowMs);
  return { ...disk, copy };
}

function probeDisk(layout: ExpertLayout, nowMs: () => number) {
  const table = expertTable(layout);
  let files: ExpertFiles | undefined;
  let short: AlignedReader | undefined;
  try {
    files = new ExpertFiles(table, "direct");
    short = new AlignedReader(table.paths[0] ?? "", readBuffer(SHORT_READ_BYTES));
    const sums = { shortMs: 0, wholeMs: 0, bytes: 0, reads: 0 };
    const startMs = nowMs();
    for (const key of scattered(layout)) {
      if (sums.reads === READS_MAX || nowMs() - startMs > READ_MS_MAX) break;
      // Another expert's place, so that the drive has not just read it.
      const offset = table.offsets[key * PART_COUNT] ?? 0;
      const shortMs = nowMs();
      short.read(offset % Math.max(1, short.sizeBytes - SHORT_READ_BYTES), SHORT_READ_BYTES);
      const wholeMs = nowMs();
      for (let part = 0; part < PART_COUNT; part++) sums.bytes += files.read(key, part).length;
      sums.shortMs += wholeMs - shortMs;
      sums.wholeMs += nowMs() - wholeMs;
      sums.reads++;
    }
    return { disk: linkOf(sums), readMode: files.mode, expertsRead: sums.reads };
  } catch (error) {
    throw error instanceof ReadError ? unreadable(error) : error;
  } finally {
    files?.close();
    short?.close();
  }
}

function linkOf(sums: { shortMs: number; wholeMs: number; bytes: number; reads: number }) {
  const reads = Math.max(1, sums.reads);
  const meanMs = sums.wholeMs / reads;
  // A disk as slow for short reads as for long ones still has some bandwidth: a tenth of the time.
  const delayMs = Math.min((PART_COUNT * sums.shortMs) / reads, 0.9 * meanMs);
  const bandwidthMBps = rate(sums.bytes / reads, meanMs - delayMs);
  return { bandwidthMBps, latencyUs: delayMs * 1e3, queueDepth: 1 };
}

/**
 * Every expert once, each far from the one before: steps with no factor in common with their
 * number.
 */
function* scattered({ expertCount, moeLayers }: ExpertLayout): Iterable<number> {
  const total = moeLayers.length * expertCount;
  const divisor = (a: number, b: number): number => (b === 0 ? a : divisor(b, a % b));
  let step = Math.max(1, Math.floor(total * 0.618));
  while (divisor(total, step) !== 1) step++;
  for (let i = 0; i < total; i++) {
    const at = (i * step) % total;
    yield (moeLayers[Math.floor(at / expertCount)] ?? 0) * expertCount + (at % expertCount);
  }
}

function probeCopy(expertBytes: number, nowMs: () => number): LinkOptions {
  const size = Math.min(expertBytes, COPY_BYTES / 2);
  const from = new Uint8Array(Math.max(COPY_BYTES, size));
  const to = new Uint8Array(size);
  // Pages that were never written are all the same one.
  from.fill(1);
  const places = Math.floor(from.length / size);
  const times: number[] = [];
  for (let i = 0; i < COPIES; i++) {
    const at = ((i * 7) % places) * size;
    const beforeMs = nowMs();
    to.set(from.subarray(at, at + size));
    times.push(nowMs() - beforeMs);
  }
  times.sort((a, b) => a - b);
  const medianMs = times[COPIES / 2] ?? 0;
  return { bandwidthMBps: rate(size, medianMs), latencyUs: 0, queueDepth: 1 };
}

/** Copies of one expert's size from pinned memory, one after the other in one stream. */
function probeCardCopy(device: Device, expertBytes: number, nowMs: () => number): LinkOptions {
  const arena = new Arena(device.library, { tensorCountMax: 1 });
  const words = Math.max(1, Math.floor(expertBytes / 4));
  const target = arena.tensor(TENSOR_TYPE.I32, [words], "copied");
  const backend = device.open();
  let memory: StagingMemory | undefined;
  try {
    arena.allocate(device);
    memory = new StagingMemory(device, 4 * words);
    const { native } = device.library;
    const [to, from] = [target.pointer, memory.address];
    const times: number[] = [];
    for (let i = 0; i < COPIES; i++) {
      const beforeMs = nowMs();
      native.ggml_backend_tensor_set_async(backend.pointer, to, from, 0, 4 * words);
      backend.synchronize();
      times.push(nowMs() - beforeMs);
    }
    times.sort((a, b) => a - b);
    const medianMs = times[COPIES / 2] ?? 0;
    return { bandwidthMBps: rate(4 * words, medianMs), latencyUs: 0, queueDepth: 1 };
  } finally {
    backend.close();
    memory?.close();
    arena.close();
  }
}

/** MB/s, 1 MB = 1,000,000 bytes; a time too short to measure counts as a microsecond. */
function rate(bytes: number, ms: number): number {
  return bytes / (Math.max(ms, 1e-3) * 1e3);
}

function unreadable({ failure, message }: ReadError): MoeError {
  return new MoeError(
    `an expert could not be read: ${message}. Check the file and its disk, or get the file again.`,
    { code: "EXPERT_UNREADABLE", ...failure },
  );
}
