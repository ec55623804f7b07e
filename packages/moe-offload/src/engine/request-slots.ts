import type { Routing } from "../offload/routing.ts";
import { EngineError } from "./errors.ts";
import type { HyperParameters } from "./hyper-parameters.ts";
import type { CpuShare, ExpertSource, SlotPool } from "./interfaces.ts";

/**
 * Asks a source where the chosen experts of a layer are or will be, and checks both what the router
 * and what the source says: native code ends the process on a slot that is none.
 *
 * @param slots  output: the global slot of each chosen expert, in routing order
 * @throws EngineError `BAD_ROUTING` | `BAD_SLOTS`
 */
export function requestSlots(
  source: ExpertSource,
  routing: Routing,
  slots: Int32Array,
  { model, pool }: { model: HyperParameters; pool: SlotPool },
): void {
  const { layer, experts } = routing;
  if (!areDistinct(experts, model.expertCount)) {
    throw new EngineError(
      `layer ${layer} chose the experts [${experts.join(", ")}] of ${model.expertCount}; ` +
        "the weights of this model are damaged or give numbers that are not finite",
      { code: "BAD_ROUTING", layer, experts: [...experts], expertCount: model.expertCount },
    );
  }
  source.request(routing, slots);
  if (!areDistinct(slots, pool.slotCount, source.cpuShare)) {
    throw new EngineError(
      `the source of experts named the slots [${slots.join(", ")}] for layer ${layer}; ` +
        `expected different slots from 0 to ${pool.slotCount - 1}`,
      { code: "BAD_SLOTS", layer, slots: [...slots], slotCount: pool.slotCount },
    );
  }
}

/**
 * True when all numbers are in `0..limit-1` and no two are equal. Lists are short (top-k).
 * @param share  has as many numbers -1
 */
function areDistinct(numbers: Int32Array, limit: number, share?: CpuShare): boolean {
  let left = share?.count ?? 0;
  for (let i = 0; i < numbers.length; i++) {
    const number = numbers[i] ?? -1;
    if (number === -1 && left-- > 0) continue;
    if (number < 0 || number >= limit) return false;
    for (let j = 0; j < i; j++) if (numbers[j] === number) return false;
  }
  return true;
}
