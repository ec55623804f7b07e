import type { ExpertKey } from "./routing.ts";

/** `demand`: the computation waits for it, or will at once. `prefetch`: a prediction. */
export type Urgency = "demand" | "prefetch";

/** One load that has ended. Times are ms of the lane's clock. */
export interface FinishedLoad {
  key: ExpertKey;
  slot: number;
  bytes: number;
  urgency: Urgency;
  /** When it was asked for. */
  submittedMs: number;
  /** When its transfer began and ended. */
  startMs: number;
  endMs: number;
}

/**
 * Moves experts into slots of fast memory while layers compute: a link with a queue, in real time
 * (`TransferLane`) or in virtual time (`VirtualLane`). Demanded loads go before predicted ones,
 * each kind in the order asked for; a transfer that has begun is not interrupted.
 */
export interface Lane {
  /** Milliseconds since the lane's own zero; never falls. */
  nowMs(): number;
  /** Queues the load of an expert into a slot, which nobody may read until it is ready. */
  submit(key: ExpertKey, slot: number, urgency: Urgency): void;
  /** Makes a queued prefetch a demand. Harmless when it has begun or ended. */
  promote(slot: number): void;
  /** Takes a queued load back; false when its transfer has begun: it will then end as usual. */
  withdraw(slot: number): boolean;
  /** True when the last load submitted for the slot has ended. */
  isReady(slot: number): boolean;
  /**
   * Returns when the slot is ready.
   *
   * @throws MoeError `EXPERT_UNREADABLE`, ExperimentError `CANCELLED`
   */
  waitFor(slot: number): void;
  /** Prefetches that are queued or under way. */
  readonly prefetchesPending: number;
  /** Loads that are queued or under way, demands included. */
  readonly pending: number;
  /** Hands over what has ended since the last call, in order of ending. */
  drain(take: (load: FinishedLoad) => void): void;
}
