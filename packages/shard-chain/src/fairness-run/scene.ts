import { createPrng } from "@fmlab/sim";
import { FrontRunner } from "../adversary/front-runner.ts";
import type { FairnessConfig } from "../definitions/fairness.ts";
import type { Address } from "../ledger/address.ts";
import { modulo } from "../placement/modulo.ts";
import { createProtocol } from "../protocol/registry.ts";
import { DEFAULT_COSTS } from "../runtime/costs.ts";
import type { DeploymentSettings } from "../runtime/world-settings.ts";
import { poissonArrivals, schedule } from "../workloads/arrivals.ts";
import { generatedWorkload } from "../workloads/generated-workload.ts";
import { fittedOptions } from "../workloads/generator-options.ts";
import { addressesOn, victimWorkload } from "../workloads/victims.ts";
import type { AttackedProtocol } from "./run.ts";

/** The contract's shard, and the one that attacks across shards come from: both are fast. */
const TARGET_SHARD = 0;
const FAST_SHARD = 1;
const FEE_WEI = 10n ** 15n;
/** Attacks pay ten times the victims' fee. Chosen: above all but a few of the background's. */
const ATTACK_FEE_WEI = 10n * FEE_WEI;

/** A deployment in which the victims' shard is far away and one other shard is fast. */
export interface Scene {
  readonly settings: DeploymentSettings;
  readonly frontRunner: FrontRunner;
  readonly target: Address;
}

/** Sets up one protocol under one attack. */
export function buildScene(
  config: FairnessConfig,
  protocolName: AttackedProtocol["protocol"],
  attack: AttackedProtocol["attack"],
  seed: number,
): Scene {
  const { shards, validators, victims } = config;
  const placement = modulo(shards);
  const [target] = addressesOn(placement, TARGET_SHARD, "contract", 1) as [Address];
  const attackShard = attack === "intra" ? TARGET_SHARD : FAST_SHARD;
  const attackers = addressesOn(placement, attackShard, "attacker", victims);
  const backgroundTransactions = Math.max(1, config.backgroundTransactions);
  const workload = victimWorkload({
    background: generatedWorkload(fittedOptions(backgroundTransactions), seed),
    backgroundTransactions,
    victims,
    target,
    senders: addressesOn(placement, shards - 1, "victim", victims),
    attackers,
    feeWei: FEE_WEI,
  });
  const frontRunner = new FrontRunner({ target, attackers, fee: ATTACK_FEE_WEI });
  const protocol = createProtocol(protocolName, {
    shards,
    committeeValidators: validators,
    lockTimeoutMs: config.lockTimeoutMs,
    lockPolicy: config.lockPolicy,
    brokers: addressesOn(placement, TARGET_SHARD, "broker", 3),
    coalitionBatch: 500,
    lyingCoalitionShare: 0,
    seed,
  });
  const settings: DeploymentSettings = {
    ...baseSettings(config, seed),
    protocol,
    placement,
    workload,
    arrivals: schedule(
      workload.transactions(),
      poissonArrivals(createPrng(seed, "arrivals"), config.tps),
    ),
    adversary: { frontRunner, carrierDelayMs: config.carrierDelayMs },
  };
  return { settings, frontRunner, target };
}

function baseSettings(
  config: FairnessConfig,
  seed: number,
): Omit<DeploymentSettings, "protocol" | "placement" | "workload" | "arrivals" | "adversary"> {
  const { shards, validators, consensus, blockIntervalMs, blockItems, fastFactor } = config;
  return {
    shards,
    validators,
    consensus,
    timing: {
      proposeMs: 3_000,
      voteMs: 1_000,
      growthMs: 500,
      pauseMs: blockIntervalMs,
      resendMs: 5_000,
    },
    pauseFactors: Array.from({ length: shards }, (_, shard) =>
      shard === TARGET_SHARD || shard === FAST_SHARD ? fastFactor : 1,
    ),
    limits: { itemsMax: blockItems, bytesMax: 8 * 2 ** 20 },
    crossTiming: { askMs: 1_000, headsMs: 5_000 },
    signatures: "elided",
    execution: "memoised",
    checkedShare: 0.01,
    costs: DEFAULT_COSTS,
    coreSpeed: 1,
    regions: {
      rttMs: distances(config),
      spread: "shards",
      jitter: 0.1,
      lossProbability: 0,
    },
    networkFaults: [],
    crashes: [],
    clientTickMs: 10,
    poolCapacity: 1_000_000,
    replay: true,
    seed,
  };
}

/** A region a shard, and one for a protocol's committee: the victims' is far from all others. */
function distances({ shards, farRttMs, nearRttMs }: FairnessConfig): number[][] {
  const far = shards - 1;
  const regions = Array.from({ length: shards + 1 }, (_, region) => region);
  return regions.map((from) =>
    regions.map((to) => {
      if (from === to) return Math.min(1, nearRttMs);
      return from === far || to === far ? farRttMs : nearRttMs;
    }),
  );
}
