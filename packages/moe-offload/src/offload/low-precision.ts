import { assert } from "@fmlab/experiment";
import type { ExpertLayout } from "../model/expert-layout.ts";
import { twinKeyBase } from "../precision/twin-ranges.ts";
import type { FinishedLoad } from "./lane.ts";
import type { ExpertKey } from "./routing.ts";

/** How misses are answered with low precision. */
export interface LowPrecisionOptions {
  /** Where the twins lie. */
  readonly twins: ExpertLayout;
  /** The full expert follows as a prefetch where the policy keeps it. */
  readonly upgrade: boolean;
}

/** Slots that twins pass through: as many of each kind as a token uses experts of a layer. */
export interface TwinStaging {
  /** By class of the twins' layout. */
  readonly slotsOfClass: readonly number[];
  /** Bytes of all of them, part of the budget. */
  readonly bytes: number;
}

/** What twins need of fast memory. */
export function twinStaging({ classes, expertUsedCount }: ExpertLayout): TwinStaging {
  const bytes = classes.reduce((sum, one) => sum + expertUsedCount * one.expertBytes, 0);
  return { slotsOfClass: classes.map(() => expertUsedCount), bytes };
}

/** What low precision on a miss is made of. */
export interface LateTwinsParts extends LowPrecisionOptions {
  readonly layout: ExpertLayout;
  /** The first slot of the twins' staging: that after all slots of full experts. */
  readonly firstSlot: number;
}

/**
 * Twins of experts that miss: fewer bytes on the way while the computation waits. They pass through
 * slots of their own, which are free again when the layer is computed; nothing of them stays.
 *
 * @see Fate, whose low-end release loads what was not prefetched as INT2
 */
export class LateTwins {
  readonly upgrade: boolean;
  /** While false, misses are loaded in full precision. */
  isOn = true;
  readonly #keyBase: number;
  /** By layer: its first slot of staging, and the size of a full expert by that of its twin. */
  readonly #firstSlot: Int32Array;
  readonly #fullByTwin: Float64Array;
  readonly #expertCount: number;
  readonly #slotsMax: number;
  /** Slots that the current layer has taken. */
  #taken = 0;

  constructor({ firstSlot, layout, twins, upgrade }: LateTwinsParts) {
    const { expertCount, expertUsedCount, layerCount, moeLayers } = layout;
    this.upgrade = upgrade;
    this.#keyBase = twinKeyBase(layout);
    this.#expertCount = expertCount;
    this.#slotsMax = expertUsedCount;
    this.#firstSlot = new Int32Array(layerCount).fill(-1);
    this.#fullByTwin = new Float64Array(layerCount).fill(1);
    for (const layer of moeLayers) {
      const { expertBytes, index } = twins.classOfLayer(layer);
      this.#firstSlot[layer] = firstSlot + index * expertUsedCount;
      this.#fullByTwin[layer] = layout.classOfLayer(layer).expertBytes / expertBytes;
    }
  }

  /** What the lane calls the twin of an expert. */
  keyOf(key: ExpertKey): ExpertKey {
    return this.#keyBase + key;
  }

  /** A free slot of staging for a twin of the current layer. */
  take(layer: number): number {
    assert(this.#taken < this.#slotsMax, "a layer misses no more experts than a token uses");
    return (this.#firstSlot[layer] ?? 0) + this.#taken++;
  }

  /** The current layer is computed. */
  release(): void {
    this.#taken = 0;
  }

  /** How long the transfer would have taken, ms, had the expert been loaded in full. */
  fullMs({ endMs, key, startMs }: FinishedLoad): number {
    if (key < this.#keyBase) return endMs - startMs;
    const layer = Math.floor((key - this.#keyBase) / this.#expertCount);
    return (endMs - startMs) * (this.#fullByTwin[layer] ?? 1);
  }
}
