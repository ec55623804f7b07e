import type { Address } from "../ledger/address.ts";
import { extendTrail, joinTrails, startTrail, type Trail } from "../measurement/trail.ts";
import type { ChainId } from "../protocol/chain.ts";
import type { Decision, Wait } from "../protocol/recorder.ts";

/** When a block was proposed and first committed by a correct validator, true virtual ms. */
export interface BlockTimes {
  readonly proposedMs: number;
  readonly committedMs: number;
}

/** Stands for a chain before the first. */
const ARRIVAL = -1;

/** Everything that is known of a client's transaction that has not ended. */
export class Flight {
  readonly sender: Address;
  decision: Decision | undefined;
  /** Parts that have settled. */
  settled = 0;
  /**
   * Balance changes since the decision, wei. Its parts then take effect, or are taken back, in any
   * order, so that money may arrive before it leaves: told to the history as one.
   */
  movedWei = 0n;
  /** Where its critical path stands, by chain. */
  readonly #trails: Map<ChainId, Trail>;
  /** By chain: what it waits for there. */
  #waits: Map<ChainId, Wait> | undefined;

  constructor(sender: Address, intendedMs: number) {
    this.sender = sender;
    this.#trails = new Map([[ARRIVAL, startTrail(intendedMs)]]);
  }

  /** Whether no block has taken it in yet. */
  get isOnlySent(): boolean {
    return this.#trails.has(ARRIVAL);
  }

  /** Whether it has ended: as many parts have settled as the decision says. */
  get isOver(): boolean {
    return this.decision !== undefined && this.settled >= this.decision.parts;
  }

  /** A block of a chain has taken the client's own message in, for the first time on any chain. */
  enter(chain: ChainId, times: BlockTimes): void {
    const arrival = this.#trails.get(ARRIVAL);
    if (arrival === undefined) return;
    this.#trails.delete(ARRIVAL);
    this.reach(chain, arrival, times);
  }

  /** Something about it, which came by `trail`, stands in a block of a chain. */
  reach(chain: ChainId, trail: Trail, { proposedMs, committedMs }: BlockTimes): void {
    const here = extendTrail(extendTrail(trail, "queue", proposedMs), "consensus", committedMs);
    const before = this.#trails.get(chain);
    if (before === undefined || before.atMs <= here.atMs) this.#trails.set(chain, here);
  }

  /** From now on it waits on a chain. */
  wait(chain: ChainId, wait: Wait): void {
    this.#waits ??= new Map();
    this.#waits.set(chain, wait);
  }

  /** It waits no longer, if it did. */
  goOn(chain: ChainId, nowMs: number): void {
    const wait = this.#waits?.get(chain);
    if (wait === undefined) return;
    this.#waits?.delete(chain);
    const trail = this.#trails.get(chain);
    if (trail !== undefined) this.#trails.set(chain, extendTrail(trail, wait, nowMs));
  }

  /** Its way up to the end of the execution of a block of the chain. */
  trailTo(chain: ChainId, executedMs: number): Trail | undefined {
    const [first, ...others] = this.#trails.values();
    const here = this.#trails.get(chain) ?? (first && joinTrails(first, ...others));
    return here && extendTrail(here, "execution", executedMs);
  }
}
