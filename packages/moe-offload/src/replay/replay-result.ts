import type { Routing } from "../offload/routing.ts";
import type { ScheduleCounts, Scheduler } from "../offload/scheduler.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import type { Trace } from "../traces/trace.ts";
import type { ReplayClock } from "./replay-clock.ts";
import type { VirtualLane } from "./virtual-lane.ts";

/** What happened in one layer, summed over the tokens that count. */
export interface LayerReplay {
  readonly layer: number;
  uses: number;
  hits: number;
  lateHits: number;
  /** Loads demanded by this layer, and prefetches that were begun while it computed. */
  demanded: number;
  prefetched: number;
  stallMs: number;
}

/** Milliseconds of an average token; the parts sum to the whole. */
export interface TokenTime {
  readonly totalMs: number;
  readonly computeMs: number;
  /** Starting graphs, and what misses cost beside waiting. */
  readonly overheadMs: number;
  /** Waiting for experts: transfer that computing did not hide. */
  readonly stallMs: number;
}

/** What no schedule of the same loads can beat: the slower of computing and moving. */
export interface ReplayBound {
  readonly computeMs: number;
  /** Bytes that were demanded or prefetched rightly, over the link's bandwidth. */
  readonly linkMs: number;
  readonly tokensPerSecond: number;
}

/** What a replay found; everything counts the tokens after warming up. */
export interface ReplayResult {
  readonly tokenCount: number;
  readonly elapsedMs: number;
  readonly tokensPerSecond: number;
  readonly tokenTime: TokenTime;
  readonly counts: ScheduleCounts;
  readonly bytes: {
    readonly demanded: number;
    readonly prefetched: number;
    /** Of `prefetched`: what was not chosen when its layer came. */
    readonly wasted: number;
  };
  readonly layers: readonly LayerReplay[];
  readonly bound: ReplayBound;
  /** Time in which the link, and the disk below it, were in use. */
  readonly linkBusyMs: number;
  readonly diskBusyMs: number;
}

/** The parts of a replay's options that sums need. */
interface TotalOptions {
  readonly link: LinkOptions;
  readonly expertBytes: (layer: number) => number;
}

/** Everything that only grows, at one moment. */
interface Reading {
  readonly token: number;
  readonly nowMs: number;
  readonly computeMs: number;
  readonly overheadMs: number;
  readonly linkBusyMs: number;
  readonly diskBusyMs: number;
  readonly submittedBytes: number;
  readonly counts: ScheduleCounts;
}

/** Sums up a replay as it runs. */
export class ReplayTotals {
  readonly #trace: Trace;
  readonly #options: TotalOptions;
  readonly #lane: VirtualLane;
  readonly #scheduler: Scheduler;
  readonly #clock: ReplayClock;
  #layers: LayerReplay[];
  #demandedBytes = 0;
  #wastedBytes = 0;
  /** Values when counting began. */
  #from: Reading;
  /** Of the scheduler's counts, when the current layer began. */
  #before: ScheduleCounts;

  constructor(
    trace: Trace,
    options: TotalOptions,
    lane: VirtualLane,
    scheduler: Scheduler,
    clock: ReplayClock,
  ) {
    this.#trace = trace;
    this.#options = options;
    this.#lane = lane;
    this.#scheduler = scheduler;
    this.#clock = clock;
    this.#from = this.#read(0);
    this.#before = { ...scheduler.counts };
    this.#layers = this.#emptyLayers();
  }

  /** Counting begins with this token. */
  begin(token: number): void {
    this.#from = this.#read(token);
    this.#layers = this.#emptyLayers();
    this.#demandedBytes = 0;
    this.#wastedBytes = 0;
  }

  /** A layer begins, attention first. */
  beginLayer(): void {
    Object.assign(this.#before, this.#scheduler.counts);
  }

  /** Its experts are released. */
  endLayer(index: number, routing: Routing): void {
    const { counts } = this.#scheduler;
    const before = this.#before;
    const sum = this.#layers[index];
    if (sum === undefined) return;
    sum.uses += counts.uses - before.uses;
    sum.hits += counts.hits - before.hits;
    sum.lateHits += counts.lateHits - before.lateHits;
    sum.demanded += counts.demanded - before.demanded;
    sum.prefetched += counts.prefetched - before.prefetched;
    sum.stallMs += counts.stallMs - before.stallMs;
    const bytes = this.#options.expertBytes(routing.layer);
    this.#demandedBytes += (counts.demanded - before.demanded) * bytes;
    this.#wastedBytes += (counts.prefetchesWasted - before.prefetchesWasted) * bytes;
  }

  /** What was found over the tokens from `begin` to the last. */
  result(tokenEnd: number): ReplayResult {
    const from = this.#from;
    const to = this.#read(tokenEnd);
    const tokenCount = to.token - from.token;
    const elapsedMs = to.nowMs - from.nowMs;
    const computeMs = to.computeMs - from.computeMs;
    const overheadMs = to.overheadMs - from.overheadMs;
    const prefetched = to.submittedBytes - from.submittedBytes - this.#demandedBytes;
    const perToken = (total: number) => (tokenCount === 0 ? 0 : total / tokenCount);
    const bound = this.#bound(perToken(computeMs), perToken(prefetched), perToken);
    return {
      tokenCount,
      elapsedMs,
      tokensPerSecond: elapsedMs === 0 ? 0 : (tokenCount / elapsedMs) * 1e3,
      tokenTime: {
        totalMs: perToken(elapsedMs),
        computeMs: perToken(computeMs),
        overheadMs: perToken(overheadMs),
        stallMs: perToken(Math.max(0, elapsedMs - computeMs - overheadMs)),
      },
      counts: difference(to.counts, from.counts),
      bytes: { demanded: this.#demandedBytes, prefetched, wasted: this.#wastedBytes },
      layers: this.#layers,
      bound,
      linkBusyMs: to.linkBusyMs - from.linkBusyMs,
      diskBusyMs: to.diskBusyMs - from.diskBusyMs,
    };
  }

  #bound(computeMs: number, prefetched: number, perToken: (total: number) => number): ReplayBound {
    const { bandwidthMBps } = this.#options.link;
    const useful = perToken(this.#demandedBytes) + prefetched - perToken(this.#wastedBytes);
    const linkMs = bandwidthMBps > 0 ? useful / (bandwidthMBps * 1e3) : 0;
    const ms = Math.max(computeMs, linkMs);
    return { computeMs, linkMs, tokensPerSecond: ms === 0 ? 0 : 1e3 / ms };
  }

  #read(token: number): Reading {
    const { computeMs, overheadMs } = this.#clock;
    const { linkBusyMs, diskBusyMs, submittedBytes } = this.#lane;
    const counts = { ...this.#scheduler.counts };
    const nowMs = this.#lane.nowMs();
    return { token, nowMs, computeMs, overheadMs, linkBusyMs, diskBusyMs, submittedBytes, counts };
  }

  #emptyLayers(): LayerReplay[] {
    return this.#trace.shape.moeLayers.map((layer) => ({
      layer,
      uses: 0,
      hits: 0,
      lateHits: 0,
      demanded: 0,
      prefetched: 0,
      stallMs: 0,
    }));
  }
}

function difference(after: ScheduleCounts, before: ScheduleCounts): ScheduleCounts {
  const counts = { ...after };
  for (const name of Object.keys(counts) as (keyof ScheduleCounts)[]) {
    counts[name] -= before[name];
  }
  return counts;
}
