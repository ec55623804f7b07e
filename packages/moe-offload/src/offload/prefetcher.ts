import type { ExpertPredictor } from "../predictors/predictor.ts";
import { rankExperts } from "../predictors/rank-experts.ts";
import type { Lane } from "./lane.ts";
import type { PrefetchControl } from "./prefetch-control.ts";
import type { Residency } from "./residency.ts";
import type { Routing, RoutingShape } from "./routing.ts";
import type { ScheduleCounts } from "./scheduler.ts";

/** What a prefetcher is made of. */
export interface PrefetcherParts {
  readonly shape: RoutingShape;
  readonly predictor: ExpertPredictor;
  readonly control: PrefetchControl;
  readonly residency: Residency;
  readonly lane: Lane;
  readonly counts: ScheduleCounts;
  /** How many layers ahead are predicted. */
  readonly depth: number;
}

/**
 * Loads predicted experts ahead of their layer, as the control allows, and settles with the control
 * when the layer's router has chosen.
 */
export class Prefetcher {
  readonly #parts: PrefetcherParts;
  readonly #scores: Float32Array;
  /** By layer: its newest prediction, the likeliest first. */
  readonly #ranked: Int32Array[];
  /** By layer: how many entries of `#ranked` are valid. */
  readonly #rankedCount: Int32Array;
  readonly #wasChosen: Uint8Array;
  /** By layer: prefetched experts whose router has not chosen yet; the first `#sentCount`. */
  readonly #sent: Int32Array[];
  readonly #sentCount: Int32Array;
  /** By MoE layer: the one `depth` MoE layers after it is `#later[layer][depth - 1]`. */
  readonly #later: number[][];

  constructor(parts: PrefetcherParts) {
    const { shape, control, depth } = parts;
    const width = Math.min(control.widthMax, shape.expertCount);
    this.#parts = parts;
    this.#scores = new Float32Array(shape.expertCount);
    this.#ranked = Array.from({ length: shape.layerCount }, () => new Int32Array(width));
    this.#rankedCount = new Int32Array(shape.layerCount);
    this.#wasChosen = new Uint8Array(width);
    this.#sent = Array.from({ length: shape.layerCount }, () => new Int32Array(shape.expertCount));
    this.#sentCount = new Int32Array(shape.layerCount);
    this.#later = Array.from({ length: shape.layerCount }, (_, layer) => {
      const at = shape.moeLayers.indexOf(layer);
      return at === -1 ? [] : shape.moeLayers.slice(at + 1, at + 1 + depth);
    });
  }

  /** Compares the prediction for this layer with what its router chose. */
  settle(routing: Routing): void {
    const { layer, experts } = routing;
    const { control, residency, shape } = this.#parts;
    const sent = this.#sent[layer];
    const ranked = this.#ranked[layer];
    if (sent === undefined || ranked === undefined) return;
    for (let i = 0; i < (this.#sentCount[layer] ?? 0); i++) {
      const expert = sent[i] ?? 0;
      if (experts.includes(expert)) continue;
      const key = layer * shape.expertCount + expert;
      if (!residency.withdraw(key)) residency.waste(key);
    }
    this.#sentCount[layer] = 0;
    const count = this.#rankedCount[layer] ?? 0;
    for (let rank = 0; rank < count; rank++) {
      this.#wasChosen[rank] = experts.includes(ranked[rank] ?? 0) ? 1 : 0;
    }
    if (count > 0) control.onOutcome(layer, this.#wasChosen, count);
    this.#rankedCount[layer] = 0;
  }

  /** Queues loads for the layers after this one. */
  prefetch(routing: Routing): void {
    for (const target of this.#later[routing.layer] ?? []) this.#prefetchFor(target);
  }

  #prefetchFor(target: number): void {
    const { control, counts, lane, predictor, residency, shape } = this.#parts;
    const ranked = this.#ranked[target];
    const sent = this.#sent[target];
    if (!ranked || !sent || !predictor.predict(target, this.#scores)) return;
    rankExperts(this.#scores, ranked.length, ranked);
    this.#rankedCount[target] = ranked.length;
    for (let rank = 0; rank < ranked.length; rank++) {
      if (!control.wants(target, rank, lane.prefetchesPending)) continue;
      const expert: number = ranked[rank] ?? 0;
      const key = target * shape.expertCount + expert;
      if (residency.table.slotOf[key] !== -1) continue;
      const slot = residency.prefetch(key, target);
      if (slot === -1) continue;
      lane.submit(key, slot, control.beforeDemand ? "demand" : "prefetch");
      counts.prefetched++;
      const sentCount = this.#sentCount[target] ?? 0;
      sent[sentCount] = expert;
      this.#sentCount[target] = sentCount + 1;
    }
  }
}
