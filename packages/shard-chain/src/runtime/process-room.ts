import type { SignatureScheme, Signer } from "../crypto/signatures.ts";
import type { LedgerState } from "../ledger/state.ts";
import type { VirtualWorld } from "../node/virtual-world.ts";
import type { ChainInfo, Topology } from "../protocol/chain.ts";
import type { ChainExecution } from "./chain-execution.ts";
import type { ChainView } from "./chain-view.ts";
import type { Directory } from "./directory.ts";
import type { RunRecorder } from "./run-recorder.ts";
import type { TransactionPool } from "./transaction-pool.ts";
import type { Witness } from "./witness.ts";
import type { DeploymentSettings } from "./world-settings.ts";

/** What the validators of one chain share in one process. */
export interface ChainRoom {
  readonly info: ChainInfo;
  readonly genesis: LedgerState;
  readonly execution: ChainExecution;
  readonly view: ChainView;
  readonly pool: TransactionPool;
}

/** What all validators of a process share. */
export interface ProcessRoom {
  readonly settings: DeploymentSettings;
  readonly world: VirtualWorld;
  readonly recorder: RunRecorder;
  readonly topology: Topology;
  readonly directory: Directory;
  readonly scheme: SignatureScheme;
  readonly signers: readonly Signer[];
  readonly chains: readonly ChainRoom[];
  readonly witness: Witness;
}
