import type { Routing, RoutingShape } from "../offload/routing.ts";
import type { ExpertPredictor, PredictorDefinition } from "./predictor.ts";

/** Share of what a layer's errors have been so far that is kept with each token. Chosen. */
const KEPT = 0.5;
/** How much of the remembered error is added. Chosen. */
const WEIGHT = 0.6;
/** Probabilities below it are alike. */
const PROBABILITY_MIN = 1e-9;

/**
 * The cross-layer gate, corrected by its own errors. What a layer adds to the residual stream is
 * what the gate of the layer before cannot see; much of it is alike from token to token of a text.
 * So each layer remembers, fading, by how much its router's logits left the gate's, and adds that.
 * Logits are centred and scaled to length 1 before they are compared.
 */
export const correctedGate: PredictorDefinition = {
  name: "corrected-gate",
  help: "The cross-layer gate, corrected by its errors in the tokens before.",
  source: "this project; the gate: Fate, arXiv 2502.12224",
  depthMax: 1,
  aheadDepth: 1,
  wrapsAround: false,
  create: ({ shape }) => new CorrectedGate(shape),
};

class CorrectedGate implements ExpertPredictor {
  /** By layer, `[expertCount]`: what its gate has missed, of the text so far. */
  readonly #error: Float32Array[];
  /** The gate of the layer after `#layer`, centred and scaled; valid if `#hasGate`. */
  readonly #gate: Float32Array;
  readonly #logits: Float32Array;
  #layer = -1;
  #token = -1;
  #hasGate = false;

  constructor({ expertCount, layerCount }: RoutingShape) {
    this.#error = Array.from({ length: layerCount }, () => new Float32Array(expertCount));
    this.#gate = new Float32Array(expertCount);
    this.#logits = new Float32Array(expertCount);
  }

  observe({ ahead, layer, position, probabilities, token }: Routing): void {
    const error = this.#error[layer];
    const wasForeseen = this.#hasGate && this.#token === token && this.#layer === layer - 1;
    if (position === 0 && token !== this.#token) for (const one of this.#error) one.fill(0);
    if (error && wasForeseen) this.#learn(error, probabilities);
    const [gate] = ahead;
    this.#hasGate = gate !== undefined;
    this.#layer = layer;
    this.#token = token;
    if (gate === undefined) return;
    this.#gate.set(gate);
    standardise(this.#gate);
  }

  predict(target: number, scores: Float32Array): boolean {
    const error = this.#error[target];
    if (!this.#hasGate || target !== this.#layer + 1 || error === undefined) return false;
    for (let expert = 0; expert < scores.length; expert++) {
      scores[expert] = (this.#gate[expert] ?? 0) + WEIGHT * (error[expert] ?? 0);
    }
    return true;
  }

  #learn(error: Float32Array, probabilities: Float32Array): void {
    const logits = this.#logits;
    for (let expert = 0; expert < logits.length; expert++) {
      logits[expert] = Math.log(Math.max(PROBABILITY_MIN, probabilities[expert] ?? 0));
    }
    standardise(logits);
    for (let expert = 0; expert < logits.length; expert++) {
      const missed = (logits[expert] ?? 0) - (this.#gate[expert] ?? 0);
      error[expert] = KEPT * (error[expert] ?? 0) + (1 - KEPT) * missed;
    }
  }
}

/** Centres a vector and scales it to length 1; one without spread becomes 0. */
function standardise(values: Float32Array): void {
  let sum = 0;
  for (const value of values) sum += value;
  const mean = sum / values.length;
  let squares = 0;
  for (const value of values) squares += (value - mean) ** 2;
  const scale = squares > 0 ? 1 / Math.sqrt(squares) : 0;
  for (let i = 0; i < values.length; i++) values[i] = scale * ((values[i] ?? 0) - mean);
}
