import { assert } from "@fmlab/experiment";
import type { FinishedLoad, Lane, Urgency } from "../offload/lane.ts";
import type { ExpertKey } from "../offload/routing.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import { HostMemory, type HostMemoryOptions } from "./host-memory.ts";
import { VirtualLink } from "./virtual-link.ts";

/** A memory between disk and fast memory, and the link below it. */
export interface HostTier extends HostMemoryOptions {
  readonly disk: LinkOptions;
}

/** What a virtual lane is made of. */
export interface VirtualLaneOptions {
  readonly slotCount: number;
  /** Bytes of an expert. */
  readonly bytesOf: (key: ExpertKey) => number;
  /** Into fast memory. */
  readonly link: LinkOptions;
  /** Without it every expert lies right behind `link`. */
  readonly host?: HostTier;
}

/**
 * The lane of the replayer: a link, and below it perhaps host memory and a disk, in virtual time.
 * Time passes only by `advance` and `waitFor`. A load that misses host memory passes the disk's
 * link, then the link; the two links work at the same time on different loads.
 */
export class VirtualLane implements Lane {
  readonly #options: VirtualLaneOptions;
  readonly #link: VirtualLink;
  readonly #disk: VirtualLink | undefined;
  readonly #host: HostMemory | undefined;
  /** By slot: 1 while a load for it is queued or under way. */
  readonly #isBusy: Uint8Array;
  readonly #keyOf: Int32Array;
  readonly #isDemand: Uint8Array;
  readonly #submittedMs: Float64Array;
  /** When the first transfer of the load began; -1 before. */
  readonly #startMs: Float64Array;
  #nowMs = 0;
  #prefetchesPending = 0;
  #pending = 0;
  #submittedBytes = 0;
  #finished: FinishedLoad[] = [];

  /** @throws MoeError `BAD_SETTING` */
  constructor(options: VirtualLaneOptions) {
    const { slotCount, host } = options;
    this.#options = options;
    this.#link = new VirtualLink("link", options.link);
    this.#disk = host && new VirtualLink("disk", host.disk);
    this.#host = host && new HostMemory(host, options.bytesOf);
    this.#isBusy = new Uint8Array(slotCount);
    this.#keyOf = new Int32Array(slotCount).fill(-1);
    this.#isDemand = new Uint8Array(slotCount);
    this.#submittedMs = new Float64Array(slotCount);
    this.#startMs = new Float64Array(slotCount);
  }

  get prefetchesPending(): number {
    return this.#prefetchesPending;
  }

  get pending(): number {
    return this.#pending;
  }

  /** Bytes of all loads asked for, but for those taken back. */
  get submittedBytes(): number {
    return this.#submittedBytes;
  }

  /** Milliseconds in which the link into fast memory was in use. */
  get linkBusyMs(): number {
    return this.#link.busyMs;
  }

  /** Milliseconds in which the disk was in use; 0 without one. */
  get diskBusyMs(): number {
    return this.#disk?.busyMs ?? 0;
  }

  nowMs(): number {
    return this.#nowMs;
  }

  /** True when the expert lies in host memory; it then counts as used now. */
  isInHost(key: ExpertKey): boolean {
    return this.#host?.use(key) ?? true;
  }

  /** Lets time pass while the computation works. */
  advance(ms: number): void {
    this.#nowMs += ms;
    this.#settle();
  }

  submit(key: ExpertKey, slot: number, urgency: Urgency): void {
    assert(this.#isBusy[slot] === 0, "a slot has one load at a time");
    this.#keyOf[slot] = key;
    this.#isDemand[slot] = urgency === "demand" ? 1 : 0;
    this.#submittedMs[slot] = this.#nowMs;
    this.#startMs[slot] = -1;
    this.#pending++;
    this.#submittedBytes += this.#options.bytesOf(key);
    if (urgency === "prefetch") this.#prefetchesPending++;
    const isOnDisk = this.#host !== undefined && !this.#host.use(key);
    this.#isBusy[slot] = 1;
    (isOnDisk ? this.#disk : this.#link)?.push(slot, urgency === "demand");
    this.#beginAll(this.#nowMs);
    this.#settle();
  }

  promote(slot: number): void {
    if (this.#isBusy[slot] === 0 || this.#isDemand[slot] === 1) return;
    this.#isDemand[slot] = 1;
    this.#prefetchesPending--;
    if (!this.#link.promote(slot)) this.#disk?.promote(slot);
  }

  withdraw(slot: number): boolean {
    // Once any transfer of it has begun, the load ends as usual.
    if (this.#startMs[slot] !== -1 || this.#isBusy[slot] === 0) return false;
    const isOut = this.#link.withdraw(slot) || (this.#disk?.withdraw(slot) ?? false);
    if (!isOut) return false;
    this.#submittedBytes -= this.#bytesOf(slot);
    this.#finish(slot);
    return true;
  }

  isReady(slot: number): boolean {
    return this.#isBusy[slot] === 0;
  }

  waitFor(slot: number): void {
    while (this.#isBusy[slot] === 1) {
      const nextMs = Math.min(this.#link.nextEndMs, this.#disk?.nextEndMs ?? Infinity);
      assert(nextMs < Infinity, "a load that was submitted ends");
      this.#nowMs = Math.max(this.#nowMs, nextMs);
      this.#endNext(nextMs);
    }
    this.#settle();
  }

  drain(take: (load: FinishedLoad) => void): void {
    if (this.#finished.length === 0) return;
    const finished = this.#finished;
    this.#finished = [];
    for (const load of finished) take(load);
  }

  /** Ends every transfer whose time has come. */
  #settle(): void {
    for (;;) {
      const nextMs = Math.min(this.#link.nextEndMs, this.#disk?.nextEndMs ?? Infinity);
      if (nextMs > this.#nowMs) return;
      this.#endNext(nextMs);
    }
  }

  /** Ends what ends at that time, then begins what may: what has just come goes by its urgency. */
  #endNext(nextMs: number): void {
    while (this.#link.nextEndMs === nextMs) {
      const flight = this.#link.end();
      if (flight) this.#arrive(flight.slot, nextMs);
    }
    while (this.#disk?.nextEndMs === nextMs) {
      const flight = this.#disk.end();
      if (flight) this.#reachHost(flight.slot);
    }
    this.#beginAll(nextMs);
  }

  #reachHost(slot: number): void {
    const key = this.#keyOf[slot] ?? -1;
    this.#host?.keep(key, this.#options.bytesOf(key));
    this.#link.push(slot, this.#isDemand[slot] === 1);
  }

  #arrive(slot: number, endMs: number): void {
    const key = this.#keyOf[slot] ?? -1;
    this.#finished.push({
      key,
      slot,
      bytes: this.#options.bytesOf(key),
      urgency: this.#isDemand[slot] === 1 ? "demand" : "prefetch",
      submittedMs: this.#submittedMs[slot] ?? 0,
      startMs: this.#startMs[slot] ?? 0,
      endMs,
    });
    this.#finish(slot);
  }

  #finish(slot: number): void {
    this.#isBusy[slot] = 0;
    this.#pending--;
    if (this.#isDemand[slot] === 0) this.#prefetchesPending--;
  }

  #beginAll(atMs: number): void {
    this.#disk?.begin(atMs, this.#bytesOf, (slot) => this.#start(slot, atMs));
    this.#link.begin(atMs, this.#bytesOf, (slot) => this.#start(slot, atMs));
  }

  #bytesOf = (slot: number): number => this.#options.bytesOf(this.#keyOf[slot] ?? -1);

  #start(slot: number, atMs: number): void {
    if (this.#startMs[slot] === -1) this.#startMs[slot] = atMs;
  }
}
