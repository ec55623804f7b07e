import type { RunContext, Summary } from "@fmlab/experiment";
import type { ATTACKS, FairnessConfig } from "../definitions/fairness.ts";
import { type DeploymentOutcome, runDeployment } from "../runtime/run-deployment.ts";
import { failIfUnsound } from "../throughput-run/report.ts";
import { breathe } from "../throughput-run/run.ts";
import { type AttackOutcome, judgeAttacks } from "./judge-attacks.ts";
import { attackTable, inversionBars, remarks, successBars } from "./pictures.ts";
import { buildScene } from "./scene.ts";

/** One protocol under one attack. */
export interface AttackedProtocol {
  readonly protocol: FairnessConfig["protocols"][number];
  readonly attack: (typeof ATTACKS)[number];
  readonly attacks: readonly AttackOutcome[];
  readonly fairnessInversions: number;
  readonly trueTimeInversions: number;
  readonly goodputTps: number;
  readonly latencyMsP50: number | undefined;
  readonly latencyMsP99: number | undefined;
  readonly traceHash: string;
}

/** Nothing is left to chance: every transaction may end. */
const PLAN = { warmupMs: 0, drainMs: 3_600_000, stallMs: 300_000 };

/**
 * Runs `shard-chain.fairness`: every protocol under every attack, each a deployment of its own on
 * the same workload.
 *
 * @throws ExperimentError `CANCELLED`
 * @throws ShardChainError `ORACLE_FAILED` when a protocol broke what it promises, e.g. fairness
 */
export async function run(ctx: RunContext, config: FairnessConfig): Promise<Summary> {
  const found: AttackedProtocol[] = [];
  const total = config.protocols.length * config.attacks.length;
  for (const protocol of config.protocols) {
    for (const attack of config.attacks) {
      ctx.progress(found.length, total, `${protocol}, ${attack}`);
      const { settings, frontRunner, target } = buildScene(config, protocol, attack, ctx.seed);
      const outcome = await runDeployment(settings, PLAN, () => breathe(ctx));
      failIfUnsound(outcome);
      const attacks = judgeAttacks(outcome, frontRunner.runs, target);
      const one = summed(protocol, attack, attacks, outcome);
      found.push(one);
      tell(ctx, [one], { protocol, attack });
    }
  }
  ctx.progress(total, total);
  ctx.series("success", successBars(found));
  ctx.series("inversions", inversionBars(found));
  ctx.series("attacks", attackTable(found));
  ctx.series("remarks", remarks(config));
  const numbers = tell(ctx, found, {});
  return {
    ...numbers,
    runs: found.map(({ attacks, ...rest }) => ({ ...rest, attackSuccess: successOf([attacks]) })),
  };
}

function summed(
  protocol: AttackedProtocol["protocol"],
  attack: AttackedProtocol["attack"],
  attacks: readonly AttackOutcome[],
  { verdicts, summary, traceHash }: DeploymentOutcome,
): AttackedProtocol {
  const facts = verdicts.find(({ oracle }) => oracle === "fairness")?.facts;
  return {
    protocol,
    attack,
    attacks,
    fairnessInversions: facts?.fairnessInversions ?? 0,
    trueTimeInversions: facts?.trueTimeInversions ?? 0,
    goodputTps: summary.goodputTps,
    latencyMsP50: summary.latencyMs.p50?.ms,
    latencyMsP99: summary.latencyMs.p99?.ms,
    traceHash,
  };
}

/** Tells the numbers of some runs together: sums of counts, means of rates. */
function tell(
  ctx: Pick<RunContext, "metric">,
  runs: readonly AttackedProtocol[],
  axes: { protocol?: string; attack?: string },
): Record<string, number> {
  const sum = (of: (one: AttackedProtocol) => number) =>
    runs.reduce((total, one) => total + of(one), 0);
  const mean = (of: (one: AttackedProtocol) => number | undefined) =>
    sum((one) => of(one) ?? 0) / runs.length;
  const numbers = {
    attackSuccess: successOf(runs.map(({ attacks }) => attacks)),
    fairnessInversions: sum((one) => one.fairnessInversions),
    trueTimeInversions: sum((one) => one.trueTimeInversions),
    attacksLaunched: sum(({ attacks }) => attacks.length),
    goodputTps: mean((one) => one.goodputTps),
    latencyMsP50: mean((one) => one.latencyMsP50),
    latencyMsP99: mean((one) => one.latencyMsP99),
  };
  for (const [name, value] of Object.entries(numbers)) ctx.metric(name, value, axes);
  return numbers;
}

/** Percent of the attacks that overtook their victim; 0 when there were none. */
export function successOf(attacks: readonly (readonly AttackOutcome[])[]): number {
  const all = attacks.flat();
  return (100 * all.filter(({ succeeded }) => succeeded).length) / Math.max(1, all.length);
}
