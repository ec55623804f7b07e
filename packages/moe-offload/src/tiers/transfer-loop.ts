import type { Urgency } from "../offload/lane.ts";
import type { ExpertFiles } from "./expert-files.ts";
import { expertBytes, PART_COUNT } from "./expert-table.ts";
import { addFinished, FINISHED_LOCK } from "./finished-ring.ts";
import { HOST } from "./host-directory.ts";
import { CONTROL, COUNTER, COUNTERS, type ReaderInput } from "./lane-memory.ts";
import { LinkGate } from "./link-gate.ts";
import { LoadQueue } from "./load-queue.ts";
import type { NativeMemory } from "./native-memory.ts";
import type { ReaderHost } from "./reader-host.ts";
import { IDLE_SPIN, type ReaderSignals, wakeWaiting } from "./reader-signals.ts";
import { SharedLock } from "./shared-lock.ts";
import { SLOT, SlotStates } from "./slot-states.ts";
import { staysAt, yieldCore } from "./yield-core.ts";

/** Share of the newest pause in the mean that decides how long an idle reader spins. */
const PAUSE_RATE = 0.2;

/** One load that this thread has taken. */
interface Claim {
  key: number;
  slot: number;
  ticket: number;
  bytes: number;
  urgency: Urgency;
}

/** Takes loads from the queues, demands first, and carries each out to its end. */
export class TransferLoop {
  readonly #input: ReaderInput;
  readonly #slots: NativeMemory;
  readonly #files: ExpertFiles;
  readonly #host: ReaderHost | undefined;
  readonly #signals: ReaderSignals;
  readonly #demands: LoadQueue;
  readonly #prefetches: LoadQueue;
  readonly #states: SlotStates;
  readonly #disk: LinkGate;
  readonly #fast: LinkGate;
  readonly #finishedLock: SharedLock;
  readonly #claim: Claim = { key: 0, slot: 0, ticket: 0, bytes: 0, urgency: "demand" };
  /** When the claimed transfer began on its first link. */
  #startMs = 0;
  /** Running mean of the pauses between loads, as far as this thread spun through them. */
  #pauseMs: number = IDLE_SPIN.leastMs;
  #lastEndMs = 0;

  constructor(
    input: ReaderInput,
    slots: NativeMemory,
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
    this.#disk = new LinkGate(input.disk, memory.diskLink, lock);
    this.#fast = new LinkGate(input.fast, memory.fastLink, lock);
    this.#finishedLock = new SharedLock(memory.finished.counters, FINISHED_LOCK);
  }

  /** Serves until the thread is to leave. @throws ReadError */
  run(): void {
    while (this.#signals.mayGoOn) {
      this.#signals.beat();
      const isClaimed =
        this.#take(this.#demands, "demand", SLOT.demandQueued) ||
        this.#take(this.#prefetches, "prefetch", SLOT.prefetchQueued);
      if (!isClaimed) this.#idle();
      else if (this.#transfer()) this.#finish();
      this.#count();
    }
  }

  #take(queue: LoadQueue, urgency: Urgency, queued: number): boolean {
    const { memory, table } = this.#input;
    while (queue.take()) {
      const { slot, ticket } = queue;
      // Read before the claim: after a withdrawal the slot may be given to another load.
      const key = memory.slotKeys[slot] ?? 0;
      if (!this.#states.change(slot, ticket, queued, SLOT.running)) continue;
      const claim = this.#claim;
      claim.key = key;
      claim.slot = slot;
      claim.ticket = ticket;
      claim.urgency = urgency;
      claim.bytes = expertBytes(table, key);
      return true;
    }
    return false;
  }

  /** False when the thread is to leave before the end. */
  #transfer(): boolean {
    const host = this.#host;
    const { key, slot } = this.#claim;
    const submittedMs = this.#input.memory.slotSubmittedMs[slot] ?? 0;
    const found = host === undefined ? HOST.miss : host.ask(key);
    if (found === HOST.filling) return false;
    if (host === undefined || found === HOST.miss) return this.#fromDisk(submittedMs, undefined);
    if (found === HOST.fill) return this.#fromDisk(submittedMs, host.slot);
    this.#add(COUNTER.hostHits, 1);
    const held = host.slot;
    try {
      return this.#fromHost(submittedMs, host, held);
    } finally {
      host.letGo(held);
    }
  }

  #fromHost(submittedMs: number, host: ReaderHost, held: number): boolean {
    const { key, slot, bytes } = this.#claim;
    const { sizesBytes } = this.#input.table;
    this.#fast.begin(submittedMs, this.#signals.nowMs(), bytes);
    this.#startMs = this.#fast.startMs;
    this.#expect(this.#fast.endMs);
    let offset = 0;
    for (let part = 0; part < PART_COUNT; part++) {
      const size = sizesBytes[key * PART_COUNT + part] ?? 0;
      this.#slots.write(slot * PART_COUNT + part, host.part(held, offset, size));
      offset += size;
    }
    return this.#fast.hold(this.#signals);
  }

  /** @param held place in host memory to fill as well */
  #fromDisk(submittedMs: number, held: number | undefined): boolean {
    const { key, slot, bytes } = this.#claim;
    if (this.#host) this.#add(COUNTER.hostMisses, 1);
    this.#add(COUNTER.diskBytes, bytes);
    this.#disk.begin(submittedMs, this.#signals.nowMs(), bytes);
    this.#startMs = this.#disk.startMs;
    this.#expect(this.#disk.endMs + this.#fast.durationMs(bytes));
    let offset = 0;
    for (let part = 0; part < PART_COUNT; part++) {
      const read = this.#files.read(key, part);
      this.#signals.beat();
      if (held !== undefined) this.#host?.put(held, offset, read);
      offset += read.length;
      this.#slots.write(slot * PART_COUNT + part, read);
    }
    if (!this.#disk.hold(this.#signals)) return false;
    if (held !== undefined) this.#host?.filled(held);
    // The bytes are in the slot; what is left is the time they take on the second link.
    this.#fast.begin(this.#disk.endMs, this.#signals.nowMs(), bytes);
    return this.#fast.hold(this.#signals);
  }

  #expect(endMs: number): void {
    const { memory } = this.#input;
    memory.slotExpectedMs[this.#claim.slot] = endMs;
    wakeWaiting(memory, this.#claim.slot);
  }

  #finish(): void {
    const { key, slot, ticket, bytes, urgency } = this.#claim;
    const { memory } = this.#input;
    const submittedMs = memory.slotSubmittedMs[slot] ?? 0;
    // The link may have begun before this thread was done with the one before.
    const startMs = Math.max(this.#startMs, this.#lastEndMs);
    this.#add(COUNTER.deliveredBytes, bytes);
    this.#finishedLock.guard(() => {
      const endMs = this.#signals.nowMs();
      this.#lastEndMs = endMs;
      addFinished(memory.finished, { key, slot, bytes, urgency, submittedMs, startMs, endMs });
      if (urgency === "prefetch") Atomics.add(memory.control, CONTROL.prefetchesFinished, 1);
    });
    this.#states.change(slot, ticket, SLOT.running, SLOT.ready);
    wakeWaiting(memory, slot);
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
    Atomics.add(control, CONTROL.sleepers, 1);
    if (this.#signals.mayGoOn) Atomics.wait(control, CONTROL.work, seen);
    Atomics.sub(control, CONTROL.sleepers, 1);
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
