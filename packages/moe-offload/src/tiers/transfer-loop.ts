import type { ExpertFiles } from "./expert-files.ts";
import { expertBytes, PART_COUNT } from "./expert-table.ts";
import { addFinished, FINISHED_LOCK } from "./finished-ring.ts";
import { HOST } from "./host-directory.ts";
import { CONTROL, COUNTER, COUNTERS, type ReaderInput } from "./lane-memory.ts";
import { LinkGate } from "./link-gate.ts";
import { LoadQueue } from "./load-queue.ts";
import type { ReaderHost } from "./reader-host.ts";
import { IDLE_SPIN, NAP_MS, type ReaderSignals, SPIN_MS, wakeWaiting } from "./reader-signals.ts";
import { SharedLock } from "./shared-lock.ts";
import { SLOT, SlotStates } from "./slot-states.ts";
import type { SlotTarget } from "./slot-target.ts";
import { STAGE, Transfer } from "./transfer.ts";
import { staysAt, yieldCore } from "./yield-core.ts";

/** Share of the newest pause in the mean that decides how long an idle reader spins. */
const PAUSE_RATE = 0.2;
/**
 * How often a thread that waits for the disk looks for new loads while it has places for them.
 * Waking it would cost the computing thread, which asks, far more than a look costs. Chosen.
 */
const LOOK_MS = 0.1;

/**
 * Takes loads from the queues, demands first, and carries each out to its end: as many at once as
 * the thread has places.
 */
export class TransferLoop {
  readonly #input: ReaderInput;
  readonly #slots: SlotTarget;
  readonly #files: ExpertFiles;
  readonly #host: ReaderHost | undefined;
  readonly #signals: ReaderSignals;
  readonly #demands: LoadQueue;
  readonly #prefetches: LoadQueue;
  readonly #states: SlotStates;
  readonly #finishedLock: SharedLock;
  readonly #transfers: readonly Transfer[];
  /** Running mean of the pauses between loads, as far as this thread spun through them. */
  #pauseMs: number = IDLE_SPIN.leastMs;
  /** Copies begun so far. */
  #copies = 0;
  /** When the last one of them was seen to be done. */
  #copyEndMs = 0;

  /** @param host  only with one place: a thread must not wait for what it fetches itself */
  constructor(
    input: ReaderInput,
    slots: SlotTarget,
    files: ExpertFiles,
    host: ReaderHost | undefined,
    signals: ReaderSignals,
  ) {
    const { memory } = input;
    this.#input = input;
    this.#slots = slots;
    this.#files = files;
    this.#host = host;
    this.#signals = signals;
    this.#demands = new LoadQueue(memory.demands);
    this.#prefetches = new LoadQueue(memory.prefetches);
    this.#states = new SlotStates(memory.slotStates);
    const lock = new SharedLock(memory.control, CONTROL.linkLock);
    this.#transfers = Array.from({ length: input.places }, (_, place) => {
      const disk = new LinkGate(input.disk, memory.diskLink, lock);
      return new Transfer(place, disk, new LinkGate(input.fast, memory.fastLink, lock));
    });
    this.#finishedLock = new SharedLock(memory.finished.counters, FINISHED_LOCK);
  }

  /** Serves until the thread is to leave. @throws ReadError */
  run(): void {
    const { control } = this.#input.memory;
    while (this.#signals.mayGoOn) {
      this.#signals.beat();
      const seen = Atomics.load(control, CONTROL.work);
      const free = this.#takeAll();
      if (free === this.#transfers.length) this.#idle();
      else if (!this.#advanceAll()) this.#rest(seen, free > 0);
      this.#count();
    }
  }

  /** Gives free places something to do; returns how many stay free. */
  #takeAll(): number {
    let free = 0;
    for (const transfer of this.#transfers) {
      if (transfer.stage !== STAGE.free) continue;
      const isTaken =
        this.#take(transfer, this.#demands, "demand", SLOT.demandQueued) ||
        this.#take(transfer, this.#prefetches, "prefetch", SLOT.prefetchQueued);
      if (isTaken) this.#begin(transfer);
      else free++;
    }
    return free;
  }

  #take(
    transfer: Transfer,
    queue: LoadQueue,
    urgency: Transfer["urgency"],
    queued: number,
  ): boolean {
    const { memory, table } = this.#input;
    while (queue.take()) {
      const { slot, ticket } = queue;
      // Read before the claim: after a withdrawal the slot may be given to another load.
      const key = memory.slotKeys[slot] ?? 0;
      if (!this.#states.change(slot, ticket, queued, SLOT.running)) continue;
      transfer.key = key;
      transfer.slot = slot;
      transfer.ticket = ticket;
      transfer.urgency = urgency;
      transfer.bytes = expertBytes(table, key);
      transfer.submittedMs = memory.slotSubmittedMs[slot] ?? 0;
      return true;
    }
    return false;
  }

  #begin(transfer: Transfer): void {
    const host = this.#host;
    const found = host === undefined ? HOST.miss : host.ask(transfer.key);
    // Still with another thread: this one is to leave.
    if (found === HOST.filling) return;
    if (found === HOST.hit && host) this.#copyFromHost(transfer, host);
    else this.#beginRead(transfer, found === HOST.fill && host ? host.slot : -1);
  }

  #copyFromHost(transfer: Transfer, host: ReaderHost): void {
    const { bytes, fast, key, slot, submittedMs } = transfer;
    const { sizesBytes } = this.#input.table;
    const held = host.slot;
    this.#add(COUNTER.hostHits, 1);
    fast.begin(submittedMs, this.#signals.nowMs(), bytes);
    transfer.startMs = fast.startMs;
    this.#expect(slot, fast.endMs);
    let offset = 0;
    for (let part = 0; part < PART_COUNT; part++) {
      const size = sizesBytes[key * PART_COUNT + part] ?? 0;
      this.#slots.write(slot * PART_COUNT + part, host.part(held, offset, size));
      offset += size;
    }
    transfer.held = held;
    this.#copy(transfer);
  }

  /** The writes to the slot are asked for; without a card they are done. */
  #copy(transfer: Transfer): void {
    this.#slots.mark(transfer.place);
    transfer.copyNumber = ++this.#copies;
    transfer.stage = STAGE.copying;
  }

  /** Waits for a copy on a card and lets go of where it came from. */
  #advanceCopy(transfer: Transfer): void {
    this.#slots.settle(transfer.place);
    if (transfer.held !== -1) this.#host?.letGo(transfer.held);
    transfer.held = -1;
    // A card copies in order: this one began when the one before was done.
    const nowMs = this.#signals.nowMs();
    transfer.fast.moved(nowMs, this.#copyEndMs);
    if (this.#slots.isAsync) transfer.startMs = Math.max(transfer.startMs, this.#copyEndMs);
    this.#copyEndMs = nowMs;
    transfer.stage = STAGE.onFast;
  }

  /** The copy begun first, if nothing else can move on meanwhile. */
  #oldestCopy(): Transfer | undefined {
    let oldest: Transfer | undefined;
    for (const transfer of this.#transfers) {
      if (transfer.stage !== STAGE.copying) continue;
      if (!oldest || transfer.copyNumber < oldest.copyNumber) oldest = transfer;
    }
    return oldest;
  }

  #beginRead(transfer: Transfer, held: number): void {
    const { bytes, disk, fast, key, place, slot, submittedMs } = transfer;
    if (this.#host) this.#add(COUNTER.hostMisses, 1);
    this.#add(COUNTER.diskBytes, bytes);
    transfer.held = held;
    transfer.partsMoved = 0;
    transfer.bytesMoved = 0;
    disk.begin(submittedMs, this.#signals.nowMs(), bytes);
    transfer.startMs = disk.startMs;
    this.#expect(slot, disk.endMs + fast.durationMs(bytes));
    this.#files.begin(key, place);
    transfer.stage = STAGE.reading;
  }

  /** Takes every transfer as far as it has come; false when none has moved on. */
  #advanceAll(): boolean {
    let hasMoved = false;
    for (const transfer of this.#transfers) {
      const { stage } = transfer;
      if (stage === STAGE.reading) this.#advanceRead(transfer);
      if (transfer.stage === STAGE.onDisk) this.#advanceDisk(transfer);
      if (transfer.stage === STAGE.copying && !this.#slots.isAsync) this.#advanceCopy(transfer);
      if (transfer.stage === STAGE.onFast) this.#advanceFast(transfer);
      hasMoved ||= transfer.stage !== stage;
    }
    if (hasMoved) return true;
    const copy = this.#oldestCopy();
    if (!copy) return false;
    this.#advanceCopy(copy);
    return true;
  }

  /** Moves what has arrived into the slot, while later parts are still on their way. */
  #advanceRead(transfer: Transfer): void {
    const { held, key, place, slot } = transfer;
    while (this.#files.hasArrived(place, transfer.partsMoved)) {
      const part = transfer.partsMoved++;
      const read = this.#files.read(key, part, place);
      this.#signals.beat();
      if (held !== -1) this.#host?.put(held, transfer.bytesMoved, read);
      this.#slots.write(slot * PART_COUNT + part, read);
      transfer.bytesMoved += read.length;
      if (transfer.partsMoved < PART_COUNT) continue;
      transfer.disk.moved(this.#signals.nowMs());
      transfer.stage = STAGE.onDisk;
      return;
    }
  }

  #advanceDisk(transfer: Transfer): void {
    const { bytes, disk, fast, held } = transfer;
    const nowMs = this.#signals.nowMs();
    if (nowMs < disk.endMs) return;
    if (held !== -1) this.#host?.filled(held);
    transfer.held = -1;
    fast.begin(disk.endMs, nowMs, bytes);
    this.#copy(transfer);
  }

  #advanceFast(transfer: Transfer): void {
    if (this.#signals.nowMs() < transfer.fast.endMs) return;
    this.#finish(transfer);
    transfer.stage = STAGE.free;
  }

  #expect(slot: number, endMs: number): void {
    const { memory } = this.#input;
    memory.slotExpectedMs[slot] = endMs;
    wakeWaiting(memory, slot);
  }

  #finish(transfer: Transfer): void {
    const { bytes, key, slot, submittedMs, ticket, urgency } = transfer;
    const { memory } = this.#input;
    // The link may have begun before this place was done with the one before.
    const startMs = Math.max(transfer.startMs, transfer.lastEndMs);
    this.#add(COUNTER.deliveredBytes, bytes);
    this.#finishedLock.guard(() => {
      const endMs = this.#signals.nowMs();
      transfer.lastEndMs = endMs;
      addFinished(memory.finished, { key, slot, bytes, urgency, submittedMs, startMs, endMs });
      if (urgency === "prefetch") Atomics.add(memory.control, CONTROL.prefetchesFinished, 1);
    });
    this.#states.change(slot, ticket, SLOT.running, SLOT.ready);
    wakeWaiting(memory, slot);
  }

  /** Nothing has moved on: waits until something may, or a free place may get a load. */
  #rest(seen: number, hasRoom: boolean): void {
    const nowMs = this.#signals.nowMs();
    let endMs = Number.POSITIVE_INFINITY;
    let isReading = false;
    for (const transfer of this.#transfers) {
      if (transfer.stage === STAGE.reading) isReading = true;
      else if (transfer.stage !== STAGE.free) endMs = Math.min(endMs, transfer.endMs);
    }
    const sleepMs = Math.max(0, Math.min(endMs - nowMs - SPIN_MS, NAP_MS));
    if (isReading) this.#files.waitForAny(hasRoom ? Math.min(sleepMs, LOOK_MS) : sleepMs);
    else if (!hasRoom) this.#signals.waitUntil(endMs);
    else if (sleepMs > 0) this.#sleep(seen, sleepMs);
    else if (staysAt(this.#input.memory.control, CONTROL.work, seen)) yieldCore();
  }

  /** Sleeps until there is more work than was seen. */
  #sleep(seen: number, timeoutMs = Number.POSITIVE_INFINITY): void {
    const { control } = this.#input.memory;
    Atomics.add(control, CONTROL.sleepers, 1);
    if (this.#signals.mayGoOn) Atomics.wait(control, CONTROL.work, seen, timeoutMs);
    Atomics.sub(control, CONTROL.sleepers, 1);
  }

  // One idle thread spins for a while, since waking it costs more than a fast transfer; then it
  // sleeps.
  #idle(): void {
    const { control } = this.#input.memory;
    const seen = Atomics.load(control, CONTROL.work);
    if (!this.#isIdle()) return;
    if (Atomics.compareExchange(control, CONTROL.spinner, 0, 1) === 0) {
      const sinceMs = this.#signals.nowMs();
      const untilMs = sinceMs + this.#spinMs();
      while (this.#signals.nowMs() < untilMs && this.#signals.mayGoOn) {
        if (!staysAt(control, CONTROL.work, seen)) break;
        yieldCore();
      }
      Atomics.store(control, CONTROL.spinner, 0);
      const pauseMs = this.#signals.nowMs() - sinceMs;
      this.#pauseMs += PAUSE_RATE * (pauseMs - this.#pauseMs);
    }
    this.#sleep(seen);
  }

  #spinMs(): number {
    const { leastMs, mostMs, pauses } = IDLE_SPIN;
    return Math.min(mostMs, Math.max(leastMs, pauses * this.#pauseMs));
  }

  #isIdle(): boolean {
    return this.#demands.isEmpty && this.#prefetches.isEmpty;
  }

  #add(counter: number, by: number): void {
    const { memory, index } = this.#input;
    const at = index * COUNTERS + counter;
    memory.counters[at] = (memory.counters[at] ?? 0) + by;
  }

  #count(): void {
    const { memory, index } = this.#input;
    memory.counters[index * COUNTERS + COUNTER.fetchedBytes] = this.#files.fetchedBytes;
  }
}
