import type { AttackConfig } from "../definitions/attack.ts";
import { throughputConfig } from "../definitions/throughput.ts";
import { type DeploymentOutcome, runDeployment } from "../runtime/run-deployment.ts";
import { buildSettings, planOf } from "../throughput-run/build-settings.ts";
import { createArrivals, readWorkload } from "../throughput-run/build-workload.ts";
import {
  COMMITTEE_SIZE,
  type DeploymentScenario,
  drawDeployment,
  smallerDeployments,
} from "./deployment-scenario.ts";
import type { Broken, FaultBar, SearchFindings, SearchWatch } from "./findings.ts";

/** Schedules against a whole deployment: every oracle is asked after each. */
export async function searchDeployment(
  config: AttackConfig,
  firstSeed: number,
  watch: SearchWatch,
): Promise<SearchFindings> {
  const broken: Broken[] = [];
  let events = 0;
  const { replay } = config;
  const replayed = replay === "" ? undefined : (JSON.parse(replay) as DeploymentScenario);
  const count = replayed === undefined ? config.schedules : 1;
  for (let i = 0; i < count; i++) {
    await watch(i);
    const scenario = replayed ?? drawDeployment(config, firstSeed + i);
    const outcome = await runScenario(config, scenario);
    events += outcome.events;
    for (const { oracle, violations } of outcome.failures) {
      const what = violations[0]?.what ?? "";
      broken.push({ seed: scenario.seed, kind: oracle, what, scenario });
    }
  }
  const [first] = broken;
  const smallest = first && (await shrink(config, first));
  return {
    schedules: count,
    events,
    broken,
    forks: broken.filter(({ kind }) => kind === "agreement").length,
    attributed: 0,
    convicted: [],
    innocentNamed: 0,
    smallest: smallest && { scenario: smallest, bars: barsOf(smallest) },
  };
}

async function runScenario(
  config: AttackConfig,
  scenario: DeploymentScenario,
): Promise<DeploymentOutcome> {
  const { protocol, shards, transactions, tps, consensus } = config;
  const { seed, crashes, faults, carrierDelayMs, pauseFactors, jitter } = scenario;
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
  });
  const ctx = { seed, resolveFile: async (path: string) => path };
  const { workload, timesS } = await readWorkload(ctx, full);
  const arrivals = createArrivals(full, timesS, seed);
  const settings = buildSettings(full, { workload, arrivals }, seed);
  const chains = shards + (settings.protocol.committees?.length ?? 0);
  return runDeployment(
    {
      ...settings,
      crashes: crashes.filter(({ chain }) => chain < chains),
      networkFaults: faults,
      pauseFactors,
      regions: { ...settings.regions, rttMs: [[20]], jitter },
      ...(carrierDelayMs > 0 && { adversary: { carrierDelayMs } }),
    },
    planOf(full),
  );
}

async function shrink(
  config: AttackConfig,
  { kind, scenario }: Broken,
): Promise<DeploymentScenario> {
  let best = scenario as DeploymentScenario;
  let runs = 0;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const candidate of smallerDeployments(best)) {
      if (runs++ >= config.shrinkRuns) return best;
      const { failures } = await runScenario(config, candidate);
      if (!failures.some(({ oracle }) => oracle === kind)) continue;
      best = candidate;
      isSmaller = true;
      break;
    }
  }
  return best;
}

function barsOf({ crashes, faults, carrierDelayMs }: DeploymentScenario): FaultBar[] {
  const endMs = Math.max(10_000, ...faults.map((fault) => fault.endMs));
  return [
    ...crashes.map(({ chain, validator, atMs, backMs }) => ({
      lane: `chain ${chain}, validator ${validator}`,
      startMs: atMs,
      endMs: backMs ?? Math.max(endMs, atMs),
      label: "down",
    })),
    ...faults.map((fault) => ({
      lane: "network",
      startMs: fault.startMs,
      endMs: fault.endMs,
      label: fault.kind,
    })),
    ...(carrierDelayMs === 0
      ? []
      : [{ lane: "carriers", startMs: 0, endMs, label: `hold messages ${carrierDelayMs} ms` }]),
  ];
}
