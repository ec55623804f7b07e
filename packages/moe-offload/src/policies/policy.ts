import type { ExpertKey, Routing, RoutingShape } from "../offload/routing.ts";

/** How the slots of a budget are shared out. */
export interface Allocation {
  /**
   * Slots that keep experts, by layer `[layerCount]` (0 for layers without routed experts); or one
   * entry when all layers share them.
   */
  readonly slots: readonly number[];
  /** True when `slots` has one entry that all layers share. */
  readonly isShared: boolean;
  /**
   * Slots for experts that are used once or arrive before their use, and are kept by nobody. None,
   * or at least `expertUsedCount` and one for each prefetch that may be on its way; there must be
   * some where a layer has fewer slots than `expertUsedCount`. They count in the budget.
   */
  readonly staging: number;
}

/** What a policy may know when it is made. Everything but the shape may be missing. */
export interface PolicyContext {
  readonly shape: RoutingShape;
  readonly allocation: Allocation;
  /** Uses of each expert on earlier text, `[layerCount * expertCount]`, for static placement. */
  readonly popularity?: Float64Array;
  /** Activation matrices of earlier sequences, `[layerCount * expertCount]` each. */
  readonly activationMatrices?: readonly Float32Array[];
  /** Tells the future; only where a recorded trace is replayed (Belady). */
  readonly future?: FutureUses;
  /** Learned on earlier text; the weights of the policy `reuse`. */
  readonly reuseModel?: ReuseModel;
  /** Measured on earlier text; see `MissCurves`. */
  readonly missCurves?: MissCurves;
}

/** What more slots are worth in each layer; `layer-sizes.ts` shares out a budget by it. */
export interface MissCurves {
  /**
   * By layer: misses per token with 0, 1, .. `expertCount` slots, `[expertCount + 1]`, of the
   * policy that will use them; undefined for layers without routed experts.
   */
  readonly missesPerToken: readonly (Float64Array | undefined)[];
  /** By layer: ms that the computation waits for one miss; equal for all layers when missing. */
  readonly exposedMs?: readonly number[];
}

/** The next use of an expert in a recorded trace. */
export interface FutureUses {
  /**
   * Serial number of the first token after `token` that uses the expert; `Infinity` when none does.
   */
  nextUse(key: ExpertKey, token: number): number;
}

/** Weights of the learned reuse score; see `policies/reuse.ts`. */
export interface ReuseModel {
  /** Decay per token of each exponential average. */
  readonly rates: readonly number[];
  /**
   * By layer: `[(rates.length + 1) * expertCount, expertCount]`, row-major, or undefined for layers
   * without routed experts. Row block `i` maps square roots of router probabilities to what is
   * averaged with `rates[i]`; the last block is used as it is.
   */
  readonly weights: readonly (Float32Array | undefined)[];
  /** By layer `[expertCount]`: constant part of each expert's score. */
  readonly bias: readonly (Float32Array | undefined)[];
}

/**
 * Decides which experts stay in fast memory: a pure state machine without bytes or clocks, driven
 * alike by the engine and by the replayer. For each layer of each token it is called in this order:
 * `onRouting` once; `onUse` for each chosen expert; then, for each of them that waits in staging
 * and after those for each that must be loaded, `victim`, `onEvict` and `onAdmit`. A prefetch goes
 * to staging while more than `expertUsedCount` slots are free there; otherwise it asks `victim`.
 */
export interface ExpertPolicy {
  /** Every expert is resident from the start and none is evicted: nothing is ever asked. */
  readonly allResident: boolean;
  /** The router chose; before anything is looked up. */
  onRouting?(routing: Routing): void;
  /** The router chose this expert; `isResident` when it was in a slot (or on its way to one). */
  onUse?(key: ExpertKey, isResident: boolean): void;
  /** The expert now has a slot of its layer. */
  onAdmit?(key: ExpertKey): void;
  /** The expert has lost its slot. */
  onEvict?(key: ExpertKey): void;
  /**
   * Chooses who leaves so that `incoming` can stay. Asked only when no slot of the region is free.
   *
   * @param incoming  the expert that wants to stay, or -1 when the region loses a slot: then an
   *                  index must be answered
   * @param candidates  keys that may be evicted: those of the region that the current layer does
   *                    not need; the first `count` entries are valid, `count >= 1`
   * @param isPrefetch  `incoming` was predicted, not chosen
   * @returns index into `candidates`, or -1: `incoming` is not to be kept (it is used from staging,
   *XX   */
  victim(incoming: ExpertKey, candidates: Int32Array, count: number, isPrefetch: boolean): number;
}

/** A policy as a config names it. One file each; `registry.ts` lists them. */
export interface PolicyDefinition {
  readonly name: string;
  /** One sentence for forms and docs. */
  readonly help: string;
  /** Where it comes from: paper or code. */
  readonly source: string;
  /** What of `PolicyContext` it cannot do without. */
  readonly needs?: readonly ("popularity" | "future" | "reuseModel")[];
  /** It is better with a calibration of the model, or cannot do without. */
  readonly learns?: boolean;
  /**
   * Shares out the slots.
   *
   * @param slotCount  slots that the budget pays for
   * @param prefetchWidth  most experts that may be on their way for later layers at once; a policy
   *                       that has staging adds room for them
   * @param missCurves  what slots are worth; policies that share out equally ignore it
   * @returns an allocation of at most `slotCount` slots, or the number of slots it needs at least
   */
  allocate(
    shape: RoutingShape,
    slotCount: number,
    prefetchWidth: number,
    missCurves?: MissCurves,
  ): Allocation | number;
  /** Experts to load before the first token, at most as many per layer as it has slots. */
  initial?(context: PolicyContext): Iterable<ExpertKey>;
  create(context: PolicyContext): ExpertPolicy;
}
