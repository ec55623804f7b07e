import type { MoeShape } from "../engine/interfaces.ts";

/** An expert of a layer in a slot of the pool. */
export interface Placement {
  layer: number;
  expert: number;
  slot: number;
}

/**
 * Decides which slot each expert lies in: the whole state of a cache, without any bytes. The cache
 * around it does the loading, so that a policy is pure and its decisions depend on the calls alone.
 */
export interface ExpertPolicy {
  /**
   * Every expert lies in slot `layer * expertCount + expert` from the start and stays there; the
   * engine then need not ask.
   */
  readonly allResident: boolean;
  /** What to load before the first token. */
  initial(): Iterable<Placement>;
  /**
   * Chooses the slots for the experts one token needs in one layer. No two of them share a slot,
   * and a slot chosen here keeps its expert until the next call.
   *
   * @param experts expert numbers, all different, by falling router weight
   * @param slots   output: the slot of each
   * @param loads   output: 1 where the expert must be loaded into its slot first, else 0
   */
  place(layer: number, experts: Int32Array, slots: Int32Array, loads: Uint8Array): void;
}

/** A policy as a config names it. One file each; `registry.ts` lists them. */
export interface PolicyDefinition {
  readonly name: string;
  /** One sentence for the form and the docs. */
  readonly help: string;
  /** Fewest slots it can work with. */
  slotsMin(shape: MoeShape): number;
  /** Slots it uses of those a budget allows; at least `slotsMin`. */
  slotsUsed(shape: MoeShape, slotsAllowed: number): number;
  /** Slots kept for each layer, for the run's record; 0 when slots are shared by all layers. */
  slotsPerLayer(shape: MoeShape, slotsUsed: number): number;
  create(shape: MoeShape, slotsUsed: number): ExpertPolicy;
}
