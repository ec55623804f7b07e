import { type LinearFit, RidgeRegression } from "./ridge.ts";

/**
 * Penalties that are tried. How much a map between all experts can be believed depends on the model
 * and on how much text there was, so a part of the text decides that was not learned from.
 */
const PENALTIES = [0.2, 0.8, 3.2, 12.8];
/** Tokens that follow each other belong to the same part: they are much alike. */
const BLOCK_TOKENS = 256;

/** What a layer's routers said, and how its experts were used after that, in two parts. */
export class ReuseData {
  readonly parts: readonly [RidgeRegression, RidgeRegression];

  constructor(expertCount: number) {
    const part = () => new RidgeRegression(2 * expertCount, expertCount);
    this.parts = [part(), part()];
  }

  /**
   * @param features  averages of root probabilities, then the newest roots, `[2 * expertCount]`
   * @param uses      how much each expert is used from now on, `[expertCount]`
   * @param token     its place in its sequence
   */
  add(features: Float32Array, uses: Float64Array, token: number): void {
    this.parts[Math.floor(token / BLOCK_TOKENS) % 2 === 0 ? 0 : 1].add(features, uses);
  }
}

/** Fits how experts are used again, layer by layer; the penalty is the same for all layers. */
export function fitReuse(layers: readonly (ReuseData | undefined)[]): (LinearFit | undefined)[] {
  const errors = PENALTIES.map((penalty) =>
    layers.reduce((sum, layer) => sum + (layer ? crossError(layer, penalty) : 0), 0),
  );
  const best = PENALTIES[errors.indexOf(Math.min(...errors))] ?? 0;
  // With all of the text, half as much has to be doubted.
  return layers.map((layer) => layer && fit(RidgeRegression.merged(...layer.parts), best / 2));
}

/** Error on each part of what was learned from the other. */
function crossError({ parts: [a, b] }: ReuseData, penalty: number): number {
  if (a.count === 0 || b.count === 0) return 0;
  return a.excessError(fit(b, penalty)) + b.excessError(fit(a, penalty));
}

function fit(data: RidgeRegression, penalty: number): LinearFit {
  return data.solve(penalty, ownWeights(data));
}

/**
 * What reuse is if every expert's depends on its own router probabilities alone, and alike for all:
 * one weight for the averages and one for the newest roots, fitted over all experts together. Much
 * less data than a map between all experts needs gives these two.
 *
 * @returns `[expertCount, 2 * expertCount]`
 */
function ownWeights(regression: RidgeRegression): Float64Array {
  const { inputCount, outputCount } = regression;
  let [averages, roots, both, ofAverages, ofRoots] = [0, 0, 0, 0, 0];
  for (let expert = 0; expert < outputCount; expert++) {
    const newest = outputCount + expert;
    averages += regression.covariance(expert, expert);
    roots += regression.covariance(newest, newest);
    both += regression.covariance(expert, newest);
    ofAverages += regression.crossCovariance(expert, expert);
    ofRoots += regression.crossCovariance(newest, expert);
  }
  const weights = new Float64Array(outputCount * inputCount);
  const determinant = averages * roots - both ** 2;
  if (determinant <= 1e-12 * averages * roots) return weights;
  for (let expert = 0; expert < outputCount; expert++) {
    const at = expert * inputCount + expert;
    weights[at] = (ofAverages * roots - ofRoots * both) / determinant;
    weights[at + outputCount] = (ofRoots * averages - ofAverages * both) / determinant;
  }
  return weights;
}
