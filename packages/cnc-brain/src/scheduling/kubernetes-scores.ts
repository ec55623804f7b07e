/** Highest score of a Kubernetes plugin. */
export const NODE_SCORE_MAX = 100;

/** Bounds of ImageLocality: images below 23 MB do not count, above 1000 MB count in full. */
const IMAGE_MB_MIN = 23;
const IMAGE_MB_MAX = 1000;

/**
 * NodeResourcesFit with LeastAllocated: the mean of the resources' free shares, whole numbers as in
 * Kubernetes.
 *
 * @param shares requested over allocatable of each resource, the new pod included
 */
export function leastAllocatedScore(shares: readonly number[]): number {
  const scores = shares.map((f) => (f > 1 ? 0 : whole((1 - f) * NODE_SCORE_MAX)));
  return whole(meanOf(scores));
}

/** NodeResourcesFit with MostAllocated: the mean of the resources' used shares. */
export function mostAllocatedScore(shares: readonly number[]): number {
  const scores = shares.map((f) => (f > 1 ? 0 : whole(f * NODE_SCORE_MAX)));
  return whole(meanOf(scores));
}

/** NodeResourcesBalancedAllocation as it long was: 100 less the shares' standard deviation. */
export function balancedScore(shares: readonly number[]): number {
  const capped = shares.map((f) => Math.min(1, f));
  const [first = 0, second = 0] = capped;
  const mean = meanOf(capped);
  const deviation =
    capped.length === 2
      ? Math.abs(first - second) / 2
      : Math.sqrt(meanOf(capped.map((f) => (f - mean) ** 2)));
  return whole((1 - deviation) * NODE_SCORE_MAX);
}

/**
 * The same in newer releases: 50 + (50 + score with the pod - score without it) / 2, so that an
 * improvement counts, not the state.
 *
 * @see kubernetes balanced_allocation.go (at second hand)
 */
export function balancedImprovementScore(
  before: readonly number[],
  after: readonly number[],
): number {
  return 50 + whole((50 + balancedScore(after) - balancedScore(before)) / 2);
}

/**
 * ImageLocality: the image's size, scaled by the share of nodes that have it, within bounds.
 *
 * @param nodesWithImage this node is among them; 0 scores nothing
 */
export function imageLocalityScore(
  imageMb: number,
  nodesWithImage: number,
  nodeCount: number,
): number {
  const scaled = imageMb * (nodesWithImage / nodeCount);
  const bounded = Math.min(IMAGE_MB_MAX, Math.max(IMAGE_MB_MIN, scaled));
  return whole((NODE_SCORE_MAX * (bounded - IMAGE_MB_MIN)) / (IMAGE_MB_MAX - IMAGE_MB_MIN));
}

/** Rounds down as integer division does, but not what only rounding put below a whole number. */
function whole(value: number): number {
  return Math.floor(value + 1e-9);
}

function meanOf(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
