import { createPrng, type Prng } from "@fmlab/sim";
import type { Routing } from "../offload/routing.ts";
import { rankExperts } from "../predictors/rank-experts.ts";
import { type GeneratorOptions, generatedContents, valueAt } from "./generator-options.ts";
import { fillNormal, LatentRouter } from "./latent-router.ts";
import { LayerFit } from "./layer-fit.ts";
import type { Trace } from "./trace.ts";
import type { TraceContents } from "./trace-block.ts";
import { MemoryTraceSink, TraceRecorder, type TraceSink } from "./trace-recorder.ts";

/**
 * Writes a routing trace for a model whose weights are not at hand. A token's state in a layer is
 *
 *     y(t, 0) = e(t, 0),   y(t, l) = c(l) y(t, l-1) + sqrt(1 - c(l)^2) e(t, l)
 *     e(t, l) = sqrt(a) topic(l) + sqrt(1 - a) f(t, l)
 *     f(t, l) = r f(t-1, l) + sqrt(1 - r^2) noise
 *
 * with a topic for each sequence; its routers choose the k highest of `W(l) y(t, l) + bias(l)`, and
 * a cross-layer gate is `W(l+d) y(t, l) + bias(l+d)`, as in a residual stream that each layer
 * changes a little. Biases are fitted to the wanted popularity, `c` to the wanted gate accuracy,
 * `a` and `r` to the wanted reuse; each fit leaves the others as they are. The result is simulated.
 *
 * @throws MoeError `BAD_SETTING`
 */
export function generateTrace(options: GeneratorOptions): Trace {
  const contents = generatedContents(options);
  const sink = new MemoryTraceSink(contents);
  generateInto(options, contents, sink);
  return sink.toTrace();
}

/** The same into a sink, for traces larger than memory. @throws MoeError `BAD_SETTING` */
export function generateInto(
  options: GeneratorOptions,
  contents: TraceContents,
  sink: TraceSink,
): void {
  const process = new LatentProcess(options);
  const recorder = new TraceRecorder(contents, sink);
  for (let token = 0; token < options.tokenCount; token++) {
    process.nextToken(token);
    for (let index = 0; index < options.shape.moeLayers.length; index++) {
      recorder.add(process.routing(index));
    }
  }
  recorder.flush();
}

/** The states of tokens, and what the routers make of them. */
class LatentProcess {
  readonly #options: GeneratorOptions;
  readonly #router: LatentRouter;
  readonly #prng: Prng;
  /** By layer index: correlation of its state with that of the layer before; 0 for the first. */
  readonly #layerCorrelation: number[];
  readonly #topicShare: number;
  readonly #tokenCorrelation: number;
  /** By layer index: factor of the logits in the softmax. */
  readonly #sharpness: number[];
  readonly #topic: Float64Array[];
  readonly #fast: Float64Array[];
  readonly #state: Float64Array[];
  readonly #noise: Float64Array;
  readonly #routing: Routing;
  readonly #ahead: Float32Array[];
  readonly #logits: Float32Array;
  #domain = 0;

  constructor(options: GeneratorOptions) {
    const { popularity, seed, shape } = options;
    const prng = createPrng(seed, "routing-trace");
    const router = new LatentRouter(shape, popularity.length, prng.fork("routers"));
    const fit = fitRouter(options, router, prng.fork("fit"));
    this.#options = options;
    this.#router = router;
    this.#prng = prng.fork("states");
    this.#topicShare = fit.topicShare;
    this.#tokenCorrelation = fit.tokenCorrelation;
    this.#layerCorrelation = fit.layerCorrelation;
    this.#sharpness = fit.sharpness;
    const states = () => shape.moeLayers.map(() => new Float64Array(router.latentLength));
    this.#topic = states();
    this.#fast = states();
    this.#state = states();
    this.#noise = new Float64Array(router.latentLength);
    this.#logits = new Float32Array(shape.expertCount);
    this.#ahead = Array.from(
      { length: options.aheadDepth },
      () => new Float32Array(shape.expertCount),
    );
    this.#routing = {
      layer: 0,
      token: 0,
      position: 0,
      experts: new Int32Array(shape.expertUsedCount),
      probabilities: new Float32Array(shape.expertCount),
      ahead: this.#ahead,
    };
  }

  /** Draws the states of the next token in all layers. */
  nextToken(token: number): void {
    const { sequenceTokens, popularity } = this.#options;
    const position = token % sequenceTokens;
    this.#routing.token = token;
    this.#routing.position = position;
    if (position === 0) {
      this.#domain = Math.floor(token / sequenceTokens) % popularity.length;
      for (const topic of this.#topic) fillNormal(topic, this.#prng);
      for (const fast of this.#fast) fillNormal(fast, this.#prng);
    }
    const topicPart = Math.sqrt(this.#topicShare);
    const fastPart = Math.sqrt(1 - this.#topicShare);
    const kept = position === 0 ? 1 : this.#tokenCorrelation;
    const fresh = Math.sqrt(1 - kept * kept);
    this.#state.forEach((state, index) => {
      const topic = this.#topic[index] as Float64Array;
      const fast = this.#fast[index] as Float64Array;
      const before = this.#state[index - 1];
      const carried = before === undefined ? 0 : (this.#layerCorrelation[index] ?? 0);
      const added = Math.sqrt(1 - carried * carried);
      if (fresh > 0) fillNormal(this.#noise, this.#prng);
      for (let i = 0; i < state.length; i++) {
        fast[i] = kept * (fast[i] ?? 0) + fresh * (this.#noise[i] ?? 0);
        const own = topicPart * (topic[i] ?? 0) + fastPart * (fast[i] ?? 0);
        state[i] = carried * (before?.[i] ?? 0) + added * own;
      }
    });
  }

  /** What the router of a layer makes of the current token; valid until the next call. */
  routing(index: number): Routing {
    const { shape } = this.#options;
    const routing = this.#routing;
    const state = this.#state[index] as Float64Array;
    routing.layer = shape.moeLayers[index] ?? 0;
    this.#router.logits(this.#domain, index, state, this.#logits);
    rankExperts(this.#logits, shape.expertUsedCount, routing.experts);
    softmax(this.#logits, this.#sharpness[index] ?? 1, routing.probabilities);
    this.#ahead.forEach((logits, d) => {
      const target = shape.moeLayers.indexOf(routing.layer + 1 + d);
      if (target !== -1) this.#router.logits(this.#domain, target, state, logits);
    });
    return routing;
  }
}

/** Fits all layers, one after the other, to what the options want. */
function fitRouter(options: GeneratorOptions, router: LatentRouter, prng: Prng) {
  const { chosenMass, crossLayerAccuracy, hasProbabilities, popularity, shape } = options;
  const layerCorrelation: number[] = [];
  const sharpness: number[] = [];
  let far = 0;
  let near = 0;
  shape.moeLayers.forEach((_, index) => {
    const fit = new LayerFit(router, index, prng.fork(index));
    popularity.forEach(({ shares }, domain) => {
      fit.fitBias(domain, shares[index] ?? new Float64Array(0));
    });
    far += fit.correlationFor(options.sequenceReuse) / shape.moeLayers.length;
    near += fit.correlationFor(options.previousTokenReuse) / shape.moeLayers.length;
    const accuracy = valueAt(crossLayerAccuracy, index - 1);
    layerCorrelation.push(index === 0 ? 0 : fit.correlationFor(accuracy));
    sharpness.push(hasProbabilities ? fit.sharpnessFor(valueAt(chosenMass, index)) : 1);
  });
  // What neighbours have in common beyond the topic fades from token to token.
  const topicShare = Math.min(far, 0.999);
  const tokenCorrelation = Math.max(0, (Math.min(near, 1) - topicShare) / (1 - topicShare));
  return { layerCorrelation, sharpness, topicShare, tokenCorrelation };
}

function softmax(logits: Float32Array, sharpness: number, out: Float32Array): void {
  let highest = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < logits.length; i++) highest = Math.max(highest, logits[i] ?? 0);
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const value = Math.exp(sharpness * ((logits[i] ?? 0) - highest));
    out[i] = value;
    sum += value;
  }
  for (let i = 0; i < logits.length; i++) out[i] = (out[i] ?? 0) / sum;
}
