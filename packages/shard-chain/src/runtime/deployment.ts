import { createPrng, type Prng } from "@fmlab/sim";
import type { AccountabilityReport } from "../adversary/accountability.ts";
import { type ConsensusMessage, consensusChannel } from "../consensus/consensus-node.ts";
import { type Signer, signatureScheme } from "../crypto/signatures.ts";
import { ShardChainError } from "../errors.ts";
import { type GenesisAccount, genesisStates } from "../ledger/genesis.ts";
import { LedgerState } from "../ledger/state.ts";
import type { NodeId, NodeMessage } from "../node/host.ts";
import { VirtualWorld } from "../node/virtual-world.ts";
import { totalBalance } from "../oracles/conservation.ts";
import type { Verdict } from "../oracles/verdict.ts";
import type { ChainId, ChainInfo, Topology } from "../protocol/chain.ts";
import { ChainExecution } from "./chain-execution.ts";
import { ChainView } from "./chain-view.ts";
import { chainsOf, committeesOf, keySeed } from "./committees.ts";
import { Directory, type Seat } from "./directory.ts";
import type { ChainRoom } from "./process-room.ts";
import { RunRecorder } from "./run-recorder.ts";
import { ArrivalPool, ShardPool } from "./transaction-pool.ts";
import { Validators } from "./validators.ts";
import { Witness } from "./witness.ts";
import type { DeploymentSettings } from "./world-settings.ts";

/** All validators of all chains in one virtual world, and what is written down about them. */
export class Deployment {
  readonly settings: DeploymentSettings;
  readonly world: VirtualWorld;
  readonly recorder: RunRecorder;
  readonly topology: Topology;
  readonly directory: Directory;
  /** Who was caught, and by what. */
  readonly witness: Witness;
  /** Sum of all balances at genesis, wei. */
  readonly genesisWei: bigint;
  readonly #rooms: readonly ChainRoom[];
  readonly #signers: readonly Signer[];
  readonly #validators: Validators;

  /** @throws ShardChainError `BAD_SETTING` for faulty validators where everybody executes */
  constructor(settings: DeploymentSettings) {
    checkFaulty(settings);
    const { protocol, shards, seed, signatures, keepsStatements = false } = settings;
    this.settings = settings;
    const scheme = signatureScheme(signatures);
    const chains = chainsOf(settings);
    const segmented = protocol.segmented ?? new Set();
    this.topology = { shards, chains, placement: settings.placement, segmented };
    const prng = createPrng(seed, "deployment");
    const nodes = chains.reduce((sum, { validators }) => sum + validators, 0);
    this.#signers = Array.from({ length: nodes }, (_, node) =>
      scheme.createSigner(keySeed(prng, node)),
    );
    this.directory = new Directory(chains, committeesOf(chains, this.#signers));
    this.recorder = new RunRecorder(segmented, settings.replay);
    this.world = this.#createWorld(prng, nodes);
    const genesis = this.#createGenesis();
    this.genesisWei = genesis.reduce((sum, state) => sum + totalBalance(state), 0n);
    this.#rooms = chains.map((info, chain) => this.#createRoom(info, genesis[chain]));
    this.witness = new Witness(this.directory, scheme, keepsStatements);
    const { world, recorder, topology, directory, witness } = this;
    const shared = { settings, world, recorder, topology, directory, witness };
    this.#validators = new Validators({
      ...shared,
      scheme,
      signers: this.#signers,
      chains: this.#rooms,
    });
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
    return this.#rooms.map(({ info }) => this.#validators.lastBlockMs(info.id));
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

  /**
   * Who has broken the rules of a chain's consensus, by what its correct validators hold; needs
   * `keepsStatements`.
   */
  blame(chain: ChainId): AccountabilityReport {
    const blocks = this.#validators.finalBlocks(chain);
    this.witness.hear(chain, { type: "blocks", blocks });
    return this.witness.report(this.settings.consensus, chain);
  }

  #createWorld(prng: Prng, nodes: number): VirtualWorld {
    const { regions, costs, coreSpeed, machineCores, networkFaults } = this.settings;
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
        ...(machineCores !== undefined && { machineCores }),
      },
      (to, _, message) => this.#onDelivery(to, message),
    );
  }

  #onDelivery(to: NodeId, { channel, sizeBytes, body }: NodeMessage): void {
    // `consensus/shard-3` counts as consensus.
    const end = channel.indexOf("/");
    this.recorder.meter.addBytes(end < 0 ? channel : channel.slice(0, end), sizeBytes);
    if (!this.witness.keepsStatements || end < 0) return;
    const seat = this.directory.seatOf(to);
    if (seat === undefined || channel !== consensusChannel(this.directory.nameOf(seat.chain))) {
      return;
    }
    if (!isFaulty(this.settings, seat)) this.witness.hear(seat.chain, body as ConsensusMessage);
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
    return { info, genesis, execution, view, pool };
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

function isFaulty({ adversary }: DeploymentSettings, { chain, index }: Seat): boolean {
  const faulty = adversary?.faulty ?? [];
  return faulty.some((one) => one.chain === chain && one.validator === index);
}

/** Copies of a faulty validator would execute on one state. */
function checkFaulty({ adversary, execution }: DeploymentSettings): void {
  if (execution === "memoised" || (adversary?.faulty ?? []).length === 0) return;
  const expected = "memoised, where validators are faulty";
  throw new ShardChainError(`execution must be ${expected}; it is ${execution}`, {
    code: "BAD_SETTING",
    setting: "execution",
    value: execution,
    expected,
  });
}
