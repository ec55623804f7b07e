import { FrontRunner } from "../adversary/front-runner.ts";
import type { AttackConfig } from "../definitions/attack.ts";
import { throughputConfig } from "../definitions/throughput.ts";
import type { Address } from "../ledger/address.ts";
import { modulo } from "../placement/modulo.ts";
import { type DeploymentOutcome, runDeployment } from "../runtime/run-deployment.ts";
import { buildSettings, planOf } from "../throughput-run/build-settings.ts";
import { createArrivals, readWorkload } from "../throughput-run/build-workload.ts";
import { addressesOn, victimWorkload } from "../workloads/victims.ts";
import type { Workload } from "../workloads/workload.ts";
import { COMMITTEE_SIZE, type DeploymentScenario, SETTLED_MS } from "./deployment-scenario.ts";

/** Calls that are worth overtaking, where somebody does. */
const VICTIMS = 6;
const FEE_WEI = 10n ** 15n;
/** Liveness is not asked for with a third of faulty power or more: such runs end early, ms. */
const FORK_PLAN = { warmupMs: 0, drainMs: SETTLED_MS, stallMs: SETTLED_MS };
/** Short, so that each side goes through many leaders before the network settles. */
const FORK_TIMING = { proposeMs: 300, voteMs: 150, growthMs: 100, resendMs: 500 };

/** What a front-runner attacks, and from where. */
interface Prey {
  readonly target: Address;
  readonly attackers: readonly Address[];
}

/** Runs a scenario against a whole deployment and asks every oracle. */
export async function runDeploymentScenario(
  config: AttackConfig,
  scenario: DeploymentScenario,
): Promise<DeploymentOutcome> {
  const { protocol, shards, transactions, tps, consensus, budget } = config;
  const { seed, crashes, faults, faulty, carrierDelayMs, frontRun } = scenario;
  const full = throughputConfig.parse({
    protocol,
    shards,
    validators: COMMITTEE_SIZE,
    committeeValidators: COMMITTEE_SIZE,
    transactions,
    tps,
    consensus,
    blockIntervalMs: 400,
    checkedShare: 0.1,
    warmupShare: 0,
    lockTimeoutMs: 8_000,
    lyingCoalitionShare: scenario.lyingCoalitionShare,
  });
  const ctx = { seed, resolveFile: async (path: string) => path };
  const { workload: background, timesS } = await readWorkload(ctx, full);
  const prey = frontRun === "none" ? undefined : preyOf(config, frontRun);
  const workload = prey === undefined ? background : withVictims(background, config, prey);
  const arrivals = createArrivals(full, timesS, seed);
  const settings = buildSettings(full, { workload, arrivals }, seed);
  const chains = shards + (settings.protocol.committees?.length ?? 0);
  const exists = ({ chain }: { readonly chain: number }) => chain < chains;
  const frontRunner = prey && new FrontRunner({ ...prey, fee: 10n * FEE_WEI });
  const isBelow = budget === "below-third";
  return runDeployment(
    {
      ...settings,
      ...(!isBelow && { timing: { ...settings.timing, ...FORK_TIMING } }),
      crashes: crashes.filter(exists),
      networkFaults: faults,
      pauseFactors: scenario.pauseFactors,
      regions: { ...settings.regions, rttMs: [[20]], jitter: scenario.jitter },
      adversary: {
        carrierDelayMs,
        faulty: faulty.filter(exists),
        ...(frontRunner && { frontRunner }),
      },
      keepsStatements: true,
    },
    isBelow ? planOf(full) : FORK_PLAN,
  );
}

function preyOf({ shards }: AttackConfig, frontRun: "within" | "across"): Prey {
  const placement = modulo(shards);
  const [target] = addressesOn(placement, 0, "contract", 1) as [Address];
  const from = frontRun === "within" ? 0 : Math.min(1, shards - 1);
  return { target, attackers: addressesOn(placement, from, "attacker", VICTIMS) };
}

function withVictims(background: Workload, config: AttackConfig, prey: Prey): Workload {
  const { shards, transactions } = config;
  return victimWorkload({
    background,
    backgroundTransactions: transactions,
    victims: VICTIMS,
    ...prey,
    senders: addressesOn(modulo(shards), shards - 1, "victim", VICTIMS),
    feeWei: FEE_WEI,
  });
}
