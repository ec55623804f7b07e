import type { ExpertLayout } from "../model/expert-layout.ts";
import type { Allocation, MissCurves, PolicyDefinition } from "../policies/policy.ts";
import type { Scheduler } from "./scheduler.ts";

/** What an elastic memory is made of. */
export interface ElasticMemoryParts {
  readonly scheduler: Scheduler;
  readonly layout: ExpertLayout;
  readonly policy: PolicyDefinition;
  readonly prefetchWidth: number;
  /** As the pool was made: no more slots than these are ever in use. */
  readonly allocation: Allocation;
  /** Experts and KV cache together. */
  readonly budgetBytes: number;
  readonly kvBytesPerToken: number;
  readonly missCurves?: MissCurves | undefined;
}

/** Tokens between two looks at the context. */
const GRAIN_TOKENS = 32;
/** Misses of a layer before its measured wait is believed. */
const MISSES_MIN = 64;

/**
 * Keeps experts and KV cache within one budget: as the context grows, slots are given up, each
 * layer losing what is worth least by its miss curve and by how long its misses are measured to
 * take. When a new context begins, they come back.
 */
export class ElasticMemory {
  readonly #parts: ElasticMemoryParts;
  #grain = 0;

  constructor(parts: ElasticMemoryParts) {
    this.#parts = parts;
  }

  /** Slots that keep experts when so many tokens are in the context, by layer. */
  slotsAt(tokens: number): readonly number[] {
    const { allocation, budgetBytes, kvBytesPerToken, layout, policy, prefetchWidth } = this.#parts;
    const largest = Math.max(...layout.classes.map(({ expertBytes }) => expertBytes));
    const slotCount = Math.floor((budgetBytes - tokens * kvBytesPerToken) / largest);
    const shared = policy.allocate(layout, slotCount, prefetchWidth, this.#curves());
    if (typeof shared === "number" || shared.isShared !== allocation.isShared) {
      return allocation.slots;
    }
    return shared.slots;
  }

  /** The context holds so many tokens; called between tokens. */
  follow(tokens: number): void {
    const grain = Math.ceil(tokens / GRAIN_TOKENS);
    if (grain === this.#grain) return;
    this.#grain = grain;
    this.#parts.scheduler.resize(this.slotsAt(grain * GRAIN_TOKENS));
  }

  /** The calibration's miss curves with the waits measured in this run. */
  #curves(): MissCurves | undefined {
    const { layout, missCurves, scheduler } = this.#parts;
    if (!missCurves) return undefined;
    const { demanded, stallMs } = scheduler.layerCounts;
    const isKnown = layout.moeLayers.every((layer) => (demanded[layer] ?? 0) >= MISSES_MIN);
    if (!isKnown) return missCurves;
    const exposedMs = Array.from(demanded, (count, layer) =>
      count > 0 ? (stallMs[layer] ?? 0) / count : 0,
    );
    return { ...missCurves, exposedMs };
  }
}
