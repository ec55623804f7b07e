import { rankExperts } from "../predictors/rank-experts.ts";
import type { Trace } from "./trace.ts";

/** What a trace is like, by place in `shape.moeLayers`. */
export interface TraceStatistics {
  /** Share of the layer's selections that went to each expert, `[expertCount]`. */
  readonly shares: readonly Float64Array[];
  /** Entropy of these shares over that of equal ones, 0 to 1. */
  readonly entropy: readonly number[];
  /** Share of a token's experts that the token before in the sequence used. */
  readonly previousTokenReuse: readonly number[];
  /** Mean probability of the k choices together; empty without probabilities. */
  readonly chosenMass: readonly number[];
  /** Cross-layer gate, one layer ahead: entry `i` is of layer `i + 1`; empty without logits. */
  readonly crossLayerAccuracy: readonly number[];
  /** The same for whole routings: all k experts right. */
  readonly wholeRoutingAccuracy: readonly number[];
}

/**
 * Describes a trace: popularity, locality, and how well later routers can be foreseen.
 *
 * @param accepts  tokens to look at, for example those of one domain; all when missing
 */
export function describeTrace(trace: Trace, accepts?: (token: number) => boolean): TraceStatistics {
  const indices = [...trace.shape.moeLayers.keys()];
  const tokens = Array.from({ length: trace.tokenCount }, (_, t) => t).filter(
    (token) => accepts?.(token) ?? true,
  );
  const shares = indices.map((index) => sharesOf(trace, index, tokens));
  const gates = indices.slice(1).map((index) => gateAccuracy(trace, index, tokens));
  const hasLogits = trace.ahead !== undefined && trace.aheadDepth > 0;
  return {
    shares,
    entropy: shares.map(relativeEntropy),
    previousTokenReuse: indices.map((index) => reuse(trace, index, tokens)),
    chosenMass: trace.probabilities ? indices.map((index) => mass(trace, index, tokens)) : [],
    crossLayerAccuracy: hasLogits ? gates.map(({ slots }) => slots) : [],
    wholeRoutingAccuracy: hasLogits ? gates.map(({ whole }) => whole) : [],
  };
}

/** Half the sum of differences of two distributions: 0 for equal ones, 1 for disjoint ones. */
export function totalVariation(a: Float64Array, b: Float64Array): number {
  return a.reduce((sum, value, i) => sum + Math.abs(value - (b[i] ?? 0)), 0) / 2;
}

/** Entropy of a distribution over that of equal shares, 0 to 1. */
export function relativeEntropy(shares: Float64Array): number {
  const nats = shares.reduce((sum, share) => (share > 0 ? sum - share * Math.log(share) : sum), 0);
  return shares.length > 1 ? nats / Math.log(shares.length) : 1;
}

function chosen(trace: Trace, token: number, index: number): Uint16Array {
  const { expertUsedCount, moeLayers } = trace.shape;
  const at = (token * moeLayers.length + index) * expertUsedCount;
  return trace.experts.subarray(at, at + expertUsedCount);
}

function sharesOf(trace: Trace, index: number, tokens: readonly number[]): Float64Array {
  const shares = new Float64Array(trace.shape.expertCount);
  const one = 1 / Math.max(1, tokens.length * trace.shape.expertUsedCount);
  for (const token of tokens) {
    for (const expert of chosen(trace, token, index)) shares[expert] = (shares[expert] ?? 0) + one;
  }
  return shares;
}

function reuse(trace: Trace, index: number, tokens: readonly number[]): number {
  let both = 0;
  let all = 0;
  for (const token of tokens) {
    const before = (trace.positions[token - 1] ?? -2) + 1;
    if (token === 0 || trace.positions[token] !== before) continue;
    const last = chosen(trace, token - 1, index);
    for (const expert of chosen(trace, token, index)) {
      all++;
      if (last.includes(expert)) both++;
    }
  }
  return all === 0 ? 0 : both / all;
}

function mass(trace: Trace, index: number, tokens: readonly number[]): number {
  const { expertCount, moeLayers } = trace.shape;
  let sum = 0;
  for (const token of tokens) {
    const row = (token * moeLayers.length + index) * expertCount;
    for (const expert of chosen(trace, token, index)) {
      sum += trace.probabilities?.[row + expert] ?? 0;
    }
  }
  return sum / Math.max(1, tokens.length);
}

/** How well the layer at `index` is foreseen by its gate one layer earlier. */
function gateAccuracy(trace: Trace, index: number, tokens: readonly number[]) {
  const { ahead, aheadDepth, shape } = trace;
  const { expertCount, expertUsedCount: used, moeLayers } = shape;
  const follows = moeLayers[index] === (moeLayers[index - 1] ?? -2) + 1;
  if (ahead === undefined || aheadDepth === 0 || !follows) return { slots: 0, whole: 0 };
  const ranked = new Int32Array(used);
  let right = 0;
  let whole = 0;
  for (const token of tokens) {
    const row = (token * moeLayers.length + index - 1) * aheadDepth;
    rankExperts(ahead.subarray(row * expertCount, (row + 1) * expertCount), used, ranked);
    const truth = chosen(trace, token, index);
    const found = ranked.reduce((sum, expert) => sum + (truth.includes(expert) ? 1 : 0), 0);
    right += found;
    if (found === used) whole++;
  }
  const count = Math.max(1, tokens.length);
  return { slots: right / (count * used), whole: whole / count };
}
