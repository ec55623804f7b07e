import type { TransactionId } from "../ledger/transaction.ts";
import type { NodeId } from "../node/host.ts";
import type { ClusterPlan } from "./cluster-site.ts";

/** What a validator's process is told. */
export type ToValidator =
  | { readonly type: "start"; readonly plan: ClusterPlan; readonly node: NodeId }
  /** Nothing goes to these nodes or comes from them until told otherwise. */
  | { readonly type: "cut-off"; readonly nodes: readonly NodeId[] }
  /** Close all files and connections, then end. */
  | { readonly type: "stop" };

/** A block that a validator has executed; times are the cluster's, ms. */
export interface BlockReport {
  readonly height: number;
  readonly blockId: string;
  /** After the block, in hex. */
  readonly stateRoot: string;
  readonly executedMs: number;
  /** Where this validator has proposed it. */
  readonly proposedMs: number | undefined;
  /** Decisions of the block, with the parts that the transaction then has. */
  readonly decided: readonly (readonly [TransactionId, parts: number])[];
  /** Parts that the block has settled. */
  readonly settled: readonly TransactionId[];
  /** Validators, by index, whom evidence in the block convicts of a double vote. */
  readonly convicted: readonly number[];
}

/** What a validator's process tells. */
export type FromValidator =
  /** It listens; what it had on its disk is executed again. */
  | {
      readonly type: "open";
      readonly height: number;
      readonly stateRoot: string;
      readonly openedMs: number;
    }
  | { readonly type: "block"; readonly report: BlockReport }
  | { readonly type: "broken"; readonly message: string };
