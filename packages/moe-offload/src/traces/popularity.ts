import type { Prng } from "@fmlab/sim";
import type { RoutingShape } from "../offload/routing.ts";
import { ALL_CHOICES, type ExpertCounts, type PopularityOrder } from "./routing-statistics.ts";

/** How often each expert is to be chosen in text of one kind. */
export interface PopularityTarget {
  readonly domain: string;
  /** By place in `shape.moeLayers`: share of the layer's selections, `[expertCount]`, sum 1. */
  readonly shares: readonly Float64Array[];
}

/** A token uses an expert once at most: its share of the selections stays below 1 / k. */
const USE_MAX = 0.98;

/** Counted selections, and what else is known of the model that they were counted in. */
export interface PopularitySource {
  readonly counts: ExpertCounts;
  /** Layers of that model. */
  readonly layerCount: number;
  /** Which experts are popular in the layers that were not counted. */
  readonly order?: PopularityOrder;
}

/**
 * Popularity after counted selections. A layer that was counted in a model of the same size gets
 * its own counts. Any other gets the counts of the counted layer nearest in relative depth with its
 * experts drawn and shuffled, alike for all domains, so that skew within a domain and change
 * between domains stay what they are.
 */
export function popularityFromCounts(
  shape: RoutingShape,
  source: PopularitySource,
  prng: Prng,
): PopularityTarget[] {
  const { counts, layerCount, order } = source;
  const domains = counts.sets.get(ALL_CHOICES) ?? new Map<string, Float64Array[]>();
  const isSameModel = counts.expertCount === shape.expertCount && layerCount === shape.layerCount;
  const sources = shape.moeLayers.map((layer) => {
    const counted = isSameModel ? counts.layers.indexOf(layer) : -1;
    const identity = Array.from({ length: shape.expertCount }, (_, expert) => expert);
    if (counted !== -1) return { row: counted, columns: identity };
    const row = nearestRow(counts, (layer / shape.layerCount) * layerCount);
    const columns = drawColumns(shape.expertCount, counts.expertCount, prng.fork(layer));
    return {
      row,
      columns: isSameModel && order ? arrange(columns, counts, row, layer, order) : columns,
    };
  });
  return [...domains].map(([domain, rows]) => ({
    domain,
    shares: sources.map(({ row, columns }) => {
      const counted = rows[row] ?? new Float64Array(counts.expertCount);
      // Half a selection for experts that were never chosen, so that none is impossible.
      const drawn = Float64Array.from(columns, (column) => Math.max(0.5, counted[column] ?? 0));
      return normalise(drawn, shape.expertUsedCount);
    }),
  }));
}

/**
 * Popularity where nothing was counted: log-normal shares.
 *
 * @param skew  standard deviation of the logarithm of a share. Counted by domain: Mixtral 8x7B 0.04
 *              to 0.34, OLMoE 0.27 (web text) to 1.8 (papers, code), growing with depth
 */
export function logNormalPopularity(
  shape: RoutingShape,
  skew: number,
  domains: readonly string[],
  prng: Prng,
): PopularityTarget[] {
  return domains.map((domain) => ({
    domain,
    shares: shape.moeLayers.map((layer) => {
      const stream = prng.fork(domain).fork(layer);
      const drawn = Float64Array.from({ length: shape.expertCount }, () =>
        Math.exp(stream.normal(0, skew)),
      );
      return normalise(drawn, shape.expertUsedCount);
    }),
  }));
}

function nearestRow(counts: ExpertCounts, place: number): number {
  let best = 0;
  counts.layers.forEach((counted, row) => {
    if (Math.abs(counted - place) < Math.abs((counts.layers[best] ?? 0) - place)) best = row;
  });
  return best;
}

/** Each column once or nearly equally often, shuffled. */
function drawColumns(wanted: number, available: number, prng: Prng): number[] {
  const all = Array.from({ length: available }, (_, column) => column);
  const drawn: number[] = [];
  while (drawn.length < wanted) drawn.push(...prng.shuffle(all));
  return prng.shuffle(drawn.slice(0, wanted));
}

/** Deals columns out so that the experts named first in the order get the most popular ones. */
function arrange(
  columns: number[],
  counts: ExpertCounts,
  row: number,
  layer: number,
  order: PopularityOrder,
): number[] {
  const ranked = order.order.filter(([of]) => of === layer).map(([, expert]) => expert);
  if (ranked.length !== columns.length) return columns;
  const total = (column: number) => {
    let sum = 0;
    for (const rows of counts.sets.get(ALL_CHOICES)?.values() ?? [])
      sum += rows[row]?.[column] ?? 0;
    return sum;
  };
  const falling = [...columns].sort((a, b) => total(b) - total(a));
  const arranged = [...columns];
  ranked.forEach((expert, rank) => {
    arranged[expert] = falling[rank] ?? 0;
  });
  return arranged;
}

/** Makes shares of weights; what is above the most a token can use goes to the others. */
function normalise(weights: Float64Array, used: number): Float64Array {
  const most = Math.max(USE_MAX / used, 1 / weights.length);
  const shares = weights.slice();
  for (let round = 0; round < weights.length; round++) {
    const free = shares.reduce((sum, share) => sum + (share === most ? 0 : share), 0);
    const left = 1 - most * shares.reduce((count, share) => count + (share === most ? 1 : 0), 0);
    let isOver = false;
    for (let i = 0; i < shares.length; i++) {
      if (shares[i] === most) continue;
      shares[i] = ((shares[i] ?? 0) * left) / free;
      if ((shares[i] ?? 0) > most) {
        shares[i] = most;
        isOver = true;
      }
    }
    if (!isOver) break;
  }
  return shares;
}
