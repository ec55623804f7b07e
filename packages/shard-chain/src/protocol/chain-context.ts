import type { ExecutionContext } from "../ledger/execution.ts";
import type { FailureReason } from "../ledger/receipt.ts";
import type { StateDraft } from "../ledger/state.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { ProcessedPlace } from "../oracles/processing-order.ts";
import type { ChainId, ChainInfo, Topology } from "./chain.ts";
import type { CrossMessage } from "./cross-message.ts";
import type { Recorder } from "./recorder.ts";

/**
 * What a protocol keeps for a chain beside the ledger: every validator has the same. Its Maps, Sets
 * and arrays may be changed by hooks; what is in them never: put a new entry in its place. So a
 * copy of the containers is a snapshot. Containers within entries count as entries.
 */
export type ChainState = object;

/**
 * A block being executed, as a protocol's hooks see it. Executing is deterministic: hooks may use
 * this, their state and their arguments, and nothing else (no clock, no chance, no other chain).
 */
export interface ChainContext<State extends ChainState = ChainState> {
  readonly chain: ChainInfo;
  readonly topology: Topology;
  readonly state: State;
  /** Accounts, locks and records of this chain in the making; empty on a protocol's committees. */
  readonly ledger: StateDraft;
  /** For `runSteps`: runs contracts, where the deployment has any. */
  readonly execution: ExecutionContext;
  readonly record: Recorder;
  /** Height of the block; 1 for the first. */
  readonly height: number;
  /** Agreed time of the block, ms; rises with the height. */
  readonly timestampMs: number;
  /** Index in the committee of the validator that made the block. */
  readonly proposer: number;
  /** The place of the block's transaction at `index` in the processing order. */
  placeOf(index: number): ProcessedPlace;
  /**
   * Admits a transaction here, on its sender's shard: nonce and fee. Exactly once a transaction,
   * before its first step; the mempool learns the sender's next nonce from it.
   *
   * @returns why not; undefined when admitted
   */
  admit(transaction: Transaction): FailureReason | undefined;
  /** Sends a message to another chain, or to this one (it then comes in a later block). */
  send(to: ChainId, message: CrossMessage): void;
  /**
   * Says that executing the block takes `count` operations of the cost table more. Steps run by
   * `runHop`, written keys, messages and signatures of blocks and batches are charged already.
   */
  charge(operation: string, count?: number): void;
}
