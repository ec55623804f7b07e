/**
 * Safety and liveness of each consensus under seeded schedules: random faulty validators, delays,
 * partitions, losses, restarts before the network settles.
 *
 * `npm run bench -- shard-safety [--schedules 10000] [--forks 300] [--first-seed 0]
 * [--consensus tendermint,hotstuff,pbft] [--json]`, or `-- shard-safety --replay FILE` for a
 * scenario that was printed.
 *
 * With less than a third of faulty power nothing may break. With a third to two thirds, over
 * `--forks` schedules, forks must be found, and the evidence must name at least a third of the
 * power after each, and nobody who followed the rules. Ends with 1 otherwise, and prints the
 * scenario, made as small as it gets.
 */
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { blame } from "../src/adversary/blame.ts";
import { type Budget, drawScenario } from "../src/adversary/draw-scenario.ts";
import { runScenario } from "../src/adversary/run-scenario.ts";
import { shrinkScenario } from "../src/adversary/shrink.ts";
import { CONSENSUS_NAMES, type ConsensusName } from "../src/node/consensus.ts";

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "10000" },
    forks: { type: "string", default: "300" },
    consensus: { type: "string", default: CONSENSUS_NAMES.join() },
    "first-seed": { type: "string", default: "0" },
    json: { type: "boolean", default: false },
    replay: { type: "string" },
  },
});
if (values.replay !== undefined) replay(values.replay);
const firstSeed = Number(values["first-seed"]);
const seeds = (count: string) => Array.from({ length: Number(count) }, (_, i) => firstSeed + i);
/** Liveness is not asked for with a third of faulty power or more. */
const FORK_OPTIONS = { liveWithinMs: 3_000 };

/** What one consensus came to. */
interface Result {
  consensus: ConsensusName;
  schedules: number;
  events: number;
  violations: number;
  forkSchedules: number;
  forks: number;
  attributed: number;
  innocentNamed: number;
  seconds: number;
}

const results = values.consensus.split(",").map((name) => measure(name as ConsensusName));
const holds = results.every(
  (one) =>
    one.violations === 0 &&
    one.innocentNamed === 0 &&
    one.attributed === one.forks &&
    (one.forkSchedules < 100 || one.forks > 0),
);
if (values.json) console.log(JSON.stringify({ name: "shard-safety", holds, results }));
else console.table(results);
process.exit(holds ? 0 : 1);

function measure(consensus: ConsensusName): Result {
  const startMs = performance.now();
  const below = seeds(values.schedules);
  let events = 0;
  let violations = 0;
  for (const seed of below) {
    const outcome = runScenario(drawScenario(consensus, seed, "below-third"));
    events += outcome.events;
    const [violation] = outcome.violations;
    if (violation === undefined) continue;
    violations++;
    explain(consensus, seed, "below-third", violation.kind);
  }
  const above = seeds(values.forks);
  let forks = 0;
  let attributed = 0;
  let innocentNamed = 0;
  for (const seed of above) {
    const scenario = drawScenario(consensus, seed, "third-to-two-thirds");
    const { outcome, report, innocent } = blame(scenario, FORK_OPTIONS);
    innocentNamed += innocent.length;
    if (!outcome.violations.some(({ kind }) => kind === "agreement")) continue;
    forks++;
    if (report.isAttributed) attributed++;
    else console.error(`${consensus}, seed ${seed}: ${report.reason}`);
  }
  const seconds = Math.round((performance.now() - startMs) / 100) / 10;
  const [schedules, forkSchedules] = [below.length, above.length];
  return {
    consensus,
    schedules,
    events,
    violations,
    forkSchedules,
    forks,
    attributed,
    innocentNamed,
    seconds,
  };
}

/** Runs one scenario, tells what it breaks and who is to blame, and ends. */
function replay(path: string): never {
  const { outcome, report, innocent } = blame(JSON.parse(readFileSync(path, "utf8")));
  const { violations, heights, endMs, events, traceHash } = outcome;
  const culprits = report.culprits.map(({ validator, power, evidence }) => ({
    validator,
    power,
    evidence: [...new Set(evidence.map(({ kind }) => kind))],
  }));
  const { reason } = report;
  const told = { violations, heights, endMs, events, traceHash, culprits, innocent, reason };
  console.log(JSON.stringify(told, undefined, 1));
  process.exit(violations.length === 0 ? 0 : 1);
}

function explain(consensus: ConsensusName, seed: number, budget: Budget, kind: string): void {
  const breaks = (scenario: ReturnType<typeof drawScenario>) =>
    runScenario(scenario).violations.some((violation) => violation.kind === kind);
  const { scenario } = shrinkScenario(drawScenario(consensus, seed, budget), breaks, 200);
  console.error(`${consensus}, seed ${seed}: ${kind} is broken by\n${JSON.stringify(scenario)}`);
}
