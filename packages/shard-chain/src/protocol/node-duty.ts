import type { LedgerState } from "../ledger/state.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { CommittedBlock } from "../node/block.ts";
import type { NodeId, Timer } from "../node/host.ts";
import type { ChainId, ChainInfo, Topology } from "./chain.ts";
import type { Data } from "./data.ts";
import type { Note } from "./note.ts";

/** What a duty sends to another validator's duty; signed by nobody unless the duty does so. */
export interface DutyMessage {
  readonly kind: string;
  readonly transactions?: readonly Transaction[];
  readonly data: Data;
  /** Length on a socket; the network model charges for it. */
  readonly sizeBytes: number;
}

/** What a validator has executed last. */
export interface ExecutedChain {
  readonly height: number;
  /** Agreed time of that block; 0 before the first. */
  readonly timestampMs: number;
  /** After that block. */
  readonly ledger: LedgerState;
  /** The chain's protocol state: to read, not to change. */
  readonly state: object;
}

/** What a validator's duties see: one node, its own clock and its own view of its chain. */
export interface NodeContext {
  readonly node: NodeId;
  /** The chain whose validator it is, and its index in that committee. */
  readonly chain: ChainInfo;
  readonly index: number;
  readonly topology: Topology;
  /** The validators of a chain, by index. */
  nodesOf(chain: ChainId): readonly NodeId[];
  /** The node's clock. */
  nowMs(): number;
  setTimer(delayMs: number, fire: () => void): Timer;
  cancelTimer(timer: Timer): void;
  /** The node's core is busy with so many operations of the cost table. */
  charge(operation: string, count?: number): void;
  /** To the duty of another node (or this one); may be late or lost. */
  send(to: NodeId, message: DutyMessage): void;
  /** To every validator of a chain, to be put into a block there. Say it again if it matters. */
  submit(chain: ChainId, note: Note): void;
  /** Signs and charges for it. */
  sign(statement: string): Uint8Array;
  /** Whether `node` signed `statement`; charges for it. */
  verify(node: NodeId, statement: string, signature: Uint8Array): boolean;
  /** The newest block that this node has executed. */
  executed(): ExecutedChain;
  /** The state after one of the newest `STATES_KEPT` blocks; undefined for others. */
  ledgerAt(height: number): LedgerState | undefined;
}

/** Newest states that `NodeContext.ledgerAt` knows. */
export const STATES_KEPT = 8;

/**
 * What a single validator does outside consensus, e.g. as a member of a coalition. It is not
 * replicated: what it finds out counts only through signed notes, and other nodes' duties may lie.
 */
export interface NodeDuty {
  /** Called once, when the node starts. */
  start?(): void;
  onMessage?(from: NodeId, message: DutyMessage): void;
  /** Client transactions for which `Protocol.isPooled` is false have reached this node. */
  onTransactions?(transactions: readonly Transaction[]): void;
  /** This node has executed a block. */
  onExecuted?(committed: CommittedBlock): void;
}
