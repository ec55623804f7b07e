import type { Prng } from "@fmlab/sim";
import type { MoeEngine } from "../../src/engine/engine.ts";

/** Softness of the choice: 1 samples from the model's own distribution. */
const TEMPERATURE = 0.8;

/**
 * Tokens the model writes itself, sampled from a seed: varied text without anybody's rights in it.
 * Leaves the engine reset.
 */
export function sampleTokens(engine: MoeEngine, prng: Prng, count: number): Int32Array {
  const tokens = new Int32Array(count);
  engine.reset();
  let token = prng.nextInt(engine.vocabularySize);
  for (let i = 0; i < count; i++) {
    tokens[i] = token;
    if (i + 1 < count) token = draw(engine.decode(token), prng);
  }
  engine.reset();
  return tokens;
}

function draw(logits: Float32Array, prng: Prng): number {
  let largest = Number.NEGATIVE_INFINITY;
  for (const logit of logits) if (logit > largest) largest = logit;
  let total = 0;
  const weights = Float64Array.from(logits, (logit) => {
    const weight = Math.exp((logit - largest) / TEMPERATURE);
    total += weight;
    return weight;
  });
  let left = prng.nextFloat() * total;
  for (let token = 0; token < weights.length; token++) {
    left -= weights[token] ?? 0;
    if (left < 0) return token;
  }
  return weights.length - 1;
}

/** The index of the largest logit, the lowest one of equals. */
export function argmax(logits: Float32Array): number {
  let best = 0;
  for (let i = 1; i < logits.length; i++) if ((logits[i] ?? 0) > (logits[best] ?? 0)) best = i;
  return best;
}
