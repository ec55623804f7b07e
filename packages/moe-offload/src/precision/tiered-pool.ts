import { type Arena, type Device, type GgufFile, ops, type Tensor } from "@fmlab/ggml";
import type { ExpertTensors } from "../engine/layer-graph.ts";
import { NativeSlotPool } from "../engine/slot-pool.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { loadLayer } from "./resident-source.ts";

/** The experts of a model in one precision, on disk. */
export interface TierFile {
  readonly file: GgufFile;
  readonly layout: ExpertLayout;
}

/**
 * One layout of several precisions of the same experts: the classes of all of them, one after the
 * other. What asks by layer is answered by the first, so that an engine over it computes in that
 * precision unless it is given slots of another.
 */
export function joinLayouts(layouts: readonly [ExpertLayout, ...ExpertLayout[]]): ExpertLayout {
  const [first] = layouts;
  const classes = layouts
    .flatMap((layout) => layout.classes)
    .map((one, index) => ({ ...one, index }));
  return { ...first, classes };
}

/**
 * All experts of a model in several precisions at once, in one pool: slots of the first precision
 * in natural order, then those of the next.
 */
export class TieredPool {
  readonly pool: NativeSlotPool;
  readonly #tiers: readonly TierFile[];
  /** Experts of the model: slots of one tier. */
  readonly #expertTotal: number;
  /** By tier: number of its first class in the pool. */
  readonly #firstClass: readonly number[];

  /**
   * Takes memory; `load` fills it.
   * @throws GgmlError `ALLOCATION_FAILED`
   */
  constructor(tiers: readonly [TierFile, ...TierFile[]], device: Device) {
    const layouts = tiers.map(({ layout }) => layout) as [ExpertLayout, ...ExpertLayout[]];
    const [{ expertCount, moeLayers }] = layouts;
    const joined = joinLayouts(layouts);
    const slotCounts = joined.classes.map(({ layers }) => layers.length * expertCount);
    this.#tiers = tiers;
    this.#expertTotal = moeLayers.length * expertCount;
    let classCount = 0;
    this.#firstClass = layouts.map(({ classes }) => {
      classCount += classes.length;
      return classCount - classes.length;
    });
    this.pool = new NativeSlotPool(joined, device, slotCounts);
  }

  /** Precisions there are. */
  get tierCount(): number {
    return this.#tiers.length;
  }

  /** Bytes of an expert of a layer in a tier. */
  expertBytes(tier: number, layer: number): number {
    return this.#tier(tier).layout.classOfLayer(layer).expertBytes;
  }

  /** The slot of an expert in a tier. */
  slotOf(tier: number, layer: number, expert: number): number {
    return tier * this.#expertTotal + this.#tier(tier).layout.residentSlot(layer, expert);
  }

  /**
   * Reads every expert into its slot.
   *
   * @throws MoeError `BAD_MODEL` for weights that are not finite
   * @throws GgufError `TRUNCATED` | `UNREADABLE`; whatever `throwIfCancelled` throws
   */
  load(throwIfCancelled: () => void = () => {}): void {
    for (let tier = 0; tier < this.#tiers.length; tier++) {
      const { file, layout } = this.#tier(tier);
      for (const layer of layout.moeLayers) {
        throwIfCancelled();
        loadLayer(file, layout, layer, this.pool, (expert) => this.slotOf(tier, layer, expert));
      }
    }
  }

  /** The matrices of a layer in a tier, numbered by expert. */
  layerTensors(arena: Arena, tier: number, layer: number): ExpertTensors {
    const { layout } = this.#tier(tier);
    const index = (this.#firstClass[tier] ?? 0) + layout.classOfLayer(layer).index;
    const first = this.slotOf(tier, layer, 0) - (this.pool.classes[index]?.firstSlot ?? 0);
    const show = (all: Tensor) =>
      ops.view(arena, all, {
        shape: [all.shape[0], all.shape[1], layout.expertCount],
        offsetBytes: first * all.strides[2],
      });
    const { gateUp, down } = this.pool.tensorsOf(index);
    return {
      gateUp: "gate" in gateUp ? { gate: show(gateUp.gate), up: show(gateUp.up) } : show(gateUp),
      down: show(down),
    };
  }

  /** Frees the memory. */
  close(): void {
    this.pool.close();
  }

  #tier(tier: number): TierFile {
    const found = this.#tiers[tier];
    if (found === undefined) {
      throw new RangeError(`there are ${this.#tiers.length} precisions, no number ${tier}`);
    }
    return found;
  }
}
