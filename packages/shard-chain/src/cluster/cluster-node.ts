import { createConsensus, hostLink } from "../consensus/consensus-node.ts";
import { EvidenceApplication } from "../consensus/evidence-application.ts";
import { EvidencePool } from "../consensus/evidence-pool.ts";
import { ConsensusCodec } from "../consensus/message-codec.ts";
import type { CommitLog, SafetyStore } from "../consensus/parts.ts";
import { VoteCheck } from "../consensus/vote-check.ts";
import { ED25519, type Signer } from "../crypto/signatures.ts";
import type { LedgerState } from "../ledger/state.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import type { Application } from "../node/application.ts";
import type { Block, CommittedBlock, Payload } from "../node/block.ts";
import type { Host, NodeId } from "../node/host.ts";
import { ChainView } from "../runtime/chain-view.ts";
import type { Seat } from "../runtime/directory.ts";
import { type ExecutedBlock, Replica } from "../runtime/replica.ts";
import { type BlockRecorder, SILENT } from "../runtime/run-recorder.ts";
import { ShardNode } from "../runtime/shard-node.ts";
import { ArrivalPool, ShardPool } from "../runtime/transaction-pool.ts";
import type { BlockReport } from "./cluster-messages.ts";
import type { ClusterSite } from "./cluster-site.ts";
import { CLUSTER_PAYLOADS } from "./wire-codecs.ts";

/** A validator's final blocks where a crash leaves them. */
export interface StoredBlocks extends CommitLog {
  /** Every block, the oldest first. */
  blocks(): Iterable<CommittedBlock>;
}

/** What a validator of a cluster stands on. */
export interface ClusterNodeParts {
  readonly site: ClusterSite;
  readonly node: NodeId;
  readonly host: Host;
  readonly log: StoredBlocks;
  readonly store: SafetyStore<unknown>;
  /** Hears of each block that is executed from now on. */
  tell(report: BlockReport): void;
}

/**
 * A validator that shares nothing with any other: its own mempool, state and stored blocks. Made on
 * blocks that it has stored before, it goes on from the last of them: it executes them again, knows
 * what it has voted for, and gets what it missed from the others. Runs over sockets and in virtual
 * time.
 */
export class ClusterNode {
  readonly shardNode: ShardNode;
  readonly view: ChainView;
  readonly #parts: ClusterNodeParts;
  readonly #seat: Seat;
  readonly #replica: Replica;
  readonly #proposedMs = new WeakMap<Payload, number>();
  #endings = new EndingRecorder();
  #convicted: number[] = [];
  #isRecovering = true;

  constructor(parts: ClusterNodeParts) {
    const { site, node } = parts;
    const { directory, topology, settings, genesis } = site;
    this.#parts = parts;
    this.#seat = directory.seatOf(node) as Seat;
    const first = genesis[this.#seat.chain] as LedgerState;
    this.view = new ChainView(topology.chains.length, first);
    this.#replica = new Replica({
      protocol: settings.protocol,
      chain: topology.chains[this.#seat.chain] as (typeof topology.chains)[number],
      topology,
      genesis: first,
      execution: {},
      limits: settings.limits,
    });
    this.shardNode = this.#createNode(site.signers[node] as Signer);
  }

  #createNode(signer: Signer): ShardNode {
    const { site, host } = this.#parts;
    const { directory, topology, settings } = site;
    const { protocol, limits, poolCapacity } = settings;
    const isShard = topology.chains[this.#seat.chain]?.isShard ?? false;
    return new ShardNode({
      host,
      seat: this.#seat,
      directory,
      topology,
      protocol,
      signer,
      scheme: ED25519,
      view: this.view,
      pool: isShard ? new ShardPool(poolCapacity) : new ArrivalPool(poolCapacity),
      limits,
      timing: settings.crossTiming,
      createConsensus: (application) => this.#createConsensus(signer, application),
      execute: ({ block }) => {
        this.#endings = new EndingRecorder();
        return this.#replica.execute(block, this.#endings.recorder);
      },
      stateOf: () => this.#replica.state,
      onProposed: (payload) => this.#proposedMs.set(payload, host.nowMs()),
      onExecuted: ({ block }, executed) => this.#report(block, executed),
    });
  }

  #report({ payload }: Block, { height, blockId, ledger }: ExecutedBlock): void {
    if (this.#isRecovering) return;
    const { decided, settled } = this.#endings;
    const [stateRoot, executedMs] = [ledger.rootHex, this.#parts.host.nowMs()];
    const times = { executedMs, proposedMs: this.#proposedMs.get(payload) };
    const convicted = this.#convicted;
    this.#convicted = [];
    this.#parts.tell({ height, blockId, stateRoot, ...times, decided, settled, convicted });
  }

  /** Stored blocks first: they are final, so that consensus goes on after them. */
  #createConsensus(signer: Signer, inner: Application) {
    const { site, host, log, store } = this.#parts;
    const { consensus, timing, pauseFactors } = site.settings;
    const committee = site.directory.committeeOf(this.#seat.chain);
    const application = new EvidenceApplication({
      application: inner,
      pool: new EvidencePool(new VoteCheck(committee, ED25519)),
      onEvidence: ({ first }) => this.#convicted.push(first.validator),
    });
    for (const committed of log.blocks()) application.deliver(committed);
    this.#isRecovering = false;
    this.#convicted = [];
    const codec = new ConsensusCodec(consensus, CLUSTER_PAYLOADS);
    const factor = pauseFactors?.[this.#seat.chain] ?? 1;
    return createConsensus(consensus, {
      committee,
      link: hostLink(host, committee, (message) => codec.sizeOf(message)),
      application,
      observer: application.observer,
      signer,
      scheme: ED25519,
      timing: { ...timing, pauseMs: timing.pauseMs * factor },
      commits: log,
      store,
    });
  }
}

/** Hears what transactions a block ends; everything else is judged from the blocks afterwards. */
class EndingRecorder {
  readonly decided: [TransactionId, number][] = [];
  readonly settled: TransactionId[] = [];
  readonly recorder: BlockRecorder = {
    ...SILENT,
    decide: (txId, { parts }) => {
      this.decided.push([txId, parts]);
    },
    settle: (txId) => {
      this.settled.push(txId);
    },
  };
}
