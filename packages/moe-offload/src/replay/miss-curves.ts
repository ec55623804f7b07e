import type { MissCurves, PolicyDefinition } from "../policies/policy.ts";
import type { Trace } from "../traces/trace.ts";
import { countHits } from "./hits.ts";
import type { PolicyKnowledge } from "./replayer.ts";

/**
 * LRU's misses in every layer at every number of slots, in one pass: an expert hits in a cache of
 * `c` slots when fewer than `c` others were used since its last use.
 *
 * With fewer slots than experts a token, the curve is of a cache that keeps the last experts of
 * each token in routing order; a policy that declines some may differ there.
 *
 * @param warmupTokens  first tokens that fill the cache and are not counted
 * @see Mattson et al. 1970, IBM Systems Journal 9(2): stack algorithms
 */
export function lruMissCurves(trace: Trace, warmupTokens = 0): MissCurves {
  const { expertCount, layerCount, moeLayers } = trace.shape;
  const counted = Math.max(1, trace.tokenCount - warmupTokens);
  const missesPerToken = new Array<Float64Array | undefined>(layerCount).fill(undefined);
  moeLayers.forEach((layer, index) => {
    const foundAt = stackDistances(trace, index, warmupTokens);
    // Largest cache first: what it misses, a smaller one misses too.
    const misses = new Float64Array(expertCount + 1);
    for (let slots = expertCount, sum = 0; slots >= 0; slots--) {
      sum += foundAt[slots] ?? 0;
      misses[slots] = sum / counted;
    }
    missesPerToken[layer] = misses;
  });
  return { missesPerToken };
}

/**
 * Misses of any policy at every number of slots that keep experts, by a replay for each size; where
 * these are fewer than a token needs, the rest passes through staging that is not counted. Between
 * sizes that were replayed, misses are interpolated.
 *
 * @param sizes  slots per layer to replay, ascending; 0 and `expertCount` are added
 */
export function policyMissCurves(
  trace: Trace,
  policy: PolicyDefinition,
  sizes: readonly number[],
  knowledge: PolicyKnowledge = {},
): MissCurves {
  const { expertCount, expertUsedCount, layerCount, moeLayers } = trace.shape;
  const wanted = [...new Set([...sizes, expertCount])].filter((size) => size > 0);
  const points = [{ size: 0, misses: moeLayers.map(() => expertUsedCount) }];
  for (const size of wanted) {
    const slots = new Array<number>(layerCount).fill(0);
    for (const layer of moeLayers) slots[layer] = size;
    const staging = size < expertUsedCount ? expertUsedCount : 0;
    const allocation = { slots, isShared: false, staging };
    const slotCount = size * moeLayers.length + staging;
    const found = countHits(trace, { policy, slotCount, allocation, knowledge });
    const { hits, uses, tokenCount } = found;
    const misses = moeLayers.map((_, index) => {
      return ((uses[index] ?? 0) - (hits[index] ?? 0)) / Math.max(1, tokenCount);
    });
    points.push({ size, misses });
  }
  const missesPerToken = new Array<Float64Array | undefined>(layerCount).fill(undefined);
  moeLayers.forEach((layer, index) => {
    const curve = new Float64Array(expertCount + 1);
    for (let size = 0, above = 1; size <= expertCount; size++) {
      while (above < points.length - 1 && (points[above]?.size ?? 0) < size) above++;
      const low = points[above - 1];
      const high = points[above] ?? low;
      if (low === undefined || high === undefined) continue;
      const span = high.size - low.size;
      const share = span === 0 ? 0 : Math.min(1, (size - low.size) / span);
      const from = low.misses[index] ?? 0;
      curve[size] = from + share * ((high.misses[index] ?? 0) - from);
    }
    missesPerToken[layer] = curve;
  });
  return { missesPerToken };
}

/**
 * How often an expert of a layer lay at each place of the stack of last uses when it was used;
 * the last entry counts first uses. `[expertCount + 1]`
 */
function stackDistances(trace: Trace, index: number, warmupTokens: number): Float64Array {
  const { experts, shape, tokenCount } = trace;
  const { expertCount, expertUsedCount: used, moeLayers } = shape;
  const foundAt = new Float64Array(expertCount + 1);
  const stack = new Uint16Array(expertCount);
  let depth = 0;
  for (let token = 0; token < tokenCount; token++) {
    const base = (token * moeLayers.length + index) * used;
    // All experts of a token are looked up before any of them counts as used.
    if (token >= warmupTokens) {
      for (let i = 0; i < used; i++) {
        const place = placeIn(stack, depth, experts[base + i] ?? 0);
        const bin = place < depth ? place : expertCount;
        foundAt[bin] = (foundAt[bin] ?? 0) + 1;
      }
    }
    for (let i = 0; i < used; i++) {
      const expert = experts[base + i] ?? 0;
      const place = placeIn(stack, depth, expert);
      if (place === depth) depth++;
      for (let at = place; at > 0; at--) stack[at] = stack[at - 1] ?? 0;
      stack[0] = expert;
    }
  }
  return foundAt;
}

function placeIn(stack: Uint16Array, depth: number, expert: number): number {
  let place = 0;
  while (place < depth && stack[place] !== expert) place++;
  return place;
}
