import { assert, ExperimentError } from "@fmlab/experiment";
import { findDevice } from "../engine/device/find-device.ts";
import { EXPERT_PARTS } from "../engine/interfaces.ts";
import type { FinishedLoad, Lane, Urgency } from "../offload/lane.ts";
import type { ExpertKey } from "../offload/routing.ts";
import type { ReadMode } from "./aligned-reader.ts";
import { type ExpertRanges, type ExpertTable, expertTable, PART_COUNT } from "./expert-table.ts";
import { finishedAt, finishedCount } from "./finished-ring.ts";
import { layerRanks } from "./host-rules.ts";
import { HostTier, type HostTierOptions, NO_HOST_TIER } from "./host-tier.ts";
import { CONTROL, COUNTER, COUNTERS, type LaneMemory, laneMemory } from "./lane-memory.ts";
import { newLinkState } from "./link.ts";
import { FREE_LINK, type LinkOptions } from "./link-schedule.ts";
import { LoadQueue } from "./load-queue.ts";
import { MonotonicClock } from "./monotonic-clock.ts";
import { gatherRegions, type MemoryRegion } from "./native-memory.ts";
import { NAP_MS, SPIN_MS } from "./reader-signals.ts";
import { ReaderThreads, setting } from "./reader-threads.ts";
import { SLOT, SlotStates } from "./slot-states.ts";
import { type CardSlots, cardRegions, type SlotRegions } from "./slot-target.ts";
import { yieldCore } from "./yield-core.ts";

/** How a lane is opened. */
export interface TransferLaneOptions {
  layout: ExpertRanges;
  /**
   * Memory of each slot, by part in the order of `EXPERT_PARTS`. It stays the caller's, who keeps
   * it reachable and in its place until `close` has returned.
   */
  slots: readonly (readonly MemoryRegion[])[] | CardSlots;
  /** From disk to host memory; default: as fast as the machine is. */
  disk?: LinkOptions;
  /** From host memory to the slots; default: as fast as the machine is. */
  fast?: LinkOptions;
  /** Default: none; experts come straight from disk, over both links. */
  host?: HostTierOptions;
  /** Host memory that outlives the lane, in place of `host`; holds every expert, or files do. */
  hostTier?: HostTier;
  /**
   * Threads that move bytes, 1 to 16; default: one for all transfers, where there is host memory
   * one for each, at most 8.
   */
  readers?: number;
  /** `buffered` never tries to bypass the page cache. */
  readMode?: ReadMode;
  /** Shared memory of one entry; nonzero ends all waiting. */
  cancelFlag?: Int32Array;
  /** Gives the lane's times its zero; default: the time of opening. */
  clock?: MonotonicClock;
}

/** What a lane has done so far. */
export interface LaneCounts {
  /** Bytes asked of the file system, with what alignment adds. */
  fetchedBytes: number;
  /** Expert bytes that came from disk after the start, into slots or host memory. */
  diskBytes: number;
  /** Expert bytes put in slots. */
  deliveredBytes: number;
  /** Loads that found their expert in host memory, and that did not. */
  hostHits: number;
  hostMisses: number;
}

/**
 * Moves experts into slots in threads of its own while this thread computes. All talk goes through
 * shared memory, so that this thread needs no event loop and waits nowhere but in `waitFor`.
 *
 * What may happen to a slot is decided by one compare-and-exchange on its state (`SlotStates`): a
 * load is withdrawn, promoted or begun, whichever comes first. Only one thread may call a lane.
 */
export class TransferLane implements Lane {
  readonly #table: ExpertTable;
  readonly #ranks: Int32Array;
  readonly #memory: LaneMemory;
  readonly #states: SlotStates;
  readonly #demands: LoadQueue;
  readonly #prefetches: LoadQueue;
  readonly #slotBytes: Float64Array;
  readonly #clock: MonotonicClock;
  readonly #cancelFlag: Int32Array;
  readonly #threads: ReaderThreads;
  readonly #host: HostTier | undefined;
  readonly #isHostShared: boolean;
  /** Loads that have ended and were taken from shared memory, but not handed over. */
  #ended: FinishedLoad[] = [];
  /** Loads taken from shared memory so far, 32 bits, wrapping. */
  #taken = 0;
  #begun = 0;
  #withdrawn = 0;
  #prefetchesLeft = 0;
  #isClosed = false;

  /**
   * Starts the threads and returns when they are ready and host memory is preloaded.
   *
   * @throws MoeError `EXPERT_UNREADABLE` | `BAD_SETTING` | `HOST_MEMORY_UNAVAILABLE` |
   *         `TRANSFER_FAILED`, ExperimentError `CANCELLED`
   */
  constructor(options: TransferLaneOptions) {
    const { layout, slots, host = NO_HOST_TIER, disk = FREE_LINK, fast = FREE_LINK } = options;
    const depth = Math.min(8, Math.max(disk.queueDepth, fast.queueDepth));
    // Threads share host memory; where there is none, one thread moves all, and nobody is woken.
    const hasHost = options.hostTier !== undefined || host.budgetBytes > 0;
    // Copies to a card go through one stream, in order.
    const { readers = hasHost && !("places" in slots) ? depth : 1 } = options;
    setting("readers", readers, "a whole number from 1 to 16", readers >= 1 && readers <= 16);
    const parts = "places" in slots ? slots.places : slots;
    assert(parts.length > 0 && parts.every((one) => one.length === PART_COUNT), "slot parts");
    const links = { diskLink: newLinkState("disk", disk), fastLink: newLinkState("fast", fast) };
    const hostMode = options.hostTier?.plan.mode ?? host.mode;
    const threads = readers + (hasHost && hostMode === "window" ? 1 : 0);
    this.#memory = { ...laneMemory(parts.length, threads), ...links };
    const table = expertTable(layout);
    // What was never in a file is not looked for in one.
    const hasFiles = !(host.contents || options.hostTier?.holdsAll);
    this.#table = hasFiles ? table : { ...table, paths: [] };
    this.#ranks = layerRanks(this.#table.moeLayers);
    this.#slotBytes = Float64Array.from(parts.flat(), (region) => region.sizeBytes);
    this.#states = new SlotStates(this.#memory.slotStates);
    this.#demands = new LoadQueue(this.#memory.demands);
    this.#prefetches = new LoadQueue(this.#memory.prefetches);
    this.#clock = options.clock ?? new MonotonicClock();
    this.#cancelFlag = options.cancelFlag ?? new Int32Array(new SharedArrayBuffer(4));
    // A card is kept busy by the next copy being asked for before the one before is done.
    const copies = "places" in slots ? COPIES_ON_CARD : 1;
    const places = Math.max(copies, hasHost ? 1 : Math.ceil(depth / readers));
    const regions: SlotRegions =
      "places" in slots
        ? cardRegions(slots, places)
        : { kind: "host", map: gatherRegions(slots.flat()) };
    const card = "places" in slots ? findDevice(slots.library, slots.device) : undefined;
    this.#isHostShared = options.hostTier !== undefined;
    this.#host =
      options.hostTier ??
      (host.budgetBytes > 0 ? new HostTier(this.#table, host, card) : undefined);
    try {
      this.#threads = new ReaderThreads(threads, readers, {
        memory: this.#memory,
        table: this.#table,
        slots: regions,
        host: this.#host?.plan,
        disk,
        fast,
        places,
        preferred: options.readMode ?? "direct",
        zero: this.#clock.zero,
        cancelFlag: this.#cancelFlag,
      });
    } catch (error) {
      if (!this.#isHostShared) this.#host?.free();
      throw error;
    }
    this.#waitOpened();
  }

  nowMs(): number {
    return this.#clock.nowMs();
  }

  /** Host memory that experts pass through; undefined where there is none. */
  get host(): HostTier | undefined {
    return this.#host;
  }

  /** `buffered` when a file is read through the page cache. */
  get readMode(): ReadMode {
    return Atomics.load(this.#memory.control, CONTROL.isBuffered) === 1 ? "buffered" : "direct";
  }

  get pending(): number {
    const finished = finishedCount(this.#memory.finished);
    return (this.#begun - this.#withdrawn - finished) | 0;
  }

  get prefetchesPending(): number {
    const finished = Atomics.load(this.#memory.control, CONTROL.prefetchesFinished);
    return (this.#prefetchesLeft - finished) | 0;
  }

  submit(key: ExpertKey, slot: number, urgency: Urgency): void {
    this.#threads.throwIfFailed();
    this.#check(key, slot);
    const memory = this.#memory;
    this.#begun = (this.#begun + 1) | 0;
    // At most one load a slot is under way, and the ring holds twice as many.
    if (((this.#begun - this.#withdrawn - this.#taken) | 0) >= 2 * memory.slotKeys.length) {
      this.#takeEnded();
    }
    memory.slotKeys[slot] = key;
    memory.slotSubmittedMs[slot] = this.nowMs();
    memory.slotExpectedMs[slot] = 0;
    if (urgency === "demand") {
      this.#follow(key);
      const ticket = this.#states.submit(slot, SLOT.demandQueued);
      this.#demands.push(slot, ticket, this.#isDemand);
    } else {
      this.#prefetchesLeft = (this.#prefetchesLeft + 1) | 0;
      const ticket = this.#states.submit(slot, SLOT.prefetchQueued);
      this.#prefetches.push(slot, ticket, this.#isPrefetch);
    }
    this.#wakeReader();
  }

  /** The caller has put an expert's bytes into the slot itself, past the links. */
  adopt(slot: number): void {
    const state = this.#states.state(slot);
    assert(state === SLOT.idle || state === SLOT.ready, `slot ${slot} waits for a load`);
    this.#states.submit(slot, SLOT.ready);
  }

  promote(slot: number): void {
    const ticket = this.#states.ticket(slot);
    if (!this.#states.change(slot, ticket, SLOT.prefetchQueued, SLOT.demandQueued)) return;
    this.#prefetchesLeft = (this.#prefetchesLeft - 1) | 0;
    this.#demands.push(slot, ticket, this.#isDemand);
    this.#wakeReader();
  }

  withdraw(slot: number): boolean {
    const ticket = this.#states.ticket(slot);
    const isPrefetch = this.#states.change(slot, ticket, SLOT.prefetchQueued, SLOT.idle);
    if (isPrefetch) this.#prefetchesLeft = (this.#prefetchesLeft - 1) | 0;
    const isDone = isPrefetch || this.#states.change(slot, ticket, SLOT.demandQueued, SLOT.idle);
    if (isDone) this.#withdrawn = (this.#withdrawn + 1) | 0;
    return isDone;
  }

  isReady(slot: number): boolean {
    return this.#states.state(slot) === SLOT.ready;
  }

  /** @throws also MoeError `TRANSFER_FAILED` */
  waitFor(slot: number): void {
    if (this.isReady(slot)) return;
    const { control, slotExpectedMs } = this.#memory;
    const watch = this.#threads.watch(this.#clock);
    let spinUntilMs = this.nowMs() + SPIN_MS;
    for (;;) {
      for (let i = 0; i < LOADS_PER_LOOK; i++) if (this.isReady(slot)) return;
      this.#throwIfCancelled();
      this.#threads.throwIfFailed();
      assert(this.#states.state(slot) !== SLOT.idle, `nothing was submitted for slot ${slot}`);
      const nowMs = this.nowMs();
      const expectedMs = slotExpectedMs[slot] ?? 0;
      // Just before and after the time at which it should be ready, sleeping would be too long.
      if (Math.abs(expectedMs - nowMs) <= SPIN_MS || nowMs < spinUntilMs) {
        yieldCore();
        continue;
      }
      watch.check(nowMs);
      const sleepMs = expectedMs > nowMs ? expectedMs - nowMs - SPIN_MS : NAP_MS;
      const word = this.#states.word(slot);
      Atomics.store(control, CONTROL.waitingFor, slot + 1);
      if (!this.isReady(slot)) this.#states.sleep(slot, word, Math.min(sleepMs, NAP_MS));
      Atomics.store(control, CONTROL.waitingFor, 0);
      spinUntilMs = 0;
    }
  }

  drain(take: (load: FinishedLoad) => void): void {
    this.#threads.throwIfFailed();
    this.#takeEnded();
    const ended = this.#ended;
    if (ended.length === 0) return;
    this.#ended = [];
    for (const load of ended) take(load);
  }

  /**
   * Tells which layer is being computed, for the host tier's window. A demand for an expert of the
   * layer does so as well.
   */
  enterLayer(layer: number): void {
    const { control } = this.#memory;
    const rank = this.#ranks[layer] ?? -1;
    if (rank < 0 || Atomics.exchange(control, CONTROL.layerRank, rank) === rank) return;
    Atomics.notify(control, CONTROL.layerRank);
  }

  /** Sums over all threads. */
  counts(): LaneCounts {
    const { counters } = this.#memory;
    const sum = (counter: number) => {
      let total = 0;
      for (let at = counter; at < counters.length; at += COUNTERS) total += counters[at] ?? 0;
      return total;
    };
    return {
      fetchedBytes: sum(COUNTER.fetchedBytes),
      diskBytes: sum(COUNTER.diskBytes),
      deliveredBytes: sum(COUNTER.deliveredBytes),
      hostHits: sum(COUNTER.hostHits),
      hostMisses: sum(COUNTER.hostMisses),
    };
  }

  /**
   * Ends all transfers and returns when no thread touches the slots' memory or holds a file any
   * more. At once but for a read that is under way. Harmless when called twice.
   *
   * @throws MoeError `TRANSFER_FAILED` when a thread does not answer; then the slots' memory must
   *         not be freed
   */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#threads.leave(this.#cancelFlag);
    if (!this.#isHostShared) this.#host?.free();
  }

  #waitOpened(): void {
    try {
      this.#threads.waitOpened(() => this.#throwIfCancelled());
    } catch (error) {
      this.close();
      throw error;
    }
  }

  #takeEnded(): void {
    const { finished } = this.#memory;
    for (const count = finishedCount(finished); this.#taken !== count; ) {
      this.#ended.push(finishedAt(finished, this.#taken));
      this.#taken = (this.#taken + 1) | 0;
    }
  }

  #check(key: ExpertKey, slot: number): void {
    const { sizesBytes } = this.#table;
    const state = this.#states.state(slot);
    const isFree = state === SLOT.idle || state === SLOT.ready;
    assert(isFree && !this.#isClosed, `slot ${slot} waits for a load already, or is none`);
    for (let part = 0; part < PART_COUNT; part++) {
      const size = sizesBytes[key * PART_COUNT + part] ?? 0;
      const room = this.#slotBytes[slot * PART_COUNT + part];
      if (size === room && size > 0) continue;
      throw new RangeError(
        `expert ${key} has ${size} bytes of ${EXPERT_PARTS[part]}, slot ${slot} holds ${room}`,
      );
    }
  }

  // Layers are computed in order, so a demand tells where the computation is.
  #follow(key: ExpertKey): void {
    if (this.#host !== undefined) this.enterLayer(Math.floor(key / this.#table.expertCount));
  }

  #wakeReader(): void {
    const { control } = this.#memory;
    Atomics.add(control, CONTROL.work, 1);
    if (Atomics.load(control, CONTROL.sleepers) > 0) Atomics.notify(control, CONTROL.work, 1);
  }

  #throwIfCancelled(): void {
    if (Atomics.load(this.#cancelFlag, 0) === 0) return;
    throw new ExperimentError("the run was cancelled", { code: "CANCELLED" });
  }

  readonly #isDemand = (slot: number, ticket: number) =>
    this.#states.isLoad(slot, ticket, SLOT.demandQueued);
  readonly #isPrefetch = (slot: number, ticket: number) =>
    this.#states.isLoad(slot, ticket, SLOT.prefetchQueued);
}

/** Copies that one thread has under way on a card. Chosen: one under way, one waiting behind it. */
const COPIES_ON_CARD = 2;

/** Looks at a slot's state between two looks at the clock: some 2 us. */
const LOADS_PER_LOOK = 200;
