import { assert } from "@fmlab/experiment";
import type { ExpertSource, SlotPool } from "../engine/interfaces.ts";
import type { ExpertPolicy } from "../policies/policy.ts";
import type { WaitClock } from "./clock.ts";
import type { ExpertStore } from "./expert-store.ts";
import type { Link, Transfer } from "./link.ts";

/** Told of each expert that came over the link while the computation waited for it. */
export type LoadObserver = (layer: number, expert: number, bytes: number, times: Transfer) => void;

/** What a cache is made of. */
export interface ExpertCacheParts {
  pool: SlotPool;
  store: ExpertStore;
  link: Link;
  policy: ExpertPolicy;
  clock: WaitClock;
  onLoad: LoadObserver;
}

/**
 * Keeps experts in a pool of slots as a policy decides, loading what is missing over a link. After
 * an error it is of no use any more: the policy then believes in an expert that did not arrive.
 */
export class ExpertCache implements ExpertSource {
  readonly allResident: boolean;
  #parts: ExpertCacheParts;
  #loads: Uint8Array;
  #hasFailed = false;

  constructor(parts: ExpertCacheParts) {
    this.#parts = parts;
    this.allResident = parts.policy.allResident;
    this.#loads = new Uint8Array(parts.store.layout.expertUsedCount);
  }

  /**
   * Loads what the policy wants before the first token, not over the link: it belongs to loading
   * the model, as do its other weights.
   *
   * @throws MoeError `EXPERT_UNREADABLE`, ExperimentError `CANCELLED`
   */
  fill(): void {
    const { clock, policy, pool, store } = this.#parts;
    for (const { layer, expert, slot } of policy.initial()) {
      clock.throwIfCancelled();
      store.load(layer, expert, pool, slot);
    }
  }

  /**
   * @throws MoeError `EXPERT_UNREADABLE`, ExperimentError `CANCELLED` while waiting for the link
   */
  acquire(layer: number, experts: Int32Array, slots: Int32Array): void {
    assert(!this.#hasFailed, "a cache is not used after it failed");
    assert(experts.length <= this.#loads.length, "a token asks for at most top-k experts");
    const loads = this.#loads.subarray(0, experts.length);
    this.#parts.policy.place(layer, experts, slots, loads);
    this.#hasFailed = true;
    for (let i = 0; i < experts.length; i++) {
      if (loads[i] !== 0) this.#load(layer, experts[i] ?? 0, slots[i] ?? 0);
    }
    this.#hasFailed = false;
  }

  #load(layer: number, expert: number, slot: number): void {
    const { link, onLoad, pool, store } = this.#parts;
    const bytes = store.layout.expertBytes;
    const times = link.transfer(bytes, () => store.load(layer, expert, pool, slot));
    onLoad(layer, expert, bytes, times);
  }
}
