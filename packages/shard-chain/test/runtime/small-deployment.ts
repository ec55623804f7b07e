import { createPrng } from "@fmlab/sim";
import { modulo } from "../../src/placement/modulo.ts";
import type { ProtocolSettings } from "../../src/protocol/protocol.ts";
import { createProtocol } from "../../src/protocol/registry.ts";
import { DEFAULT_COSTS } from "../../src/runtime/costs.ts";
import type { DeploymentSettings } from "../../src/runtime/world-settings.ts";
import { poissonArrivals, schedule } from "../../src/workloads/arrivals.ts";
import { generatedWorkload } from "../../src/workloads/generated-workload.ts";
import { fittedOptions } from "../../src/workloads/generator-options.ts";
import type { Workload } from "../../src/workloads/workload.ts";

/** What a test may ask for. */
export interface SmallOptions {
  readonly protocol: string;
  readonly shards?: number;
  readonly transactions?: number;
  readonly tps?: number;
  readonly seed?: number;
  readonly workload?: Workload;
  readonly protocolSettings?: Partial<ProtocolSettings>;
  readonly deployment?: Partial<DeploymentSettings>;
}

/** A plan that lets everything end. */
export const SMALL_PLAN = { warmupMs: 0, drainMs: 600_000, stallMs: 120_000 };

/** A few shards of four validators, one region, a generated workload. */
export function smallDeployment(options: SmallOptions): DeploymentSettings {
  const { shards = 3, transactions = 200, tps = 100, seed = 1 } = options;
  const workload =
    options.workload ??
    generatedWorkload({ ...fittedOptions(transactions), tailAccounts: 100 }, seed);
  const protocol = createProtocol(options.protocol, {
    shards,
    committeeValidators: 4,
    lockTimeoutMs: 8_000,
    lockPolicy: "wait",
    brokers: [],
    coalitionBatch: 100,
    lyingCoalitionShare: 0,
    seed,
    ...options.protocolSettings,
  });
  const arrivals = poissonArrivals(createPrng(seed, "arrivals"), tps);
  return {
    protocol,
    shards,
    validators: 4,
    placement: modulo(shards),
    workload,
    arrivals: schedule(workload.transactions(), arrivals),
    consensus: "tendermint",
    timing: { proposeMs: 3_000, voteMs: 1_000, growthMs: 500, pauseMs: 500, resendMs: 5_000 },
    limits: { itemsMax: 1_000, bytesMax: 4_000_000 },
    crossTiming: { askMs: 500, headsMs: 5_000 },
    signatures: "elided",
    execution: "memoised",
    checkedShare: 0.2,
    costs: DEFAULT_COSTS,
    coreSpeed: 1,
    regions: { rttMs: [[10]], spread: "validators", jitter: 0.1, lossProbability: 0 },
    networkFaults: [],
    crashes: [],
    clientTickMs: 20,
    poolCapacity: 100_000,
    replay: true,
    seed,
    ...options.deployment,
  };
}
