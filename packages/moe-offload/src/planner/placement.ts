/** What can happen to an expert that tokens need. */
export const PLACEMENT_VERBS = ["resident", "transfer", "in-place"] as const;
/**
 * `resident`: it lies in fast memory, no byte moves. `transfer`: it is brought there and computed.
 * `in-place`: it is computed where it lies, by another processor.
 */
export type PlacementVerb = (typeof PLACEMENT_VERBS)[number];

/** Measured curves that decide between the verbs. */
export interface PlacementCosts {
  /** Computing `tokens` rows of the expert in fast memory, ms. */
  readonly deviceMs: (tokens: number) => number;
  /** Waiting for its transfer, ms: what computing does not hide. */
  readonly exposedMs: number;
  /**
   * Computing `tokens` rows where it lies, ms. Undefined while nothing but the processor that owns
   * fast memory computes: then nothing is ever computed in place.
   */
  readonly inPlaceMs?: (tokens: number) => number;
}

/** A verb with what it costs. */
export interface Placement {
  readonly verb: PlacementVerb;
  readonly costMs: number;
}

/** The cheapest verb for an expert that so many tokens of a step need; of equals the first. */
export function placeExpert(isResident: boolean, tokens: number, costs: PlacementCosts): Placement {
  const computeMs = costs.deviceMs(tokens);
  if (isResident) return { verb: "resident", costMs: computeMs };
  const transfer: Placement = { verb: "transfer", costMs: costs.exposedMs + computeMs };
  if (costs.inPlaceMs === undefined) return transfer;
  const inPlaceMs = costs.inPlaceMs(tokens);
  return inPlaceMs < transfer.costMs ? { verb: "in-place", costMs: inPlaceMs } : transfer;
}

/** Decisions for one layer: experts by falling use, and numbers of tokens that need them. */
export interface LayerPlacement {
  readonly layer: number;
  /** Experts by falling use. */
  readonly experts: readonly number[];
  /** `[experts][tokenCounts]`. */
  readonly verbs: readonly (readonly PlacementVerb[])[];
}

/**
 * Decides for every expert of a layer and every number of tokens. The most used experts are
 * resident, as many as the layer has slots: that minimises misses of a placement that does not
 * change, and is where policies that change it begin.
 *
 * @param uses  of the layer's experts on calibration text, `[expertCount]`
 * @param tokenCounts  tokens of a step that need the expert: 1 for one request, more for groups
 */
export function placeLayer(
  layer: number,
  uses: ArrayLike<number>,
  slots: number,
  tokenCounts: readonly number[],
  costs: PlacementCosts,
): LayerPlacement {
  const experts = Array.from({ length: uses.length }, (_, expert) => expert).sort(
    (a, b) => (uses[b] ?? 0) - (uses[a] ?? 0) || a - b,
  );
  const verbs = experts.map((_, rank) =>
    tokenCounts.map((tokens) => placeExpert(rank < slots, tokens, costs).verb),
  );
  return { layer, experts, verbs };
}
