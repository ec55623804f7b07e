import type { Prng } from "@fmlab/sim";
import type { ExpertKey, Routing, RoutingShape } from "../../src/offload/routing.ts";
import type { FutureUses, PolicyContext, ReuseModel } from "../../src/policies/policy.ts";
import { rankExperts } from "../../src/predictors/rank-experts.ts";

/** A shape with the given layers; `dense` of them, from the first, have no experts. */
export function shapeOf(
  layerCount: number,
  expertCount: number,
  expertUsedCount: number,
  dense = 0,
): RoutingShape {
  const moeLayers = Array.from({ length: layerCount - dense }, (_, i) => i + dense);
  return { layerCount, expertCount, expertUsedCount, moeLayers };
}

/** Any shape of up to 5 layers and 12 experts, the first layer sometimes dense. */
export function randomShape(random: Prng): RoutingShape {
  const expertUsedCount = 1 + random.nextInt(4);
  const layerCount = 1 + random.nextInt(5);
  const dense = layerCount > 1 ? random.nextInt(2) : 0;
  return shapeOf(layerCount, expertUsedCount + 1 + random.nextInt(8), expertUsedCount, dense);
}

/**
 * Routings of a made-up model, layer by layer: each layer's logits drift from token to token, so
 * that there is something to keep and something to predict. Sequences of up to 20 tokens.
 */
export function randomTrace(random: Prng, shape: RoutingShape, tokens: number): Routing[] {
  const { expertCount, expertUsedCount, layerCount, moeLayers } = shape;
  const logits = Array.from({ length: layerCount }, () => new Float64Array(expertCount));
  const trace: Routing[] = [];
  let position = 0;
  for (let token = 0; token < tokens; token++) {
    position = random.chance(0.05) ? 0 : position + (token === 0 ? 0 : 1);
    for (const layer of moeLayers) {
      const drifting = logits[layer] ?? new Float64Array(expertCount);
      for (let e = 0; e < expertCount; e++) {
        drifting[e] = 0.8 * (drifting[e] ?? 0) + random.normal();
      }
      const probabilities = softmax(drifting);
      const experts = new Int32Array(expertUsedCount);
      rankExperts(probabilities, expertUsedCount, experts);
      const ahead = [1, 2, 3]
        .filter((depth) => layer + depth < layerCount)
        .map((depth) => Float32Array.from(logits[layer + depth] ?? []));
      trace.push({ layer, token, position, experts, probabilities, ahead });
    }
  }
  return trace;
}

function softmax(logits: Float64Array): Float32Array {
  const powers = logits.map(Math.exp);
  const total = powers.reduce((sum, power) => sum + power, 0);
  return Float32Array.from(powers, (power) => power / total);
}

/** The next uses in a trace, looked up the slow way. */
export function futureOf(trace: readonly Routing[], shape: RoutingShape): FutureUses {
  const uses = new Map<ExpertKey, number[]>();
  for (const { experts, layer, token } of trace) {
    for (const expert of experts) {
      const key = layer * shape.expertCount + expert;
      uses.set(key, [...(uses.get(key) ?? []), token]);
    }
  }
  return {
    nextUse: (key, token) => uses.get(key)?.find((use) => use > token) ?? Number.POSITIVE_INFINITY,
  };
}

/** How often each expert is used in a trace, by key. */
export function popularityOf(trace: readonly Routing[], shape: RoutingShape): Float64Array {
  const uses = new Float64Array(shape.layerCount * shape.expertCount);
  for (const { experts, layer } of trace) {
    for (const expert of experts) {
      const key = layer * shape.expertCount + expert;
      uses[key] = (uses[key] ?? 0) + 1;
    }
  }
  return uses;
}

/** A reuse model of random weights, for the first layers with experts only when `partly`. */
export function randomReuseModel(random: Prng, shape: RoutingShape, rates: number[]): ReuseModel {
  const size = (rates.length + 1) * shape.expertCount ** 2;
  const layers = Array.from({ length: shape.layerCount }, (_, layer) => layer);
  const hasModel = (layer: number) => shape.moeLayers.includes(layer) && layer % 3 !== 2;
  return {
    rates,
    weights: layers.map((layer) =>
      hasModel(layer) ? Float32Array.from({ length: size }, () => random.normal()) : undefined,
    ),
    bias: layers.map((layer) =>
      hasModel(layer)
        ? Float32Array.from({ length: shape.expertCount }, () => random.normal())
        : undefined,
    ),
  };
}

/** Everything a policy may ask for, made from a trace; `allocation` is the caller's. */
export function everythingKnown(
  random: Prng,
  shape: RoutingShape,
  trace: readonly Routing[],
): Omit<PolicyContext, "allocation"> {
  return {
    shape,
    popularity: popularityOf(trace, shape),
    future: futureOf(trace, shape),
    reuseModel: randomReuseModel(random, shape, [0.05]),
  };
}
