import { createPrng } from "@fmlab/sim";
import type { BlockReport } from "../../src/cluster/cluster-messages.ts";
import { ClusterNode, type StoredBlocks } from "../../src/cluster/cluster-node.ts";
import { buildSite, type ClusterPlan, type ClusterSite } from "../../src/cluster/cluster-site.ts";
import { Endings } from "../../src/cluster/endings.ts";
import { CLUSTER_PAYLOADS, wireCodecs } from "../../src/cluster/wire-codecs.ts";
import { MemoryCommitLog, type SafetyStore } from "../../src/consensus/parts.ts";
import { type ConsensusState, StateCodec } from "../../src/consensus/state-codec.ts";
import { type ThroughputConfig, throughputConfig } from "../../src/definitions/throughput.ts";
import type { CommittedBlock, MessageCodec } from "../../src/node/index.ts";
import { type Host, type NodeId, type NodeMessage, VirtualWorld } from "../../src/node/index.ts";
import { CLIENT_CHANNEL } from "../../src/runtime/shard-node.ts";

/** What a disk keeps of a validator's blocks. */
class Blocks extends MemoryCommitLog implements StoredBlocks {
  *blocks(): Generator<CommittedBlock> {
    for (let height = 1; height <= this.lastHeight; height++) {
      yield this.get(height) as CommittedBlock;
    }
  }
}

/** What a disk keeps of a validator's votes: bytes, as in a file. */
class Votes implements SafetyStore<unknown> {
  readonly #codec: StateCodec;
  #bytes: Uint8Array | undefined;

  constructor(codec: StateCodec) {
    this.#codec = codec;
  }

  load(): unknown {
    return this.#bytes && this.#codec.decode(this.#bytes);
  }

  save(state: unknown): void {
    this.#bytes = Uint8Array.from(this.#codec.encode(state as ConsensusState));
  }
}

/**
 * The validators of a cluster, each with its own mempool, state and disk, in virtual time: messages
 * go through bytes as over sockets, and wait for who is down as they do there.
 */
export class VirtualCluster {
  readonly site: ClusterSite;
  readonly world: VirtualWorld;
  readonly endings = new Endings();
  readonly reports: (BlockReport & { readonly node: NodeId })[] = [];
  readonly heights: number[];
  readonly #logs: Blocks[];
  readonly #votes: Votes[];
  readonly #codecs: Map<string, MessageCodec<unknown>>;
  readonly #waiting = new Map<NodeId, (() => void)[]>();
  sentCount = 0;

  private constructor(site: ClusterSite, seed: number, rttMs: number) {
    this.site = site;
    const { consensus } = site.settings;
    const nodes = site.signers.length;
    const network = { nodeRegions: Array.from({ length: nodes }, () => 0), rttMs: [[rttMs]] };
    this.world = new VirtualWorld(createPrng(seed, "virtual cluster"), {
      network: { ...network, jitter: 1 },
    });
    this.#codecs = wireCodecs(
      consensus,
      site.topology.chains.map(({ name }) => name),
    );
    this.heights = site.signers.map(() => 0);
    this.#logs = site.signers.map(() => new Blocks());
    this.#votes = site.signers.map(() => new Votes(new StateCodec(consensus, CLUSTER_PAYLOADS)));
    for (let node = 0; node < site.clientNode; node++) this.#place(node);
    this.world.place(site.clientNode, { start: () => this.#handIn(), onMessage: () => undefined });
  }

  static async create(
    config: Partial<ThroughputConfig>,
    { seed = 1, proposeMs = 1_000, committees = 0, rttMs = 2 } = {},
  ): Promise<VirtualCluster> {
    const whole = throughputConfig.parse({ signatures: "ed25519", ...config });
    const nodes = whole.shards * whole.validators + committees * whole.committeeValidators;
    const ports = Array.from({ length: nodes + 1 }, () => 0);
    const plan: ClusterPlan = {
      config: whole,
      proposeMs,
      seed,
      datasetPath: "",
      folder: "",
      ports,
      zeroMs: 0,
    };
    return new VirtualCluster(await buildSite(plan), seed, rttMs);
  }

  get inFlightCount(): number {
    return this.sentCount - this.endings.count;
  }

  /** `kill -9`; what is sent to it waits. */
  kill(node: NodeId): void {
    this.#waiting.set(node, []);
    this.world.crash(node);
  }

  /** Starts again on what its disk has. */
  restart(node: NodeId): void {
    const waiting = this.#waiting.get(node) ?? [];
    this.#waiting.delete(node);
    this.#place(node);
    for (const send of waiting) send();
  }

  runUntil(ms: number): void {
    this.world.simulation.runUntil(ms);
  }

  at(ms: number, action: () => void): void {
    this.world.simulation.scheduleAt(ms, action);
  }

  #place(node: NodeId): void {
    const { shardNode } = new ClusterNode({
      site: this.site,
      node,
      host: this.#hostOf(node),
      log: this.#logs[node] as Blocks,
      store: this.#votes[node] as Votes,
      tell: (report) => {
        const chain = this.site.directory.seatOf(node)?.chain ?? -1;
        this.endings.add(chain, report);
        this.reports.push({ ...report, node });
        this.heights[node] = report.height;
      },
    });
    this.world.place(node, shardNode);
  }

  #hostOf(node: NodeId): Host {
    const host = this.world.host(node);
    return {
      self: node,
      nowMs: () => host.nowMs(),
      setTimer: (delayMs, fire) => host.setTimer(delayMs, fire),
      cancelTimer: (timer) => host.cancelTimer(timer),
      charge: (operation, count) => host.charge(operation, count),
      send: (to, message) => this.#send(host, to, message),
    };
  }

  #send(host: Host, to: NodeId, message: NodeMessage): void {
    const codec = this.#codecs.get(message.channel);
    const bytes = codec?.encode(message.body);
    const body = bytes && codec?.decode(Uint8Array.from(bytes));
    if (bytes === undefined || body === undefined) return;
    const read = { ...message, sizeBytes: bytes.length, body };
    const waiting = this.#waiting.get(to);
    if (waiting === undefined) host.send(to, read);
    else waiting.push(() => host.send(to, read));
  }

  #handIn(): void {
    const { settings, topology, directory, clientNode } = this.site;
    const host = this.#hostOf(clientNode);
    for (const { transaction, intendedMs } of settings.arrivals) {
      this.sentCount++;
      this.at(intendedMs, () => {
        const chain = settings.protocol.entryOf(transaction, topology);
        const body = { transactions: [transaction] };
        for (const node of directory.nodesOf(chain)) {
          host.send(node, { channel: CLIENT_CHANNEL, sizeBytes: 0, body });
        }
      });
    }
  }
}
