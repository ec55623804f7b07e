import path from "node:path";
import { createConsensus, hostLink } from "../consensus/consensus-node.ts";
import { EvidenceApplication } from "../consensus/evidence-application.ts";
import { EvidencePool } from "../consensus/evidence-pool.ts";
import { FileSafetyStore } from "../consensus/file-safety-store.ts";
import { ConsensusCodec } from "../consensus/message-codec.ts";
import { StateCodec } from "../consensus/state-codec.ts";
import { VoteCheck } from "../consensus/vote-check.ts";
import { ED25519, type Signer } from "../crypto/signatures.ts";
import type { LedgerState } from "../ledger/state.ts";
import type { TransactionId } from "../ledger/transaction.ts";
import type { Application } from "../node/application.ts";
import type { Block, Payload } from "../node/block.ts";
import type { NodeId } from "../node/host.ts";
import { SocketHost, type SocketMachine } from "../node/socket-host.ts";
import { ChainView } from "../runtime/chain-view.ts";
import type { Seat } from "../runtime/directory.ts";
import { type ExecutedBlock, Replica } from "../runtime/replica.ts";
import { type BlockRecorder, SILENT } from "../runtime/run-recorder.ts";
import { ShardNode } from "../runtime/shard-node.ts";
import { ArrivalPool, ShardPool } from "../runtime/transaction-pool.ts";
import type { BlockReport } from "./cluster-messages.ts";
import { addressesOf, type ClusterPlan, type ClusterSite } from "./cluster-site.ts";
import { DiskCommitLog } from "./disk-commit-log.ts";
import { CLUSTER_PAYLOADS, wireCodecs } from "./wire-codecs.ts";

/** Evidence of a block at most, as in Tendermint 0.35. */
const EVIDENCE_BYTES_MAX = 2 ** 20;

/** File of a validator's final blocks. */
export function blockFileOf({ folder }: Pick<ClusterPlan, "folder">, node: NodeId): string {
  return path.join(folder, `node-${node}.blocks`);
}

/**
 * A validator over sockets and a disk, with the node code of virtual time. Opened on a folder that
 * it has used before, it goes on from its last stored block: it executes its blocks again, knows
 * what it has voted for, and gets what it missed from the others.
 */
export class ClusterValidator {
  readonly #plan: ClusterPlan;
  readonly #site: ClusterSite;
  readonly #seat: Seat;
  readonly #machine: SocketMachine;
  readonly #tell: (report: BlockReport) => void;
  readonly #host: SocketHost;
  readonly #log: DiskCommitLog;
  readonly #view: ChainView;
  readonly #replica: Replica;
  readonly #node: ShardNode;
  readonly #proposedMs = new WeakMap<Payload, number>();
  #endings = new EndingRecorder();
  #convicted: number[] = [];
  #isRecovering = true;

  /**
   * @param tell hears of each block that is executed from now on
   * @throws ShardChainError `CORRUPT_LOG` | `BAD_BYTES` for files that no crash leaves behind
   */
  constructor(
    plan: ClusterPlan,
    site: ClusterSite,
    node: NodeId,
    machine: SocketMachine,
    tell: (report: BlockReport) => void,
  ) {
    const { directory, topology, settings, genesis } = site;
    this.#plan = plan;
    this.#site = site;
    this.#machine = machine;
    this.#tell = tell;
    this.#seat = directory.seatOf(node) as Seat;
    const codecs = wireCodecs(
      settings.consensus,
      topology.chains.map(({ name }) => name),
    );
    const signer = site.signers[node] as Signer;
    const addresses = addressesOf(plan, site);
    this.#host = new SocketHost({
      self: node,
      addresses,
      signer,
      scheme: ED25519,
      codecs,
      machine,
    });
    this.#log = new DiskCommitLog(blockFileOf(plan, node), CLUSTER_PAYLOADS);
    const first = genesis[this.#seat.chain] as LedgerState;
    this.#view = new ChainView(topology.chains.length, first);
    this.#replica = new Replica({
      protocol: settings.protocol,
      chain: topology.chains[this.#seat.chain] as (typeof topology.chains)[number],
      topology,
      genesis: first,
      execution: {},
      limits: settings.limits,
    });
    this.#node = this.#createNode(signer);
  }

  /** Height of the last final block. */
  get height(): number {
    return this.#view.height;
  }

  /** State root after it, in hex. */
  get stateRoot(): string {
    return this.#view.ledger.rootHex;
  }

  /** Listens, and takes part. */
  async open(): Promise<void> {
    await this.#host.open(this.#node);
  }

  /** Nothing goes to these nodes or comes from them, until the next call. */
  cutOff(nodes: ReadonlySet<NodeId>): void {
    this.#host.cutOff(nodes);
  }

  async close(): Promise<void> {
    await this.#host.close();
    this.#log.close();
  }

  #createNode(signer: Signer): ShardNode {
    const { directory, topology, settings } = this.#site;
    const { protocol, limits, poolCapacity } = settings;
    const isShard = topology.chains[this.#seat.chain]?.isShard ?? false;
    return new ShardNode({
      host: this.#host,
      seat: this.#seat,
      directory,
      topology,
      protocol,
      signer,
      scheme: ED25519,
      view: this.#view,
      pool: isShard ? new ShardPool(poolCapacity) : new ArrivalPool(poolCapacity),
      limits,
      timing: settings.crossTiming,
      createConsensus: (application) => this.#createConsensus(signer, application),
      execute: ({ block }) => {
        this.#endings = new EndingRecorder();
        return this.#replica.execute(block, this.#endings.recorder);
      },
      stateOf: () => this.#replica.state,
      onProposed: (payload) => this.#proposedMs.set(payload, this.#machine.nowMs()),
      onExecuted: ({ block }, executed) => this.#report(block, executed),
    });
  }

  #report({ payload }: Block, { height, blockId, ledger }: ExecutedBlock): void {
    if (this.#isRecovering) return;
    const { decided, settled } = this.#endings;
    const [stateRoot, executedMs] = [ledger.rootHex, this.#machine.nowMs()];
    const times = { executedMs, proposedMs: this.#proposedMs.get(payload) };
    const convicted = this.#convicted;
    this.#convicted = [];
    this.#tell({ height, blockId, stateRoot, ...times, decided, settled, convicted });
  }

  /** Stored blocks first: they are final, so that consensus goes on after them. */
  #createConsensus(signer: Signer, inner: Application) {
    const { directory, settings } = this.#site;
    const { consensus, timing, pauseFactors } = settings;
    const committee = directory.committeeOf(this.#seat.chain);
    const application = new EvidenceApplication({
      application: inner,
      pool: new EvidencePool(new VoteCheck(committee, ED25519)),
      bytesMax: EVIDENCE_BYTES_MAX,
      onEvidence: ({ first }) => this.#convicted.push(first.validator),
    });
    for (const committed of this.#log.blocks()) application.deliver(committed);
    this.#isRecovering = false;
    this.#convicted = [];
    const codec = new ConsensusCodec(consensus, CLUSTER_PAYLOADS);
    const file = path.join(this.#plan.folder, `node-${this.#host.self}.votes`);
    const factor = pauseFactors?.[this.#seat.chain] ?? 1;
    return createConsensus(consensus, {
      committee,
      link: hostLink(this.#host, committee, (message) => codec.sizeOf(message)),
      application,
      observer: application.observer,
      signer,
      scheme: ED25519,
      timing: { ...timing, pauseMs: timing.pauseMs * factor },
      commits: this.#log,
      store: new FileSafetyStore(file, new StateCodec(consensus, CLUSTER_PAYLOADS)),
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
