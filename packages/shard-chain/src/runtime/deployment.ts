import { createPrng, type Prng } from "@fmlab/sim";
import { type ConsensusMessage, createConsensus, hostLink } from "../consensus/consensus-node.ts";
import { ConsensusCodec } from "../consensus/message-codec.ts";
import { MemoryCommitLog, type SafetyStore } from "../consensus/parts.ts";
import { type SignatureScheme, type Signer, signatureScheme } from "../crypto/signatures.ts";
import { type GenesisAccount, genesisStates } from "../ledger/genesis.ts";
import { shardsOf } from "../ledger/hops.ts";
import { LedgerState } from "../ledger/state.ts";
import type { Block, Payload } from "../node/block.ts";
import type { Host, NodeId } from "../node/host.ts";
import { VirtualWorld } from "../node/virtual-world.ts";
import { totalBalance } from "../oracles/conservation.ts";
import type { Verdict } from "../oracles/verdict.ts";
import type { ChainId, ChainInfo, Topology } from "../protocol/chain.ts";
import { contentOf } from "./block-content.ts";
import { ChainExecution } from "./chain-execution.ts";
import { ChainView } from "./chain-view.ts";
import { chainsOf, committeesOf, keySeed } from "./committees.ts";
import { Directory, type Seat } from "./directory.ts";
import { SHARD_PAYLOADS } from "./payload-codec.ts";
import { RunRecorder } from "./run-recorder.ts";
import { CLIENT_CHANNEL, type ClientMessage, ShardNode } from "./shard-node.ts";
import { ArrivalPool, ShardPool, type TransactionPool } from "./transaction-pool.ts";
import type { DeploymentSettings } from "./world-settings.ts";

/** Final blocks that a validator keeps for others that come late. */
const BLOCKS_KEPT = 24;

/** What the validators of one chain share in one process. */
interface ChainRoom {
  readonly info: ChainInfo;
  readonly execution: ChainExecution;
  readonly view: ChainView;
  readonly pool: TransactionPool;
}

/** All validators of all chains in one virtual world, and what is written down about them. */
export class Deployment {
  readonly settings: DeploymentSettings;
  readonly world: VirtualWorld;
  readonly recorder: RunRecorder;
  readonly topology: Topology;
  readonly directory: Directory;
  /** Sum of all balances at genesis, wei. */
  readonly genesisWei: bigint;
  readonly #rooms: readonly ChainRoom[];
  readonly #scheme: SignatureScheme;
  readonly #signers: readonly Signer[];
  /** When each payload was proposed; for measurement only. */
  readonly #proposedMs = new WeakMap<Payload, number>();
  readonly #codec: ConsensusCodec;
  readonly #lastBlockMs: number[] = [];

  constructor(settings: DeploymentSettings) {
    const { protocol, shards, consensus, seed, signatures } = settings;
    this.settings = settings;
    this.#scheme = signatureScheme(signatures);
    this.#codec = new ConsensusCodec(consensus, SHARD_PAYLOADS);
    const chains = chainsOf(settings);
    const segmented = protocol.segmented ?? new Set();
    this.topology = { shards, chains, placement: settings.placement, segmented };
    const prng = createPrng(seed, "deployment");
    const nodes = chains.reduce((sum, { validators }) => sum + validators, 0);
    this.#signers = Array.from({ length: nodes }, (_, node) =>
      this.#scheme.createSigner(keySeed(prng, node)),
    );
    this.directory = new Directory(chains, committeesOf(chains, this.#signers));
    this.recorder = new RunRecorder(segmented, settings.replay);
    this.world = this.#createWorld(prng, nodes);
    const genesis = this.#createGenesis();
    this.genesisWei = genesis.reduce((sum, state) => sum + totalBalance(state), 0n);
    this.#rooms = chains.map((info, chain) => this.#createRoom(info, genesis[chain]));
    for (const { id, validators } of chains) {
      for (let index = 0; index < validators; index++) this.#createNode({ chain: id, index });
    }
  }

  /** The node from which clients of a region send; they come after the validators. */
  clientNode(region: number): NodeId {
    return this.#signers.length + (region % this.settings.regions.rttMs.length);
  }

  /** Height of each chain. */
  heights(): number[] {
    return this.#rooms.map(({ execution }) => execution.height);
  }

  /** When each chain's newest block was first executed, ms. */
  lastBlockMs(): number[] {
    return this.#rooms.map(({ info }) => this.#lastBlockMs[info.id] ?? 0);
  }

  /** The newest state of each chain. */
  ledgers(): LedgerState[] {
    return this.#rooms.map(({ execution }) => execution.ledger);
  }

  /** Transactions that wait in the mempools. */
  get pooledCount(): number {
    return this.#rooms.reduce((sum, { pool }) => sum + pool.size, 0);
  }

  /** What the validators of each chain agreed on. */
  agreement(): Verdict[] {
    return this.#rooms.map(({ execution }) => execution.verdict());
  }

  #createWorld(prng: Prng, nodes: number): VirtualWorld {
    const { regions, costs, coreSpeed, networkFaults } = this.settings;
    const { rttMs, jitter, lossProbability, bytesPerMs } = regions;
    const count = rttMs.length;
    const nodeRegions = Array.from({ length: nodes }, (_, node) => this.#regionOf(node));
    const clientRegions = Array.from({ length: count }, (_, region) => region);
    const limits = bytesPerMs && { egressBytesPerMs: bytesPerMs, ingressBytesPerMs: bytesPerMs };
    return new VirtualWorld(
      prng,
      {
        network: {
          nodeRegions: [...nodeRegions, ...clientRegions],
          rttMs,
          jitter,
          lossProbability,
          faults: networkFaults,
          ...limits,
        },
        costs,
        coreSpeed,
      },
      (_, __, { channel, sizeBytes }) => {
        // `consensus/shard-3` counts as consensus.
        const end = channel.indexOf("/");
        this.recorder.meter.addBytes(end < 0 ? channel : channel.slice(0, end), sizeBytes);
      },
    );
  }

  #regionOf(node: NodeId): number {
    const { spread, rttMs } = this.settings.regions;
    const seat = this.directory.seatOf(node) as Seat;
    return (spread === "shards" ? seat.chain : seat.index) % rttMs.length;
  }

  #createGenesis(): LedgerState[] {
    const { placement, segmented } = this.topology;
    return genesisStates(genesisAccounts(this.settings), placement, segmented);
  }

  #createRoom(info: ChainInfo, genesis = new LedgerState()): ChainRoom {
    const { protocol, execution: mode, checkedShare, limits, contracts } = this.settings;
    const { topology, recorder } = this;
    const execution = new ChainExecution(
      {
        protocol,
        chain: info,
        topology,
        genesis,
        limits,
        execution: { ...(contracts && { contracts }) },
      },
      { mode, checkedShare, validators: info.validators },
      recorder,
    );
    const view = new ChainView(topology.chains.length, genesis);
    const { poolCapacity } = this.settings;
    const pool = info.isShard ? new ShardPool(poolCapacity) : new ArrivalPool(poolCapacity);
    return { info, execution, view, pool };
  }

  #createNode(seat: Seat): void {
    const { chain, index } = seat;
    const node = this.directory.committeeOf(chain).validators[index]?.node as NodeId;
    const commits = new MemoryCommitLog(BLOCKS_KEPT);
    const store = new MemoryStore();
    const place = () => this.world.place(node, this.#nodeAt(seat, node, commits, store));
    place();
    for (const crash of this.settings.crashes) {
      if (crash.chain !== chain || crash.validator !== index) continue;
      const { simulation } = this.world;
      simulation.scheduleAt(crash.atMs, () => this.world.crash(node));
      if (crash.backMs !== undefined) simulation.scheduleAt(crash.backMs, place);
    }
  }

  #nodeAt(seat: Seat, node: NodeId, commits: MemoryCommitLog, store: MemoryStore): ShardNode {
    const { settings, directory, topology, recorder, world } = this;
    const { view, pool, execution } = this.#rooms[seat.chain] as ChainRoom;
    const host = world.host(node);
    const committee = directory.committeeOf(seat.chain);
    const signer = this.#signers[node] as Signer;
    const { adversary } = settings;
    const isFaulty = adversary !== undefined && seat.index === committee.size - 1;
    let isFirst = false;
    return new ShardNode({
      host,
      seat,
      directory,
      topology,
      protocol: settings.protocol,
      signer,
      scheme: this.#scheme,
      view,
      pool,
      limits: settings.limits,
      timing: settings.crossTiming,
      ...(isFaulty && { holdBatchesMs: adversary.carrierDelayMs }),
      createConsensus: (application) =>
        createConsensus(settings.consensus, {
          committee,
          link: hostLink(host, committee, (message: ConsensusMessage) =>
            this.#codec.sizeOf(message),
          ),
          application,
          signer,
          scheme: this.#scheme,
          timing: this.#timingOf(seat.chain),
          commits,
          store,
        }),
      execute: ({ block }) => {
        const committedMs = host.nowMs();
        const proposedMs = this.#proposedMs.get(block.payload) ?? committedMs;
        const done = execution.execute(block, seat.index, { proposedMs, committedMs });
        isFirst = done.isFirst;
        return done.executed;
      },
      stateOf: () => execution.stateOf(seat.index),
      onExecuted: ({ block }, { outbox }) => {
        if (isFaulty) this.#frontRun(host, block);
        if (!isFirst) return;
        this.#lastBlockMs[seat.chain] = host.nowMs();
        recorder.endBlock(outbox, host.nowMs());
      },
      onProposed: (payload) => this.#proposedMs.set(payload, host.nowMs()),
      onCertified: (batch) => recorder.certified(batch, host.nowMs()),
      onArrived: (batch) => recorder.arrived(batch, host.nowMs()),
      onRepeated: (repeated) => {
        for (const txId of repeated) recorder.tellRepeated(txId, seat.chain);
      },
      onDropped: (dropped) => {
        for (const { id } of dropped) recorder.giveUp(id, "noRoom", host.nowMs());
      },
    });
  }

  /** A faulty validator answers what it sees in a final block with transactions of its own. */
  #frontRun(host: Host, block: Block): void {
    const { protocol, adversary } = this.settings;
    if (adversary?.frontRunner === undefined) return;
    const { placement } = this.topology;
    for (const transaction of contentOf(block).transactions) {
      const attack = adversary.frontRunner.against(transaction);
      if (attack === undefined) continue;
      const isCrossShard = shardsOf(attack, placement).length > 1;
      this.recorder.arrive(attack, host.nowMs(), isCrossShard);
      const body: ClientMessage = { transactions: [attack] };
      for (const node of this.directory.nodesOf(protocol.entryOf(attack, this.topology))) {
        host.send(node, { channel: CLIENT_CHANNEL, sizeBytes: attack.sizeBytes, body });
      }
    }
  }

  #timingOf(chain: ChainId): DeploymentSettings["timing"] {
    const { timing, pauseFactors } = this.settings;
    return { ...timing, pauseMs: timing.pauseMs * (pauseFactors?.[chain] ?? 1) };
  }
}

/** What a validator would have on its disk; here it outlives the node. */
class MemoryStore implements SafetyStore<unknown> {
  #state: unknown;

  load(): unknown {
    return this.#state;
  }

  save(state: unknown): void {
    this.#state = state;
  }
}

/** Accounts of the workload and of the protocol, each address once. */
export function genesisAccounts({ protocol, workload }: DeploymentSettings): GenesisAccount[] {
  const extra = new Map(protocol.genesis?.map((account) => [account.address, account]));
  const accounts: GenesisAccount[] = [];
  for (const account of workload.genesis()) {
    const more = extra.get(account.address)?.balance ?? 0n;
    extra.delete(account.address);
    accounts.push(more === 0n ? account : { ...account, balance: account.balance + more });
  }
  return [...accounts, ...extra.values()];
}
