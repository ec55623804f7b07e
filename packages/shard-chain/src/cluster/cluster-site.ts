import { createPrng } from "@fmlab/sim";
import { ED25519, type Signer } from "../crypto/signatures.ts";
import type { ThroughputConfig } from "../definitions/throughput.ts";
import { genesisStates } from "../ledger/genesis.ts";
import { LedgerState } from "../ledger/state.ts";
import { Committee } from "../node/committee.ts";
import type { NodeId } from "../node/host.ts";
import type { NodeAddress } from "../node/socket-host.ts";
import type { ChainInfo, Topology } from "../protocol/chain.ts";
import { genesisAccounts } from "../runtime/deployment.ts";
import { Directory } from "../runtime/directory.ts";
import type { DeploymentSettings } from "../runtime/world-settings.ts";
import { buildSettings } from "../throughput-run/build-settings.ts";
import { createArrivals, readWorkload } from "../throughput-run/build-workload.ts";

/** All that a process of a cluster is told; everything else follows from it. Plain data. */
export interface ClusterPlan {
  readonly config: ThroughputConfig;
  /** How long a validator waits for a proposal, ms; votes wait half as long. */
  readonly proposeMs: number;
  readonly seed: number;
  /** Where the config's data set lies on this machine; empty without one. */
  readonly datasetPath: string;
  /** Folder for the validators' files. */
  readonly folder: string;
  /** Port of each validator by node, and last that of the clients. */
  readonly ports: readonly number[];
  /** The machine's time that is 0 in the cluster, ms. */
  readonly zeroMs: number;
}

/** What every process of a cluster knows. */
export interface ClusterSite {
  readonly settings: DeploymentSettings;
  readonly topology: Topology;
  readonly directory: Directory;
  /** By node; the clients' is last. Keys follow from the seed: they guard an experiment. */
  readonly signers: readonly Signer[];
  readonly clientNode: NodeId;
  /** First state of each chain. */
  readonly genesis: readonly LedgerState[];
}

/** Chains of a config: shards, then the committees of its protocol. */
function chainsOf({ shards, validators, protocol }: DeploymentSettings): ChainInfo[] {
  const own = Array.from({ length: shards }, (_, id) => {
    return { id, name: `shard-${id}`, isShard: true, validators };
  });
  const added = (protocol.committees ?? []).map((spec, i) => {
    const { name, validators: count = validators } = spec;
    return { id: shards + i, name, isShard: false, validators: count };
  });
  return [...own, ...added];
}

/** How many validators a config's cluster has, all chains together. */
export async function countValidators(plan: Omit<ClusterPlan, "ports">): Promise<number> {
  const chains = chainsOf(await settingsOf(plan));
  return chains.reduce((sum, { validators }) => sum + validators, 0);
}

/** Sets up what follows from a plan: the same in every process. */
export async function buildSite(plan: ClusterPlan): Promise<ClusterSite> {
  const settings = await settingsOf(plan);
  const chains = chainsOf(settings);
  const clientNode = plan.ports.length - 1;
  const prng = createPrng(plan.seed, "cluster keys");
  const signers = plan.ports.map((_, node) => {
    const draw = prng.fork(node);
    return ED25519.createSigner(Uint8Array.from({ length: 32 }, () => draw.nextInt(256)));
  });
  let node = 0;
  const committees = chains.map(({ name, validators }) => {
    const members = Array.from({ length: validators }, () => {
      const { publicKey } = signers[node] as Signer;
      return { node: node++, power: 1, publicKey };
    });
    return new Committee(name, members);
  });
  const { placement, protocol, shards } = settings;
  const segmented = protocol.segmented ?? new Set();
  const states = genesisStates(genesisAccounts(settings), placement, segmented);
  return {
    settings,
    topology: { shards, chains, placement, segmented },
    directory: new Directory(chains, committees),
    signers,
    clientNode,
    genesis: chains.map((_, chain) => states[chain] ?? new LedgerState()),
  };
}

/** Where each node of a cluster listens. */
export function addressesOf(plan: ClusterPlan, site: ClusterSite): Map<NodeId, NodeAddress> {
  return new Map(
    plan.ports.map((port, node) => {
      const { publicKey } = site.signers[node] as Signer;
      return [node, { port, publicKey }];
    }),
  );
}

/** The deployment of a plan; the clusters' own time-outs are also those of its prediction. */
export async function settingsOf(plan: Omit<ClusterPlan, "ports">): Promise<DeploymentSettings> {
  const { config, seed, datasetPath, proposeMs } = plan;
  const source = { seed, resolveFile: async () => datasetPath };
  const { workload, timesS } = await readWorkload(source, config);
  const arrivals = createArrivals(config, timesS, seed);
  const settings = buildSettings(config, { workload, arrivals }, seed);
  const timing = {
    ...settings.timing,
    proposeMs,
    voteMs: proposeMs / 2,
    growthMs: proposeMs / 2,
    resendMs: 2 * proposeMs,
  };
  return { ...settings, timing };
}
