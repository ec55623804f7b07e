import { createPrng, type Prng } from "@fmlab/sim";
import { MoeError } from "../errors.ts";
import { rankExperts } from "../predictors/rank-experts.ts";
import { MODEL_SHAPES, type ModelShape, type PublishedNumber } from "../traces/model-shapes.ts";
import { AHEAD_DEPTH_MAX, type Trace } from "../traces/trace.ts";
import { describeTrace } from "../traces/trace-statistics.ts";
import type { ShapeName } from "./shape-model.ts";

/** How a prediction is derived that a trace does not hold. */
export interface DerivedAheadOptions {
  /**
   * Share of a layer's experts among the top-k of the prediction one layer earlier, above chance
   * and at most 1. `d` layers earlier it is taken to be that to the power of `d`, but no less than
   * half-way between chance and that: an assumption, nothing is published.
   */
  readonly slotAccuracy: PublishedNumber;
  readonly seed: number;
  /** Layers ahead, 1 to 3. */
  readonly depth: number;
}

/** Fate's base accuracy where nothing is published of a model itself. */
export const FATE_SLOT_ACCURACY: PublishedNumber = {
  value: 0.7879,
  source:
    "Fate, arXiv 2502.12224, cross-layer gate in decode, slot overlap on DeepSeekMoE (second-hand)",
};

/** The published accuracy of a model's cross-layer gate; Fate's where there is none. */
export function publishedSlotAccuracy(name: ShapeName): PublishedNumber {
  const { crossLayerAccuracy }: ModelShape = MODEL_SHAPES[name];
  return crossLayerAccuracy ?? FATE_SLOT_ACCURACY;
}

/** Tokens that the noise of a layer is fitted on; their slots give the share to about 1 %. */
const FIT_TOKENS = 512;
/** Halvings of the interval of noise, `[NOISE_MIN, NOISE_MAX]` on a logarithmic scale. */
const HALVINGS = 16;
const NOISE_MIN = 1e-4;
const NOISE_MAX = 1e4;
/** Probabilities below it rank alike. */
const PROBABILITY_MIN = 1e-9;

/**
 * The same trace with logits of a cross-layer gate that nobody recorded: for each layer the
 * logarithms of the later router's own probabilities plus normal noise, as much of it as makes the
 * top-k of the sum overlap as stated. So near choices are mistaken first, and looking at more than
 * k finds more. Without probabilities, mistakes fall evenly on the experts that were not chosen.
 *
 * The result is simulated, and says so: see `slotAccuracies` for what came out.
 *
 * @throws MoeError `BAD_SETTING`
 */
export function withDerivedAhead(trace: Trace, options: DerivedAheadOptions): Trace {
  check(trace, options);
  const { depth, seed, slotAccuracy } = options;
  const { shape, tokenCount } = trace;
  const { expertCount, moeLayers } = shape;
  const prng = createPrng(seed, "derived-ahead");
  const ahead = new Float32Array(tokenCount * moeLayers.length * depth * expertCount);
  for (let d = 0; d < depth; d++) {
    const wanted = accuracyAhead(trace, slotAccuracy.value, d + 1);
    moeLayers.forEach((layer, index) => {
      const target = moeLayers.indexOf(layer + 1 + d);
      if (target === -1) return;
      const stream = prng.fork(index).fork(d);
      const scale = fittedNoise(trace, target, wanted, stream.fork("fit"));
      const noise = stream.fork("noise");
      for (let token = 0; token < tokenCount; token++) {
        const at = ((token * moeLayers.length + index) * depth + d) * expertCount;
        writeNoisy(trace, token, target, scale, noise, ahead.subarray(at, at + expertCount));
      }
    });
  }
  return { ...trace, aheadDepth: depth, ahead, provenance: provenance(trace, options) };
}

/** How well a trace's cross-layer logits foresee the next layer; chance is k / experts. */
export interface SlotAccuracy {
  /** Share of the experts of all layers but the first. */
  readonly slots: number;
  /** Share of routings of which every expert is right. */
  readonly wholeRoutings: number;
  /** `slots` by place in `shape.moeLayers`, from the second layer on. */
  readonly byLayer: readonly number[];
}

/**
 * Counts how well a trace's logits one layer ahead foresee its routing. Of logits that were derived
 * it says what the dial has brought about, not what a model does.
 *
 * @returns undefined when the trace holds no such logits
 */
export function slotAccuracies(trace: Trace): SlotAccuracy | undefined {
  const { crossLayerAccuracy: byLayer, wholeRoutingAccuracy } = describeTrace(trace);
  if (byLayer.length === 0) return undefined;
  return { slots: mean(byLayer), wholeRoutings: mean(wholeRoutingAccuracy), byLayer };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function accuracyAhead({ shape }: Trace, accuracy: number, layers: number): number {
  const chance = shape.expertUsedCount / shape.expertCount;
  return layers === 1 ? accuracy : Math.max(accuracy ** layers, (chance + accuracy) / 2);
}

/** What a perfect prediction of a layer would say: experts by falling score are those chosen. */
function writeTruth(trace: Trace, token: number, index: number, out: Float32Array): void {
  const { experts, probabilities, shape } = trace;
  const { expertCount, expertUsedCount, moeLayers } = shape;
  const row = token * moeLayers.length + index;
  if (probabilities !== undefined) {
    for (let i = 0; i < expertCount; i++) {
      const probability = probabilities[row * expertCount + i] ?? 0;
      out[i] = Math.log(Math.max(PROBABILITY_MIN, probability));
    }
    return;
  }
  out.fill(0);
  for (let i = 0; i < expertUsedCount; i++) out[experts[row * expertUsedCount + i] ?? 0] = 1;
}

function writeNoisy(
  trace: Trace,
  token: number,
  index: number,
  scale: number,
  prng: Prng,
  out: Float32Array,
): void {
  writeTruth(trace, token, index, out);
  for (let i = 0; i < out.length; i++) out[i] = (out[i] ?? 0) + scale * prng.normal();
}

/** Standard deviation of the noise at which so much of a layer's choices is foreseen. */
function fittedNoise(trace: Trace, index: number, wanted: number, prng: Prng): number {
  const { expertCount } = trace.shape;
  const count = Math.min(FIT_TOKENS, trace.tokenCount);
  const tokens = Array.from({ length: count }, (_, i) =>
    Math.floor((i * trace.tokenCount) / count),
  );
  const truths = new Float32Array(count * expertCount);
  tokens.forEach((token, i) => {
    writeTruth(trace, token, index, truths.subarray(i * expertCount, (i + 1) * expertCount));
  });
  const normals = Float32Array.from({ length: truths.length }, () => prng.normal());
  let low = Math.log(NOISE_MIN);
  let high = Math.log(NOISE_MAX);
  for (let step = 0; step < HALVINGS; step++) {
    const middle = (low + high) / 2;
    const found = overlap(trace, index, tokens, { truths, normals, scale: Math.exp(middle) });
    if (found > wanted) low = middle;
    else high = middle;
  }
  return Math.exp((low + high) / 2);
}

function overlap(
  { experts, shape }: Trace,
  index: number,
  tokens: readonly number[],
  noisy: { truths: Float32Array; normals: Float32Array; scale: number },
): number {
  const { expertCount, expertUsedCount: used, moeLayers } = shape;
  const scores = new Float32Array(expertCount);
  const ranked = new Int32Array(used);
  let right = 0;
  tokens.forEach((token, n) => {
    for (let i = 0; i < expertCount; i++) {
      const at = n * expertCount + i;
      scores[i] = (noisy.truths[at] ?? 0) + noisy.scale * (noisy.normals[at] ?? 0);
    }
    rankExperts(scores, used, ranked);
    const first = (token * moeLayers.length + index) * used;
    for (let i = 0; i < used; i++) if (ranked.includes(experts[first + i] ?? -1)) right++;
  });
  return right / (tokens.length * used);
}

function provenance(trace: Trace, { seed, slotAccuracy }: DerivedAheadOptions) {
  const derived =
    `cross-layer logits derived from the routing itself by noise (seed ${seed}) to a slot ` +
    `accuracy of ${slotAccuracy.value} (${slotAccuracy.source}); no gate computed them`;
  const { notes } = trace.provenance;
  return {
    ...trace.provenance,
    isSimulated: true,
    notes: notes ? `${notes}; ${derived}` : derived,
  };
}

function check({ shape, tokenCount }: Trace, { depth, slotAccuracy }: DerivedAheadOptions): void {
  const chance = shape.expertUsedCount / shape.expertCount;
  const { value } = slotAccuracy;
  const isDepth = Number.isInteger(depth) && depth >= 1 && depth <= AHEAD_DEPTH_MAX;
  const checks = [
    ["depth", depth, `1 to ${AHEAD_DEPTH_MAX}`, isDepth],
    ["slotAccuracy", value, `above ${chance} (chance), at most 1`, value > chance && value <= 1],
    ["tokenCount", tokenCount, "at least 1", tokenCount >= 1],
  ] as const;
  for (const [setting, found, expected, holds] of checks) {
    if (holds) continue;
    throw new MoeError(`derived logits' ${setting} is ${found}, expected ${expected}.`, {
      code: "BAD_SETTING",
      setting,
      value: found,
      expected,
    });
  }
}
