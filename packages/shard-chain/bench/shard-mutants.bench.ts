/**
 * How soon the schedule search finds what is broken: each consensus without its lock rule, and with
 * quorums of two thirds instead of more. Faulty power stays below a third.
 *
 * `npm run bench -- shard-mutants [--schedules 2000] [--found 3] [--consensus hotstuff]`; ends with
 * 1 when one is missed.
 */
import { parseArgs } from "node:util";
import { drawScenario } from "../src/adversary/draw-scenario.ts";
import { runScenario } from "../src/adversary/run-scenario.ts";
import { CONSENSUS_NAMES, type ConsensusName } from "../src/node/consensus.ts";
import { WITH_SMALL_QUORUM, WITHOUT_LOCKS } from "../test/adversary/broken-variants.ts";

const { values } = parseArgs({
  options: {
    schedules: { type: "string", default: "2000" },
    found: { type: "string", default: "3" },
    consensus: { type: "string", default: CONSENSUS_NAMES.join() },
  },
});
const variants = { "without locks": WITHOUT_LOCKS, "with small quorums": WITH_SMALL_QUORUM };
const results = values.consensus
  .split(",")
  .flatMap((consensus) =>
    Object.entries(variants).map(([variant, options]) =>
      search(consensus as ConsensusName, variant, options),
    ),
  );
console.table(results);
process.exit(results.every(({ seeds }) => seeds !== "") ? 0 : 1);

function search(consensus: ConsensusName, variant: string, options: typeof WITHOUT_LOCKS) {
  const found: number[] = [];
  let seed = 0;
  for (; seed < Number(values.schedules) && found.length < Number(values.found); seed++) {
    const scenario = drawScenario(consensus, seed, "below-third");
    const { violations } = runScenario(scenario, { ...options, liveWithinMs: 3_000 });
    if (violations.some(({ kind }) => kind === "agreement")) found.push(seed);
  }
  return { consensus, variant, schedules: seed, seeds: found.join(" ") };
}
