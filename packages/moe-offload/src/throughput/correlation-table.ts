import type { RoutingShape } from "../offload/routing.ts";

/** Experts of the layer before whose successors count, for each token (Klotski: two). */
const PATH_WIDTH = 2;

/** How good predictions were so far. */
export interface HotAccuracy {
  /** Experts predicted. */
  readonly predicted: number;
  /** Of these: chosen by some token of the group, and among as many most chosen ones. */
  readonly used: number;
  readonly hot: number;
}

/**
 * Klotski's correlation-aware prefetcher: predicts the hot experts of a layer for a whole group of
 * tokens from what these tokens chose in the layer before. For each token, each of its two best
 * experts there names the experts that most often followed it; their counts are summed over the
 * tokens. The first layer goes by its own counts. The counts grow with every step.
 *
 * @see Klotski, ASPLOS 2025, arXiv 2502.06888, section 6 and its released code
 */
export class CorrelationTable {
  readonly #shape: RoutingShape;
  /** By layer: `[previous expert, expert]` counts; of the first layer with experts `[expert]`. */
  readonly #counts: Float64Array[];
  readonly #accuracy: { predicted: number; used: number; hot: number }[];
  /** By layer: what was predicted last and not compared yet. */
  readonly #open: (readonly number[] | undefined)[];

  /** @param successors  counts of earlier text by layer, `[from, to]`, to the next layer */
  constructor(
    shape: RoutingShape,
    successors?: readonly (Float64Array | undefined)[],
    popularity?: Float64Array,
  ) {
    const { expertCount, layerCount, moeLayers } = shape;
    this.#shape = shape;
    this.#accuracy = Array.from({ length: layerCount }, () => ({ predicted: 0, used: 0, hot: 0 }));
    this.#open = Array.from({ length: layerCount }, () => undefined);
    this.#counts = Array.from({ length: layerCount }, (_, layer) => {
      const rank = moeLayers.indexOf(layer);
      if (rank === -1) return new Float64Array(0);
      const first = layer * expertCount;
      const known =
        rank === 0
          ? popularity?.subarray(first, first + expertCount)
          : successors?.[moeLayers[rank - 1] ?? -1];
      const size = rank === 0 ? expertCount : expertCount * expertCount;
      return Float64Array.from(known ?? new Float64Array(size));
    });
  }

  /**
   * The `count` experts of `layer` that are expected to be the hottest, hottest first.
   *
   * @param before  `[tokens * used]`: what the tokens chose in the layer before, best first for
   *                each token; not looked at for the first layer
   */
  predict(layer: number, before: Int32Array, count: number): number[] {
    const { expertCount, expertUsedCount } = this.#shape;
    const table = this.#counts[layer] ?? new Float64Array(0);
    const scores = new Float64Array(expertCount);
    if (this.#isFirst(layer)) scores.set(table);
    else {
      for (const [previous, times] of bestOf(before, expertUsedCount)) {
        const row = table.subarray(previous * expertCount, (previous + 1) * expertCount);
        for (const expert of highest(row, count)) {
          scores[expert] = (scores[expert] ?? 0) + times * (row[expert] ?? 0);
        }
      }
    }
    const found = highest(scores, count);
    this.#open[layer] = found;
    return found;
  }

  /**
   * The group's tokens have chosen in `layer`: compares the prediction for it, and counts.
   *
   * @param chosen  `[tokens * used]`, best first for each token
   * @param before  what the same tokens chose in the layer before, as for `predict`
   */
  observe(layer: number, chosen: Int32Array, before: Int32Array): void {
    this.#compare(layer, chosen);
    const { expertCount, expertUsedCount: used } = this.#shape;
    const table = this.#counts[layer] ?? new Float64Array(0);
    if (this.#isFirst(layer)) {
      for (const expert of chosen) table[expert] = (table[expert] ?? 0) + 1;
      return;
    }
    for (let token = 0; token < chosen.length; token += used) {
      for (let i = token; i < token + used; i++) {
        const row = (before[i] ?? 0) * expertCount;
        for (let j = token; j < token + used; j++) {
          const at = row + (chosen[j] ?? 0);
          table[at] = (table[at] ?? 0) + 1;
        }
      }
    }
  }

  /** How good the predictions for a layer were, or for all of them. */
  accuracy(layer?: number): HotAccuracy {
    const own = layer === undefined ? this.#accuracy : [this.#accuracy[layer]];
    const sum = { predicted: 0, used: 0, hot: 0 };
    for (const one of own) {
      sum.predicted += one?.predicted ?? 0;
      sum.used += one?.used ?? 0;
      sum.hot += one?.hot ?? 0;
    }
    return sum;
  }

  #compare(layer: number, chosen: Int32Array): void {
    const predicted = this.#open[layer];
    const accuracy = this.#accuracy[layer];
    this.#open[layer] = undefined;
    if (!predicted || !accuracy) return;
    const times = new Float64Array(this.#shape.expertCount);
    for (const expert of chosen) times[expert] = (times[expert] ?? 0) + 1;
    const hottest = highest(times, predicted.length);
    accuracy.predicted += predicted.length;
    accuracy.used += predicted.filter((expert) => (times[expert] ?? 0) > 0).length;
    accuracy.hot += predicted.filter((expert) => hottest.includes(expert)).length;
  }

  #isFirst(layer: number): boolean {
    return layer === this.#shape.moeLayers[0];
  }
}

/** How often each expert is among the first `PATH_WIDTH` of a token. */
function bestOf(chosen: Int32Array, used: number): Map<number, number> {
  const times = new Map<number, number>();
  for (let token = 0; token < chosen.length; token += used) {
    for (let rank = 0; rank < Math.min(PATH_WIDTH, used); rank++) {
      const expert = chosen[token + rank] ?? 0;
      times.set(expert, (times.get(expert) ?? 0) + 1);
    }
  }
  return times;
}

/** Up to `count` indices of the highest values above 0, ties to the lower index. */
function highest(values: Float64Array, count: number): number[] {
  return Array.from(values, (value, index) => ({ value, index }))
    .filter(({ value }) => value > 0)
    .sort((a, b) => b.value - a.value || a.index - b.index)
    .slice(0, count)
    .map(({ index }) => index);
}
