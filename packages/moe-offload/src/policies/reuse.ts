import type { ExpertKey, Routing } from "../offload/routing.ts";
import { allocateEqually, allocateWithStaging, mayBypass } from "./allocation.ts";
import { allocateByCurves } from "./layer-sizes.ts";
import { indexOfLowest } from "./lowest.ts";
import type { ExpertPolicy, PolicyContext, PolicyDefinition } from "./policy.ts";
import { ReuseScore } from "./reuse-score.ts";

/**
 * Our policy: keeps the experts that a learned score says will be used soonest and most (see
 * `ReuseScore`). A prefetched expert takes the slot of one with a lower score, or none.
 *
 * @param mayDecline  takes staging slots out of the budget, so that a used expert of low score need
 *                    not be kept; otherwise staging only where a layer has fewer slots than top-k
 */
export function defineReuse(name: string, mayDecline: boolean): PolicyDefinition {
  return {
    name,
    help: "Keeps the experts of highest learned reuse score; learns from the model's own text.",
    source: "this project: ridge regression of discounted future uses on router probabilities",
    learns: true,
    allocate(shape, slotCount, prefetchWidth, missCurves) {
      const share = mayDecline ? allocateWithStaging : allocateEqually;
      const equal = share(shape, slotCount, prefetchWidth);
      if (missCurves === undefined || typeof equal === "number") return equal;
      return allocateByCurves(shape, slotCount, equal, missCurves);
    },
    initial: mostPopular,
    create: (context) => new ReusePolicy(context),
  };
}

/** Keeps every used expert: see the guide for what declining was worth. */
export const reuse = defineReuse("reuse", false);

/** Per layer the experts that earlier text used most; nothing where that is not known. */
function mostPopular({ allocation, popularity, shape }: PolicyContext): ExpertKey[] {
  if (popularity === undefined) return [];
  const chosen: ExpertKey[] = [];
  for (const layer of shape.moeLayers) {
    const base = layer * shape.expertCount;
    const keys = Array.from({ length: shape.expertCount }, (_, expert) => base + expert);
    keys.sort((a, b) => (popularity[b] ?? 0) - (popularity[a] ?? 0) || a - b);
    chosen.push(...keys.slice(0, allocation.slots[layer] ?? 0));
  }
  return chosen;
}

class ReusePolicy implements ExpertPolicy {
  readonly allResident = false;
  #mayBypass: boolean;
  #score: ReuseScore;

  constructor({ allocation, reuseModel, shape }: PolicyContext) {
    this.#mayBypass = mayBypass(shape, allocation);
    this.#score = new ReuseScore(shape, reuseModel);
  }

  onRouting(routing: Routing): void {
    this.#score.update(routing);
  }

  victim(incoming: ExpertKey, candidates: Int32Array, count: number, isPrefetch: boolean): number {
    const { values } = this.#score;
    this.#score.refresh(candidates, count);
    const lowest = indexOfLowest(values, candidates, count);
    if (incoming < 0 || (!isPrefetch && !this.#mayBypass)) return lowest;
    this.#score.refreshOne(incoming);
    return (values[incoming] ?? 0) > (values[candidates[lowest] ?? 0] ?? 0) ? lowest : -1;
  }
}
