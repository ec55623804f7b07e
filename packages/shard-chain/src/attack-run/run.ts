import { ExperimentError, type RunContext, type Summary } from "@fmlab/experiment";
import type { AttackConfig } from "../definitions/attack.ts";
import { ShardChainError } from "../errors.ts";
import { breathe } from "../throughput-run/run.ts";
import { searchConsensus } from "./consensus-search.ts";
import { searchDeployment } from "./deployment-search.ts";
import type { SearchFindings } from "./findings.ts";
import {
  counterexampleBars,
  culpritTable,
  foundTable,
  kindBars,
  scenarioText,
} from "./pictures.ts";

/** Schedules of two runs with neighbouring seeds do not overlap up to so many. */
const SEEDS_A_RUN = 1_000_000;

/**
 * Runs `shard-chain.attack`: draws schedules, runs each, shrinks the first counterexample and names
 * culprits.
 *
 * @throws ExperimentError `CANCELLED` | `BAD_CONFIG` for a schedule that is no JSON
 * @throws ShardChainError `ORACLE_FAILED` when something broke that must hold: with less than a
 *         third of faulty power, anything; else an innocent validator that was named
 */
export async function run(ctx: RunContext, config: AttackConfig): Promise<Summary> {
  checkReplay(ctx, config);
  const search = config.scope === "consensus" ? searchConsensus : searchDeployment;
  const findings = await search(config, ctx.seed * SEEDS_A_RUN, async (done) => {
    ctx.progress(done, config.schedules, "schedules");
    await breathe(ctx);
  });
  await report(ctx, findings);
  failIfBroken(config, findings);
  return numbersOf(findings);
}

function numbersOf(findings: SearchFindings): Record<string, number> {
  const { schedules, events, broken, forks, attributed, innocentNamed, convicted } = findings;
  const violations = new Set(broken.map(({ seed }) => seed)).size;
  const numbers = { schedules, violations, forks, attributed, innocentNamed, events };
  return { ...numbers, convicted: convicted.length };
}

async function report(ctx: RunContext, findings: SearchFindings): Promise<void> {
  for (const [name, value] of Object.entries(numbersOf(findings))) ctx.metric(name, value);
  ctx.series("kinds", kindBars(findings));
  ctx.series("counterexample", counterexampleBars(findings));
  ctx.series("culprits", culpritTable(findings));
  ctx.series("found", foundTable(findings));
  ctx.series("scenario", scenarioText(findings));
  if (findings.smallest === undefined) return;
  const bytes = new TextEncoder().encode(JSON.stringify(findings.smallest.scenario));
  await ctx.artifact("counterexample.json", bytes, "application/json");
}

function failIfBroken({ budget }: AttackConfig, findings: SearchFindings): void {
  const mustHold = budget === "below-third";
  const [first] = findings.broken;
  if (mustHold && first !== undefined) {
    throw new ShardChainError(
      `${first.kind} was broken with less than a third of faulty power, seed ${first.seed}: ` +
        `${first.what}. counterexample.json has the schedule; paste it into replay`,
      { code: "ORACLE_FAILED", oracles: [{ oracle: first.kind, what: first.what }] },
    );
  }
  if (findings.innocentNamed === 0) return;
  const what = `${findings.innocentNamed} validators were accused that had followed the rules`;
  throw new ShardChainError(what, {
    code: "ORACLE_FAILED",
    oracles: [{ oracle: "accountability", what }],
  });
}

function checkReplay({ kind }: RunContext, { replay }: AttackConfig): void {
  if (replay === "") return;
  try {
    JSON.parse(replay);
  } catch (error) {
    const message = `no JSON: ${(error as Error).message}; paste a counterexample.json`;
    throw new ExperimentError(`replay: ${message}`, {
      code: "BAD_CONFIG",
      kind,
      problems: [{ path: "replay", message }],
    });
  }
}
