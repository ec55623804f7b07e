import { assert } from "@fmlab/experiment";
import type { ExpertPolicy } from "../policies/policy.ts";
import type { ExpertPredictor } from "../predictors/predictor.ts";
import type { MissedOnCpu } from "./cpu-share.ts";
import type { FinishedLoad, Lane } from "./lane.ts";
import { LayerWatch } from "./layer-watch.ts";
import type { LateTwins } from "./low-precision.ts";
import { NoPrefetch, type PrefetchControl } from "./prefetch-control.ts";
import { Prefetcher } from "./prefetcher.ts";
import { Residency } from "./residency.ts";
import type { ExpertKey, Routing, RoutingShape } from "./routing.ts";
import { type SlotPlan, SlotTable } from "./slot-table.ts";

/** What a scheduler is made of. */
export interface SchedulerParts {
  readonly shape: RoutingShape;
  readonly plan: SlotPlan;
  readonly policy: ExpertPolicy;
  readonly lane: Lane;
  /** Without one, or with a control of width 0, nothing is prefetched. */
  readonly predictor?: ExpertPredictor | undefined;
  readonly control?: PrefetchControl;
  /** How many layers ahead are predicted, at least 1. */
  readonly depth?: number;
  /** With them, misses are computed in low precision. */
  readonly twins?: LateTwins | undefined;
  /** With it, the CPU computes some misses, or all. Not together with twins. */
  readonly cpuShare?: MissedOnCpu | undefined;
  /** Told of every load that has ended, in order of ending. */
  readonly onLoad?: (load: FinishedLoad) => void;
}

/** What has happened in each layer, `[layerCount]` each. */
export interface LayerCounts {
  readonly hits: Float64Array;
  readonly lateHits: Float64Array;
  readonly demanded: Float64Array;
  readonly cpuComputed: Float64Array;
  /** Time in which the computation waited for the layer's experts, ms. */
  readonly stallMs: Float64Array;
}

/** What has happened since the scheduler was made; counts of experts unless named otherwise. */
export interface ScheduleCounts {
  /** Experts that routers chose. */
  uses: number;
  /** Chosen experts that were in a slot, loaded. */
  hits: number;
  /** Chosen experts that were on their way to a slot. */
  lateHits: number;
  /** Loads that were demanded, and that were prefetched, bytes of both by the lane's count. */
  demanded: number;
  prefetched: number;
  /** Of those demanded: loaded and computed in low precision. */
  lowPrecision: number;
  /** Chosen experts that the CPU computed: neither hits nor demanded. */
  cpuComputed: number;
  /** Experts queued in full after they were computed in low precision or by the CPU. */
  upgraded: number;
  /** Prefetches that were chosen when their layer came, and that were not. */
  prefetchesUsed: number;
  prefetchesWasted: number;
  /** Prefetches taken back before their transfer began. */
  prefetchesWithdrawn: number;
  /** Time in which the computation waited for experts, ms. */
  stallMs: number;
}

/**
 * Has the experts of each layer brought into slots: asks the policy who stays, queues what is
 * missing as demanded loads, then what the predictor expects of later layers. Driven by the engine
 * in real time and by the replayer in virtual time. One layer at a time: `request` (or `demand` and
 * `lookAhead`), any of `isReady` and `waitFor`, then `release`.
 */
export class Scheduler {
  readonly counts: ScheduleCounts;
  readonly layerCounts: LayerCounts;
  /**
   * By chosen expert: its slot, `[expertUsedCount]`, or -1 where the CPU computes it; valid from
   * `request` to `release`.
   */
  readonly slots: Int32Array;
  readonly #parts: SchedulerParts;
  readonly #control: PrefetchControl;
  readonly #residency: Residency;
  readonly #prefetcher: Prefetcher | undefined;
  readonly #watch: LayerWatch;
  readonly #isMissing: Uint8Array;
  #layer = -1;
  /** What the router of the current layer said, until `lookAhead`. */
  #routing: Routing | undefined;

  constructor(parts: SchedulerParts) {
    const { shape, lane, policy, plan } = parts;
    this.#parts = parts;
    this.#control = parts.control ?? new NoPrefetch();
    this.slots = new Int32Array(shape.expertUsedCount);
    this.#isMissing = new Uint8Array(shape.expertUsedCount);
    this.counts = {
      uses: 0,
      hits: 0,
      lateHits: 0,
      demanded: 0,
      prefetched: 0,
      lowPrecision: 0,
      cpuComputed: 0,
      upgraded: 0,
      prefetchesUsed: 0,
      prefetchesWasted: 0,
      prefetchesWithdrawn: 0,
      stallMs: 0,
    };
    this.layerCounts = {
      hits: new Float64Array(shape.layerCount),
      lateHits: new Float64Array(shape.layerCount),
      demanded: new Float64Array(shape.layerCount),
      cpuComputed: new Float64Array(shape.layerCount),
      stallMs: new Float64Array(shape.layerCount),
    };
    const table = new SlotTable(plan, shape.layerCount * shape.expertCount);
    this.#residency = new Residency(table, shape, policy, lane, this.counts);
    this.#watch = new LayerWatch(this.#control, lane, this.counts, parts);
    this.#prefetcher =
      parts.predictor && this.#control.widthMax > 0
        ? new Prefetcher({
            shape,
            predictor: parts.predictor,
            control: this.#control,
            residency: this.#residency,
            lane,
            counts: this.counts,
            depth: parts.depth ?? 1,
          })
        : undefined;
  }

  /**
   * Gives experts their first slots, before any token.
   * @returns the slot of each, in the same order, for the caller to load; -1 where none is left, as
   *          when a policy that shares slots over layers wants more of one kind than there are
   */
  place(keys: Iterable<ExpertKey>): Int32Array {
    return Int32Array.from(keys, (key) => this.#residency.placeInitial(key));
  }

  /** Tells of the loads that have ended; `request` does so too. */
  settle(): void {
    this.#watch.settle();
  }

  /** True while the expert has a slot, be it loaded or on its way. */
  isResident(key: ExpertKey): boolean {
    return this.#residency.table.slotOf[key] !== -1;
  }

  /**
   * The router of a layer chose: fills `slots`, queues what is missing, then what later layers are
   * expected to need.
   *
   * @throws whatever the lane throws
   */
  request(routing: Routing): void {
    this.demand(routing);
    this.lookAhead();
  }

  /**
   * The first half of `request`: what the layer itself needs. Whoever has something to begin with
   * that does so before `lookAhead`. A control that fetches ahead before all else does so here.
   *
   * @throws whatever the lane throws
   */
  demand(routing: Routing): void {
    const { layer, experts } = routing;
    const { policy, shape } = this.#parts;
    assert(this.#layer === -1, "a layer is released before the next is requested");
    this.#layer = layer;
    this.#watch.begin(layer);
    this.cpuShare?.enter();
    policy.onRouting?.(routing);
    this.#prefetcher?.settle(routing);
    this.#parts.predictor?.observe(routing);
    const firstKey = layer * shape.expertCount;
    const missing = this.#lookUp(firstKey, experts);
    if (this.#control.beforeDemand) {
      // Twins have staging of their own.
      this.#residency.reserved = this.#parts.twins?.isOn ? 0 : missing;
      this.#prefetcher?.prefetch(routing);
      this.#residency.reserved = 0;
    }
    if (missing > 0) this.#supply(layer, firstKey, experts, missing);
    this.#routing = routing;
  }

  /**
   * The other half: what later layers are expected to need, and what is to stay though it was
   * computed elsewhere. Once a layer; `release` does it if nobody has.
   *
   * @throws whatever the lane throws
   */
  lookAhead(): void {
    const routing = this.#routing;
    if (!routing) return;
    this.#routing = undefined;
    const { layer, experts } = routing;
    if (!this.#control.beforeDemand) this.#prefetcher?.prefetch(routing);
    if (this.#isMissing.includes(1)) this.#upgrade(layer * this.#parts.shape.expertCount, experts);
  }

  /** What the CPU computes of the current layer; undefined when it never does. */
  get cpuShare(): MissedOnCpu | undefined {
    return this.#parts.cpuShare;
  }

  /** True when the `index`-th chosen expert may be computed with, where it is computed. */
  isReady(index: number): boolean {
    if (this.cpuShare?.has(index)) return true;
    return this.#parts.lane.isReady(this.slots[index] ?? 0);
  }

  /**
   * Returns when the `index`-th chosen expert may be computed with.
   * @throws whatever the lane throws
   */
  waitFor(index: number): void {
    const { lane } = this.#parts;
    const slot = this.slots[index] ?? 0;
    if (this.isReady(index)) return;
    const startMs = lane.nowMs();
    lane.waitFor(slot);
    const stallMs = lane.nowMs() - startMs;
    this.counts.stallMs += stallMs;
    add(this.layerCounts.stallMs, this.#layer, stallMs);
  }

  /** The layer's experts have been computed; their slots may be given to others. */
  release(): void {
    this.lookAhead();
    this.#residency.release();
    this.#parts.twins?.release();
    this.cpuShare?.release();
    this.#layer = -1;
  }

  /**
   * Changes how many slots layers have, for example when the context takes memory from them. Slots
   * that a layer loses are out of use until a layer of the same kind gains them.
   *
   * @param slots  by layer, for policies whose layers have slots of their own
   */
  resize(slots: readonly number[]): void {
    assert(this.#layer === -1, "slots are not resized while a layer needs them");
    this.#residency.resize(slots);
  }

  /** Leaves missing experts to the CPU, and queues the others. */
  #supply(layer: number, firstKey: ExpertKey, experts: Int32Array, missing: number): void {
    const { cpuShare } = this;
    const onCpu = cpuShare?.take(layer, firstKey, experts, this.#isMissing, missing) ?? 0;
    this.counts.cpuComputed += onCpu;
    add(this.layerCounts.cpuComputed, layer, onCpu);
    for (let i = 0; i < experts.length; i++) {
      if (this.#isMissing[i] === 0) continue;
      const key = firstKey + (experts[i] ?? 0);
      this.slots[i] = cpuShare?.has(i) ? -1 : this.#load(key, layer);
    }
    const demanded = missing - onCpu;
    if (demanded === 0) return;
    this.counts.demanded += demanded;
    add(this.layerCounts.demanded, layer, demanded);
    this.#watch.demanded();
  }

  /** Queues a missing expert, or its twin; returns the slot it will lie in. */
  #load(key: ExpertKey, layer: number): number {
    const { lane, twins } = this.#parts;
    if (!twins?.isOn) {
      const slot = this.#residency.demand(key, layer);
      lane.submit(key, slot, "demand");
      return slot;
    }
    const slot = twins.take(layer);
    lane.submit(twins.keyOf(key), slot, "demand");
    this.counts.lowPrecision++;
    return slot;
  }

  /**
   * Queues in full, behind all else, what is computed as a twin or by the CPU now and is to stay.
   * Without that a cache whose misses the CPU computes would stay what it was at first.
   */
  #upgrade(firstKey: ExpertKey, experts: Int32Array): void {
    const { cpuShare, lane, twins } = this.#parts;
    if (!cpuShare?.count && !(twins?.isOn && twins.upgrade)) return;
    const pendingMax = cpuShare?.admissionsMax ?? experts.length;
    for (let i = 0; i < experts.length; i++) {
      // A link that is behind has no time for them: the next use will be answered likewise.
      if (lane.prefetchesPending >= pendingMax) return;
      if (this.#isMissing[i] === 0 || cpuShare?.has(i) === false) continue;
      const key = firstKey + (experts[i] ?? 0);
      const slot = this.#residency.upgrade(key, this.#layer);
      if (slot === -1) continue;
      lane.submit(key, slot, "prefetch");
      this.counts.upgraded++;
    }
  }

  #lookUp(firstKey: number, experts: Int32Array): number {
    const { lane, policy } = this.#parts;
    const { table } = this.#residency;
    let missing = 0;
    let late = 0;
    for (let i = 0; i < experts.length; i++) {
      const key = firstKey + (experts[i] ?? 0);
      const slot = table.slotOf[key] ?? -1;
      this.#isMissing[i] = slot === -1 ? 1 : 0;
      policy.onUse?.(key, slot !== -1);
      if (slot === -1) {
        missing++;
        continue;
      }
      this.slots[i] = slot;
      if (!lane.isReady(slot)) {
        late++;
        lane.promote(slot);
      }
      this.#residency.pin(slot);
    }
    const hits = experts.length - missing - late;
    this.counts.uses += experts.length;
    this.counts.hits += hits;
    this.counts.lateHits += late;
    add(this.layerCounts.hits, this.#layer, hits);
    add(this.layerCounts.lateHits, this.#layer, late);
    if (this.#prefetcher) this.#residency.adoptStaged(this.slots, this.#isMissing, experts.length);
    return missing;
  }
}

function add(sums: Float64Array, index: number, value: number): void {
  sums[index] = (sums[index] ?? 0) + value;
}
