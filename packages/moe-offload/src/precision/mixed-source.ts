import type { ExpertSource } from "../engine/interfaces.ts";
import type { Routing } from "../offload/routing.ts";
import type { PrecisionRule } from "./rules.ts";
import type { TieredPool } from "./tiered-pool.ts";

/** How many uses of experts had which precision. */
export interface TierCounts {
  /** By tier. */
  readonly uses: Float64Array;
  /** Sum over uses of the bytes of the expert in its precision. */
  bytes: number;
}

/**
 * A source of experts for the engine over a pool that holds every expert in several precisions:
 * a rule decides by which one each use is computed.
 */
export class MixedSource implements ExpertSource {
  /** Replaced between texts; the pool stays. */
  rule: PrecisionRule;
  /** Where uses are counted; replaced likewise. */
  counts: TierCounts;
  readonly #tiered: TieredPool;
  readonly #tiers: Uint8Array;

  constructor(tiered: TieredPool, rule: PrecisionRule, expertUsedCount: number) {
    this.rule = rule;
    this.#tiered = tiered;
    this.#tiers = new Uint8Array(expertUsedCount);
    this.counts = emptyCounts(tiered.tierCount);
  }

  request(routing: Routing, slots: Int32Array): void {
    const { experts, layer } = routing;
    this.rule.choose({ ...routing, tokenCount: 1 }, this.#tiers);
    for (let i = 0; i < experts.length; i++) {
      slots[i] = this.#tiered.slotOf(this.#tiers[i] ?? 0, layer, experts[i] ?? 0);
    }
    countUses(this.counts, this.#tiered, layer, this.#tiers);
  }

  isReady(): boolean {
    return true;
  }

  waitFor(): void {}

  release(): void {}
}

/** Counts of nothing yet. */
export function emptyCounts(tierCount: number): TierCounts {
  return { uses: new Float64Array(tierCount), bytes: 0 };
}

/** Adds the uses of one layer. */
export function countUses(
  counts: TierCounts,
  tiered: TieredPool,
  layer: number,
  tiers: Uint8Array,
): void {
  for (const tier of tiers) {
    counts.uses[tier] = (counts.uses[tier] ?? 0) + 1;
    counts.bytes += tiered.expertBytes(tier, layer);
  }
}
