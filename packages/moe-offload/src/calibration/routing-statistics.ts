import type { Routing, RoutingShape } from "../offload/routing.ts";
import type { LayerMap } from "../predictors/predictor.ts";
import type { Calibration } from "./calibration.ts";
import { fitReuse, ReuseData } from "./reuse-fit.ts";
import { RidgeRegression } from "./ridge.ts";
import { StackDistances } from "./stack-distances.ts";

/** Share of the newest token in the averages of the reuse score. */
const REUSE_RATE = 0.05;
/** Weight of a use `d` tokens ahead in what the reuse score estimates: `REUSE_DISCOUNT^(d - 1)`. */
const REUSE_DISCOUNT = 0.8;
/** Tokens at a sequence's end whose future is too short to learn from: 0.8^20 is 1 %. */
const REUSE_HORIZON = 20;
/** Penalty of the maps to the next layer; best of 0.01 to 0.3 on a second text. */
const PENALTY = 0.2;

/** The newest sequence of one layer, to be looked at backwards when it has ended. */
interface LayerHistory {
  /**
   * `[tokens]` of `[2 * expertCount]`: averages of root probabilities, then the roots themselves.
   */
  features: Float32Array[];
  /** `[tokens]` of the chosen experts. */
  chosen: Uint16Array[];
  /** Running averages, `[expertCount]`; they go on from sequence to sequence. */
  averages: Float32Array;
}

/** Gathers the statistics of a calibration from routings, sequence by sequence. */
export class RoutingStatistics {
  readonly #shape: RoutingShape;
  readonly #popularity: Float64Array;
  readonly #successors: (Float64Array | undefined)[];
  readonly #matrices: Float32Array[] = [];
  readonly #maps: (RidgeRegression | undefined)[];
  readonly #reuse: (ReuseData | undefined)[];
  readonly #history: (LayerHistory | undefined)[];
  readonly #distances: (StackDistances | undefined)[];
  #matrix: Float32Array;
  #tokenCount = 0;

  constructor(shape: RoutingShape) {
    const { expertCount, layerCount, moeLayers } = shape;
    this.#shape = shape;
    this.#popularity = new Float64Array(layerCount * expertCount);
    this.#matrix = new Float32Array(layerCount * expertCount);
    const byLayer = <T>(make: (layer: number) => T | undefined) =>
      Array.from({ length: layerCount }, (_, layer) =>
        moeLayers.includes(layer) ? make(layer) : undefined,
      );
    const hasNext = (layer: number) => layer !== moeLayers.at(-1);
    this.#successors = byLayer((layer) =>
      hasNext(layer) ? new Float64Array(expertCount * expertCount) : undefined,
    );
    // Deeper layers are foreseen better by the next router itself than by any map of probabilities.
    this.#maps = byLayer((layer) =>
      layer === moeLayers[0] && hasNext(layer)
        ? new RidgeRegression(expertCount, expertCount)
        : undefined,
    );
    this.#reuse = byLayer(() => new ReuseData(expertCount));
    this.#distances = byLayer(() => new StackDistances(expertCount));
    this.#history = byLayer(() => ({
      features: [],
      chosen: [],
      averages: new Float32Array(expertCount),
    }));
  }

  /** Takes in one layer of one token; layers of a token come in order. */
  add({ layer, experts, probabilities }: Routing): void {
    const { expertCount, moeLayers } = this.#shape;
    const history = this.#history[layer];
    if (!history) return;
    if (layer === moeLayers[0]) this.#tokenCount++;
    for (const expert of experts) {
      const key = layer * expertCount + expert;
      this.#popularity[key] = (this.#popularity[key] ?? 0) + 1;
      this.#matrix[key] = (this.#matrix[key] ?? 0) + 1;
      this.#distances[layer]?.use(expert);
    }
    const features = new Float32Array(2 * expertCount);
    for (let expert = 0; expert < expertCount; expert++) {
      const root = Math.sqrt(probabilities[expert] ?? 0);
      const before = history.averages[expert] ?? 0;
      const average = before + REUSE_RATE * (root - before);
      history.averages[expert] = average;
      features[expert] = average;
      features[expertCount + expert] = root;
    }
    history.features.push(features);
    history.chosen.push(Uint16Array.from(experts));
    const place = moeLayers.indexOf(layer);
    if (place > 0) this.#link(moeLayers[place - 1] ?? 0, experts);
  }

  /** The sequence is over; the next token begins another. */
  endSequence(): void {
    for (const layer of this.#shape.moeLayers) this.#learnReuse(layer);
    if (this.#matrix.some((count) => count > 0)) this.#matrices.push(this.#matrix);
    this.#matrix = new Float32Array(this.#matrix.length);
  }

  /** All that was learned so far. */
  result(seed: number): Calibration {
    const { expertCount } = this.#shape;
    const reuse = fitReuse(this.#reuse);
    return {
      shape: this.#shape,
      tokenCount: this.#tokenCount,
      seed,
      popularity: this.#popularity,
      successors: this.#successors,
      activationMatrices: this.#matrices,
      layerMaps: this.#maps.map((regression): LayerMap | undefined => {
        const fit = regression?.solve(PENALTY);
        if (!fit) return undefined;
        return { weights: Float32Array.from(fit.weights), bias: Float32Array.from(fit.bias) };
      }),
      missCurves: {
        missesPerToken: this.#distances.map((one) => one?.missesPerToken(this.#tokenCount)),
      },
      reuseModel: {
        rates: [REUSE_RATE],
        weights: reuse.map((fit) => fit && transpose(fit.weights, expertCount, 2 * expertCount)),
        bias: reuse.map((fit) => fit && Float32Array.from(fit.bias)),
      },
    };
  }

  /** Counts and learns how the layer before leads to the experts chosen in this one. */
  #link(before: number, experts: Int32Array): void {
    const { expertCount } = this.#shape;
    const history = this.#history[before];
    const from = history?.chosen.at(-1);
    const counts = this.#successors[before];
    const features = history?.features.at(-1);
    if (!from || !counts || !features) return;
    const wasChosen = new Uint8Array(expertCount);
    for (const expert of experts) wasChosen[expert] = 1;
    for (const source of from) {
      for (const target of experts) {
        const at = source * expertCount + target;
        counts[at] = (counts[at] ?? 0) + 1;
      }
    }
    this.#maps[before]?.add(features.subarray(expertCount), wasChosen);
  }

  #learnReuse(layer: number): void {
    const history = this.#history[layer];
    const reuse = this.#reuse[layer];
    if (!history || !reuse) return;
    const uses = new Float64Array(this.#shape.expertCount);
    for (let token = history.features.length - 1; token >= 0; token--) {
      const features = history.features[token];
      const isKnown = token < history.features.length - REUSE_HORIZON;
      if (isKnown && features) reuse.add(features, uses, token);
      for (let expert = 0; expert < uses.length; expert++) {
        uses[expert] = REUSE_DISCOUNT * (uses[expert] ?? 0);
      }
      for (const expert of history.chosen[token] ?? []) uses[expert] = (uses[expert] ?? 0) + 1;
    }
    history.features = [];
    history.chosen = [];
  }
}

/** `[rows, columns]` to `[columns, rows]`, as 32-bit floats. */
function transpose(values: Float64Array, rows: number, columns: number): Float32Array {
  const result = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      result[column * rows + row] = values[row * columns + column] ?? 0;
    }
  }
  return result;
}
