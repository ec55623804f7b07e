import type { Address } from "../ledger/address.ts";
import type { GenesisAccount } from "../ledger/genesis.ts";
import type { Transaction } from "../ledger/transaction.ts";
import type { NodeId } from "../node/host.ts";
import type { ChainId, ChainInfo, CommitteeSpec, Topology } from "./chain.ts";
import type { ChainContext, ChainState } from "./chain-context.ts";
import type { CrossMessage } from "./cross-message.ts";
import type { NodeContext, NodeDuty } from "./node-duty.ts";
import type { Note } from "./note.ts";

/**
 * Properties that only some protocols promise. Conservation of value, atomicity, agreement,
 * validity and liveness are demanded of all. What is not promised is measured all the same, and
 * reported, but fails no run.
 */
export const PROMISES = ["serialisability", "fairness"] as const;

/** One of them. */
export type PromiseName = (typeof PROMISES)[number];

/** Settings of protocols; each uses those that concern it. */
export interface ProtocolSettings {
  readonly shards: number;
  /** Validators of a protocol's own committees. */
  readonly committeeValidators: number;
  /** A transaction that waits longer for its locks gives up, ms of agreed time. */
  readonly lockTimeoutMs: number;
  /** `wait`: stand in line for a lock; `refuse`: give up at once. */
  readonly lockPolicy: "wait" | "refuse";
  /** Broker accounts of a broker protocol. */
  readonly brokers: readonly Address[];
  /** Cross-shard transactions that a coalition takes into one batch at most. */
  readonly coalitionBatch: number;
  /** Share of the coalitions that lie about what they pre-executed, 0..1. */
  readonly lyingCoalitionShare: number;
  readonly seed: number;
}

/** Whose signatures count in notes; see `Protocol.isValidNote`. */
export interface NoteCheck {
  readonly topology: Topology;
  nodesOf(chain: ChainId): readonly NodeId[];
  verify(node: NodeId, statement: string, signature: Uint8Array): boolean;
}

/**
 * A cross-shard protocol: a deterministic state machine for each chain, driven by its blocks. Hooks
 * are called while a validator executes a final block, in the order the block has its items: first
 * messages of other chains, then notes, then transactions. Everything a hook does goes through its
 * context.
 */
export interface Protocol<State extends ChainState = ChainState> {
  /** As in configs: `haechi`, `byshard-linear-write`. */
  readonly name: string;
  readonly title: string;
  /** Paper and section, or code, that it follows. */
  readonly source: string;
  /** Built from secondary sources: said wherever its results are shown. */
  readonly isReconstruction: boolean;
  readonly promises: ReadonlySet<PromiseName>;
  /** Committees beside the shards, numbered from `shards` on. Default: none. */
  readonly committees?: readonly CommitteeSpec[];
  /** Accounts with a share on every shard. Default: none. */
  readonly segmented?: ReadonlySet<Address>;
  /** Accounts that it needs beside those of the workload. Default: none. */
  readonly genesis?: readonly GenesisAccount[];

  /** The chain that clients send a transaction to. Most often `homeOf`. */
  entryOf(transaction: Transaction, topology: Topology): ChainId;
  /**
   * Whether the validators of the entry chain put it into their mempools. Default: yes; else it is
   * handed to their duties.
   */
  isPooled?(transaction: Transaction, topology: Topology): boolean;
  /**
   * Whether the chain's next block takes in transactions of clients; else they wait in the
   * mempool. Asked of the newest state that a proposer knows. Default: yes.
   */
  takesTransactions?(state: State): boolean;
  /** A chain's first state. */
  createState(chain: ChainInfo, topology: Topology): State;

  /** A block begins. */
  onBlock?(chain: ChainContext<State>): void;
  /** A message of another chain stands in the block. */
  onCrossMessage(chain: ChainContext<State>, message: CrossMessage, from: ChainId): void;
  /** A note stands in the block. */
  onNote?(chain: ChainContext<State>, note: Note): void;
  /**
   * A client's transaction stands in the block, for the first time on this chain. It is not
   * admitted yet. Its place in the processing order is `chain.placeOf(index)` when no chain had it
   * before.
   */
  onTransaction(chain: ChainContext<State>, transaction: Transaction, index: number): void;
  /** The block ends; called for empty blocks too. */
  onCommit?(chain: ChainContext<State>): void;

  /** Whether a note may stand in a block: a function of its arguments only. Default: no. */
  isValidNote?(chain: ChainInfo, note: Note, check: NoteCheck): boolean;
  /** What each validator does beside consensus. Default: nothing. */
  createDuty?(node: NodeContext): NodeDuty;
}

/** A protocol as it is registered. */
export interface ProtocolEntry {
  readonly name: string;
  create(settings: ProtocolSettings): Protocol;
}

/** Completes an entry of the registry: a protocol's own state is nobody else's business. */
export function protocolEntry<State extends ChainState>(
  name: string,
  create: (settings: ProtocolSettings) => Protocol<State>,
): ProtocolEntry {
  return { name, create: (settings) => create(settings) as unknown as Protocol };
}
