import type { CostTable, NetworkFault } from "@fmlab/sim";
import type { FrontRunner } from "../adversary/front-runner.ts";
import type { Strategy } from "../adversary/scenario.ts";
import type { ConsensusTiming } from "../consensus/parts.ts";
import type { SignatureSchemeName } from "../crypto/signatures.ts";
import type { ContractRunner } from "../ledger/contract-runner.ts";
import type { ConsensusName } from "../node/consensus.ts";
import type { Placement } from "../placement/placement.ts";
import type { ChainId } from "../protocol/chain.ts";
import type { Protocol } from "../protocol/protocol.ts";
import type { TimedTransaction, Workload } from "../workloads/workload.ts";
import type { BlockLimits } from "./block-content.ts";
import type { CrossTiming } from "./shard-node.ts";

/** Who is where, and how far apart. */
export interface RegionSettings {
  /** Round trips between (and within) regions, ms. */
  readonly rttMs: readonly (readonly number[])[];
  /** `validators`: each committee is spread over all regions; `shards`: each sits in one. */
  readonly spread: "validators" | "shards";
  /** Longest extra share of the one-way time. */
  readonly jitter: number;
  readonly lossProbability: number;
  /** What a node's interface sends and receives; undefined for no limit. */
  readonly bytesPerMs?: number;
}

/** A validator stops, and comes back with what it had written down. */
export interface Crash {
  readonly chain: ChainId;
  readonly validator: number;
  readonly atMs: number;
  /** Undefined: it stays away. */
  readonly backMs?: number;
}

/** A validator that breaks the rules of its chain's consensus. It never crashes. */
export interface FaultySeat {
  readonly chain: ChainId;
  readonly validator: number;
  readonly strategies: readonly Strategy[];
}

/** What faulty validators do. */
export interface Adversary {
  /** The last of each committee sends transactions against those that it sees in final blocks. */
  readonly frontRunner?: FrontRunner;
  /** As a carrier between chains, the last of each committee waits so long first, ms. */
  readonly carrierDelayMs: number;
  /** In consensus all follow the rules but these. Needs memoised execution. */
  readonly faulty?: readonly FaultySeat[];
}

/** A sharded blockchain in virtual time, and what is asked of it. */
export interface DeploymentSettings {
  readonly protocol: Protocol;
  readonly shards: number;
  /** Of each shard. */
  readonly validators: number;
  readonly placement: Placement;
  readonly workload: Workload;
  /** The workload's transactions with their times, rising; run through once. */
  readonly arrivals: Iterable<TimedTransaction>;
  readonly consensus: ConsensusName;
  readonly timing: ConsensusTiming;
  /** Factor on each chain's pause between blocks; undefined for 1. */
  readonly pauseFactors?: readonly number[];
  /** When each chain's validators begin to take part, ms; undefined for 0. */
  readonly startsMs?: readonly number[];
  readonly limits: BlockLimits;
  readonly crossTiming: CrossTiming;
  readonly signatures: SignatureSchemeName;
  /** See `ExecutionOptions`. */
  readonly execution: "every" | "memoised";
  readonly checkedShare: number;
  readonly costs: CostTable;
  readonly coreSpeed: number;
  /** Cores of a machine that all validators share; undefined: each has one of its own. */
  readonly machineCores?: number;
  readonly regions: RegionSettings;
  readonly networkFaults: readonly NetworkFault[];
  readonly crashes: readonly Crash[];
  readonly adversary?: Adversary;
  /** Keep everything signed, to name culprits after a fork; costs memory. Default: no. */
  readonly keepsStatements?: boolean;
  /** Clients hand in what has arrived so often, ms. */
  readonly clientTickMs: number;
  /** Transactions that a mempool holds. */
  readonly poolCapacity: number;
  readonly contracts?: ContractRunner;
  /** Execute everything once more on one ledger and compare; keeps all transactions in memory. */
  readonly replay: boolean;
  readonly seed: number;
}
