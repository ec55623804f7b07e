/** What stays in host memory; see `HostTierOptions`. */
export const HOST_MODES = ["lru", "pinned", "window"] as const;
export type HostMode = (typeof HOST_MODES)[number];

/** Decides who is kept in host memory. Layers are counted by rank among those with experts. */
export interface HostRules {
  /** Whether the expert is to be kept when it was read from disk. */
  keeps(key: number): boolean;
  /** Whether the expert may give up its place. */
  mayLeave(key: number): boolean;
}

/**
 * The rules of a mode.
 *
 * @param rankOf      by layer number: its rank among the layers with experts
 * @param currentRank the rank of the layer being computed
 */
export function hostRules(
  mode: HostMode,
  shape: { expertCount: number; moeLayers: readonly number[] },
  windowLayers: number,
  currentRank: () => number,
): HostRules {
  if (mode === "lru") return { keeps: () => true, mayLeave: () => true };
  if (mode === "pinned") return { keeps: () => true, mayLeave: () => false };
  const rankOf = layerRanks(shape.moeLayers);
  const count = shape.moeLayers.length;
  // After the last layer comes the first one, of the next token.
  const inWindow = (key: number) => {
    const rank = rankOf[Math.floor(key / shape.expertCount)] ?? 0;
    return (rank - currentRank() + count) % count < windowLayers;
  };
  return { keeps: inWindow, mayLeave: (key) => !inWindow(key) };
}

/** By layer number: its rank among the layers with experts; -1 for others. */
export function layerRanks(moeLayers: readonly number[]): Int32Array {
  const ranks = new Int32Array((moeLayers.at(-1) ?? 0) + 1).fill(-1);
  moeLayers.forEach((layer, rank) => {
    ranks[layer] = rank;
  });
  return ranks;
}
