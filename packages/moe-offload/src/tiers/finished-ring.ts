import type { FinishedLoad } from "../offload/lane.ts";

const FIELDS = 7;
/** Positions in the counters. */
const LOCK = 0;
const TAIL = 1;

/** Shared memory of a ring of finished loads. */
export interface FinishedMemory {
  /** A lock and the number of loads ever added (32 bits, wrapping). */
  readonly counters: Int32Array;
  /** `[capacity, FIELDS]`; the capacity is a power of two. */
  readonly fields: Float64Array;
}

/** Memory for `capacity` loads (a power of two) that have ended and were not taken yet. */
export function finishedMemory(capacity: number): FinishedMemory {
  return {
    counters: new Int32Array(new SharedArrayBuffer(8)),
    fields: new Float64Array(new SharedArrayBuffer(8 * FIELDS * capacity)),
  };
}

/** The position of the lock that those who add hold, in `counters`. */
export const FINISHED_LOCK = LOCK;

/** Adds a load; the caller holds the lock and has made sure that there is room. */
export function addFinished(memory: FinishedMemory, load: FinishedLoad): void {
  const tail = Atomics.load(memory.counters, TAIL);
  const { fields } = memory;
  const at = placeOf(fields, tail);
  fields[at] = load.key;
  fields[at + 1] = load.slot;
  fields[at + 2] = load.bytes;
  fields[at + 3] = load.urgency === "demand" ? 1 : 0;
  fields[at + 4] = load.submittedMs;
  fields[at + 5] = load.startMs;
  fields[at + 6] = load.endMs;
  Atomics.store(memory.counters, TAIL, (tail + 1) | 0);
}

/** Loads ever added, 32 bits, wrapping. */
export function finishedCount(memory: FinishedMemory): number {
  return Atomics.load(memory.counters, TAIL);
}

/** The load at a position below `finishedCount` that nobody has overwritten. */
export function finishedAt({ fields }: FinishedMemory, position: number): FinishedLoad {
  const at = placeOf(fields, position);
  return {
    key: fields[at] ?? 0,
    slot: fields[at + 1] ?? 0,
    bytes: fields[at + 2] ?? 0,
    urgency: fields[at + 3] === 1 ? "demand" : "prefetch",
    submittedMs: fields[at + 4] ?? 0,
    startMs: fields[at + 5] ?? 0,
    endMs: fields[at + 6] ?? 0,
  };
}

function placeOf(fields: Float64Array, position: number): number {
  return FIELDS * ((position >>> 0) % (fields.length / FIELDS));
}
