import type { CpuShare } from "../engine/interfaces.ts";
import type { CpuChoiceName } from "./cpu-choice-names.ts";
import type { Lane } from "./lane.ts";
import { type MissCosts, mix } from "./miss-costs.ts";
import type { ExpertKey } from "./routing.ts";
import { splitMisses } from "./split-misses.ts";

/** Where experts lie in host memory. */
export interface HostPlaces {
  /** The address of an expert, which stays there until `release`; 0 when it is not there. */
  hold(key: ExpertKey): bigint;
  /** Lets go of all experts that are held. */
  release(): void;
}

/** What a share of the CPU is made of. */
export interface CpuShareParts {
  readonly places: HostPlaces;
  readonly costs: MissCosts;
  readonly choice: CpuChoiceName;
  readonly lane: Pick<Lane, "nowMs" | "pending" | "prefetchesPending">;
  readonly expertUsedCount: number;
  /** Bytes of an expert of a layer. */
  readonly expertBytes: (layer: number) => number;
}

/**
 * Chooses which of a layer's missed experts the CPU computes, and measures how long it takes. Of
 * the experts that a router chose, those that weigh least go to the CPU: the others are likelier to
 * be chosen again, and are copied into a slot.
 *
 * @see Zhong et al. 2025, arXiv:2504.05897 (HybriMoE)
 */
export class MissedOnCpu implements CpuShare {
  count = 0;
  readonly indices: Int32Array;
  readonly addresses: BigInt64Array;
  readonly #parts: CpuShareParts;
  /** By chosen expert: 1 when the CPU computes it. */
  readonly #isOnCpu: Uint8Array;
  #bytes = 0;
  #startMs = 0;
  /** When the last layer asked, and how many copies it demanded. */
  #askedMs = Number.NaN;
  #copied = 0;
  /** Time from layer to layer in which the link carries no demands, ms. */
  #windowMs = 0;

  constructor(parts: CpuShareParts) {
    const { expertUsedCount } = parts;
    this.#parts = parts;
    this.indices = new Int32Array(expertUsedCount);
    this.addresses = new BigInt64Array(expertUsedCount);
    this.#isOnCpu = new Uint8Array(expertUsedCount);
  }

  /** A layer asks for its experts. */
  enter(): void {
    const { costs, lane } = this.#parts;
    const nowMs = lane.nowMs();
    const windowMs = nowMs - this.#askedMs - this.#copied * costs.copyMs(this.#bytes);
    if (!Number.isNaN(windowMs)) this.#windowMs = mix(this.#windowMs, Math.max(0, windowMs));
    this.#askedMs = nowMs;
    this.#copied = 0;
  }

  /**
   * Prefetches under way with which experts that the CPU computes are not queued behind them: as
   * many as the link carries from layer to layer, and one at least. With more, demands wait: in
   * replays on Qwen1.5-MoE's sizes up to 16 % of the speed. With none, caches whose policies wait
   * for misses fill slowly.
   */
  get admissionsMax(): number {
    const copyMs = this.#parts.costs.copyMs(this.#bytes);
    const fitting = copyMs > 0 ? Math.floor(this.#windowMs / copyMs) : 0;
    return Math.min(Math.max(1, fitting), this.#isOnCpu.length);
  }

  /** True when the CPU computes the `index`-th chosen expert. */
  has(index: number): boolean {
    return this.#isOnCpu[index] === 1;
  }

  /**
   * A layer misses experts: takes some of them, before any is asked of the lane.
   *
   * @param isMissing  by chosen expert: 1 when it is neither in a slot nor on its way
   * @param missing    how many are
   * @returns how many the CPU computes
   */
  take(
    layer: number,
    firstKey: ExpertKey,
    experts: Int32Array,
    isMissing: Uint8Array,
    missing: number,
  ) {
    const { costs, places } = this.#parts;
    this.#bytes = this.#parts.expertBytes(layer);
    const wanted = this.#wanted(missing);
    if (wanted === 0) costs.onCpu(0, this.#bytes, 0);
    for (let i = experts.length - 1; i >= 0 && this.count < wanted; i--) {
      if (isMissing[i] === 0) continue;
      const address = places.hold(firstKey + (experts[i] ?? 0));
      if (address === 0n) continue;
      this.indices[this.count] = i;
      this.addresses[this.count] = address;
      this.#isOnCpu[i] = 1;
      this.count++;
    }
    this.#copied = missing - this.count;
    return this.count;
  }

  begin(): void {
    this.#startMs = this.#parts.lane.nowMs();
  }

  end(): void {
    const { costs, lane } = this.#parts;
    costs.onCpu(this.count, this.#bytes, lane.nowMs() - this.#startMs);
  }

  /** What the CPU takes for its share by the times known, ms. */
  expectedMs(): number {
    return this.#parts.costs.cpuMs(this.count, this.#bytes);
  }

  /** A copy has ended. */
  onCopy(bytes: number, ms: number): void {
    this.#parts.costs.onCopy(bytes, ms);
  }

  /** The layer is computed. */
  release(): void {
    if (this.count === 0) return;
    this.#parts.places.release();
    this.#isOnCpu.fill(0);
    this.count = 0;
  }

  #wanted(missing: number): number {
    if (this.#parts.choice === "always") return missing;
    const { costs, lane } = this.#parts;
    const copyMs = costs.copyMs(this.#bytes);
    // Demands are waited for in the order asked for; of prefetches, one may have begun.
    const demands = lane.pending - lane.prefetchesPending;
    const ahead = demands + Math.min(1, lane.prefetchesPending);
    return splitMisses(missing, {
      queueMs: ahead * copyMs,
      copyMs,
      cpuMs: (count) => costs.cpuMs(count, this.#bytes),
    });
  }
}
