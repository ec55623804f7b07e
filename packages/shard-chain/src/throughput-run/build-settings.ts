import { type CostTable, createPrng, type Prng } from "@fmlab/sim";
import { hostCosts } from "../calibration/host-costs.ts";
import type { ThroughputConfig } from "../definitions/throughput.ts";
import { ShardChainError } from "../errors.ts";
import { type Address, addressOf } from "../ledger/address.ts";
import type { ContractRunner } from "../ledger/contract-runner.ts";
import { accessSetOf } from "../ledger/transaction.ts";
import { mostActive } from "../placement/brokers.ts";
import { runClpa } from "../placement/clpa.ts";
import { modulo } from "../placement/modulo.ts";
import type { Placement } from "../placement/placement.ts";
import { buildTransferGraph, type Deal } from "../placement/transfer-graph.ts";
import { createProtocol } from "../protocol/registry.ts";
import { DEFAULT_COSTS } from "../runtime/costs.ts";
import type { RunPlan } from "../runtime/run-deployment.ts";
import type { Crash, DeploymentSettings, RegionSettings } from "../runtime/world-settings.ts";
import { schedule } from "../workloads/arrivals.ts";
import type { Workload } from "../workloads/workload.ts";

/** Transactions that a mempool of a run holds: more than any run sends. */
const POOL_CAPACITY = 10_000_000;
/** Crashed validators stop one after another from this moment on, ms. Chosen: after some blocks. */
const FIRST_CRASH_MS = 3_000;
const CRASH_EVERY_MS = 500;

/** The deployment of a config. */
export function buildSettings(
  config: ThroughputConfig,
  { workload, arrivals }: { workload: Workload; arrivals: Iterator<number> },
  seed: number,
  contracts?: ContractRunner,
): DeploymentSettings {
  const { shards, validators, blockIntervalMs, blockMiB, blockItems } = config;
  const protocol = createProtocol(config.protocol, {
    shards,
    committeeValidators: config.committeeValidators,
    lockTimeoutMs: config.lockTimeoutMs,
    lockPolicy: config.lockPolicy,
    brokers: brokersOf(config, workload),
    coalitionBatch: config.coalitionBatch,
    lyingCoalitionShare: config.lyingCoalitionShare,
    seed,
  });
  return {
    protocol,
    shards,
    validators,
    placement: placementOf(config, workload),
    workload,
    arrivals: schedule(workload.transactions(), arrivals),
    consensus: config.consensus,
    timing: {
      proposeMs: 3_000,
      voteMs: 1_000,
      growthMs: 500,
      pauseMs: blockIntervalMs,
      resendMs: 5_000,
    },
    pauseFactors: pauseFactors(config),
    ...(config.blockPhases === "spread" && {
      startsMs: spreadStarts(
        shards + (protocol.committees?.length ?? 0),
        blockIntervalMs,
        createPrng(seed, "block phases"),
      ),
    }),
    limits: { itemsMax: blockItems, bytesMax: Math.round(blockMiB * 2 ** 20) },
    crossTiming: { askMs: 1_000, headsMs: 5_000 },
    signatures: config.signatures,
    execution: config.execution,
    checkedShare: config.checkedShare,
    costs: costsOf(config),
    coreSpeed: config.coreSpeed,
    regions: regionsOf(config),
    networkFaults: [],
    crashes: crashesOf(config),
    clientTickMs: Math.min(50, blockIntervalMs / 10),
    poolCapacity: POOL_CAPACITY,
    ...(contracts && { contracts }),
    replay: config.transactions <= config.replayMax,
    seed,
  };
}

/**
 * What operations cost in a run.
 *
 * @throws ShardChainError `BAD_SETTING` when this machine's costs are asked for but not measured
 */
export function costsOf({ costs }: Pick<ThroughputConfig, "costs">): CostTable {
  if (costs === "reference") return DEFAULT_COSTS;
  const measured = hostCosts();
  if (measured !== undefined) return { ...DEFAULT_COSTS, ...measured.costsMs };
  throw new ShardChainError(
    "this machine's costs are not measured; run `fmlab calibrate`, or set costs to reference",
    { code: "BAD_SETTING", setting: "costs", value: "host", expected: "a measured cost table" },
  );
}

/** How long a run of a config goes on. */
export function planOf(config: ThroughputConfig): RunPlan {
  const lengthMs = (1_000 * config.transactions) / config.tps;
  return {
    warmupMs: config.warmupShare * lengthMs,
    drainMs: 1_000 * config.drainSeconds,
    stallMs: 1_000 * config.stallSeconds,
  };
}

/** Pauses rise evenly from the first shard's to `speedSkew` times as much at the last. */
function pauseFactors({ shards, speedSkew }: ThroughputConfig): number[] {
  return Array.from({ length: shards }, (_, shard) =>
    shards === 1 ? 1 : 1 + ((speedSkew - 1) * shard) / (shards - 1),
  );
}

/**
 * When each chain starts, ms: anywhere in one block interval. Chains that start together stay in
 * step, and what one tells another has just missed its block; those of real machines need not.
 */
export function spreadStarts(chains: number, blockIntervalMs: number, draw: Prng): number[] {
  return Array.from({ length: chains }, () => draw.nextFloat() * blockIntervalMs);
}

function regionsOf({ network }: ThroughputConfig): RegionSettings {
  const { regions, rttWithinMs, rttBetweenMs, bandwidthMbps } = network;
  const rttMs = Array.from({ length: regions }, (_, from) =>
    Array.from({ length: regions }, (__, to) => (from === to ? rttWithinMs : rttBetweenMs)),
  );
  const { spread, jitter, lossProbability } = network;
  // 1 Mbit/s is 125 bytes a millisecond.
  const limit = bandwidthMbps > 0 ? { bytesPerMs: 125 * bandwidthMbps } : {};
  return { rttMs, spread, jitter, lossProbability, ...limit };
}

function crashesOf({ shards, validators, crashedValidators }: ThroughputConfig): Crash[] {
  return Array.from({ length: shards }, (_, chain) =>
    Array.from({ length: crashedValidators }, (__, i) => ({
      chain,
      // Not the same index everywhere: proposers of one round must not fail on all shards.
      validator: (chain + i) % validators,
      atMs: FIRST_CRASH_MS + CRASH_EVERY_MS * i,
    })),
  ).flat();
}

function placementOf({ placement, shards }: ThroughputConfig, workload: Workload): Placement {
  const before = modulo(shards);
  return placement === "modulo"
    ? before
    : runClpa(buildTransferGraph(dealsOf(workload)), before).placement;
}

/** Who deals with whom: the sender with every account that its transaction touches. */
function* dealsOf(workload: Workload): Generator<Deal> {
  for (const transaction of workload.transactions()) {
    const { reads, writes } = accessSetOf(transaction);
    for (const address of [...writes, ...reads]) yield [transaction.sender, address];
  }
}

/**
 * The accounts that receive the most transfers: those that a share on every shard helps most. An
 * account whose word or whole balance counts (a contract, one that is swept) can be no broker:
 * that cannot be shared out.
 */
function brokersOf({ protocol, brokers }: ThroughputConfig, workload: Workload): Address[] {
  if (protocol !== "broker") return [];
  const special = new Set<Address>();
  const received: Address[][] = [];
  for (const { steps } of workload.transactions()) {
    for (const { op, address } of steps)
      if (op !== "debit" && op !== "credit") special.add(address);
    received.push(steps.flatMap(({ op, address }) => (op === "credit" ? [address] : [])));
  }
  const plain = received.map((some) => some.filter((address) => !special.has(address)));
  const chosen = mostActive(plain, brokers);
  // Where too few receive anything, accounts that do nothing else are brokers.
  const others = Array.from({ length: brokers }, (_, i) => addressOf(`broker ${i}`));
  return [...chosen, ...others].slice(0, brokers);
}
