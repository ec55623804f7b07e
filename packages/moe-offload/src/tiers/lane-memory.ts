import type { ReadMode } from "./aligned-reader.ts";
import type { ExpertTable } from "./expert-table.ts";
import { type FinishedMemory, finishedMemory } from "./finished-ring.ts";
import type { HostTierPlan } from "./host-tier.ts";
import type { LinkOptions } from "./link-schedule.ts";
import { loadQueueLength } from "./load-queue.ts";
import type { SlotRegions } from "./slot-target.ts";

/** Entries of `LaneMemory.control`. */
export const CONTROL = {
  /** Counts up with every load asked for, to wake idle readers. */
  work: 0,
  /** Readers asleep until `work` changes. */
  sleepers: 1,
  /** 1 while an idle reader spins; others sleep. */
  spinner: 2,
  /** 1 asks all threads to leave. */
  stop: 3,
  /** Threads that are ready to work. */
  opened: 4,
  /** Threads that no longer touch any memory but this. */
  gone: 5,
  /** 0: all is well; 1: a thread is writing down its failure; 2: it is in `failure`. */
  failed: 6,
  failureBytes: 7,
  /** 1 + the slot the compute thread sleeps for; 0: none. */
  waitingFor: 8,
  linkLock: 9,
  prefetchesFinished: 10,
  /** Next entry of the preload list. */
  preloaded: 11,
  /** Rank of the layer being computed. */
  layerRank: 12,
  /** 1 when a file is read through the page cache. */
  isBuffered: 13,
  /** Entries of the preload list that have been dealt with. */
  preloadDone: 14,
} as const;
const CONTROL_WORDS = 15;

/** Entries per thread of `LaneMemory.counters`; each thread writes its own. */
export const COUNTER = {
  fetchedBytes: 0,
  diskBytes: 1,
  deliveredBytes: 2,
  hostHits: 3,
  hostMisses: 4,
} as const;
/** Counters of one thread. */
export const COUNTERS = 5;

/** Text of a failure, in bytes of UTF-8. */
const FAILURE_BYTES_MAX = 8192;

/** All that the compute thread and the reading threads share. Every array is shared memory. */
export interface LaneMemory {
  control: Int32Array;
  /** `[threads]`: counts up while the thread is alive and not inside one read. */
  beats: Int32Array;
  /** `[threads * COUNTERS]` */
  counters: Float64Array;
  /** `[slotCount]`, see `SlotStates`. */
  slotStates: Int32Array;
  /** `[slotCount]`: the expert of the load submitted last. */
  slotKeys: Int32Array;
  /** `[slotCount]`: when it was submitted. */
  slotSubmittedMs: Float64Array;
  /** `[slotCount]`: when its links will be done with it; 0 while nobody knows. */
  slotExpectedMs: Float64Array;
  demands: Int32Array;
  prefetches: Int32Array;
  finished: FinishedMemory;
  diskLink: Float64Array;
  fastLink: Float64Array;
  failure: Uint8Array;
}

/** What a reading thread is started with. */
export interface ReaderInput {
  memory: LaneMemory;
  table: ExpertTable;
  /** Memory of the slots; region `slot * PART_COUNT + part`. */
  slots: SlotRegions;
  host: HostTierPlan | undefined;
  disk: LinkOptions;
  fast: LinkOptions;
  preferred: ReadMode;
  /** Zero of the lane's clock. */
  zero: readonly [number, number];
  /** One shared entry; nonzero ends all waiting. */
  cancelFlag: Int32Array;
  /** Number of this thread. */
  index: number;
  /** Transfers that it carries out at once. */
  places: number;
  /** `transfer` serves the queues; `window` reads ahead into host memory. */
  role: "transfer" | "window";
  /** Where things are in `memory.control`, for the entry, which has no modules yet. */
  entries: typeof CONTROL;
}

/** Fresh shared memory for a lane, but for the links. */
export function laneMemory(
  slotCount: number,
  threads: number,
): Omit<LaneMemory, "diskLink" | "fastLink"> {
  const int32 = (length: number) => new Int32Array(new SharedArrayBuffer(4 * length));
  const float64 = (length: number) => new Float64Array(new SharedArrayBuffer(8 * length));
  // Twice the slots: at most one load a slot is under way, so that half is always room.
  const capacity = 2 ** Math.ceil(Math.log2(2 * slotCount));
  return {
    control: int32(CONTROL_WORDS),
    beats: int32(threads),
    counters: float64(threads * COUNTERS),
    slotStates: int32(slotCount),
    slotKeys: int32(slotCount),
    slotSubmittedMs: float64(slotCount),
    slotExpectedMs: float64(slotCount),
    demands: int32(loadQueueLength(capacity)),
    prefetches: int32(loadQueueLength(capacity)),
    finished: finishedMemory(capacity),
    failure: new Uint8Array(new SharedArrayBuffer(FAILURE_BYTES_MAX)),
  };
}
