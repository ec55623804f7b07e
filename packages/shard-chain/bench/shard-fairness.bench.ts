/**
 * Front-running attacks over many seeds: how many succeed and how many inversions there are, by
 * protocol and attack. Ends with 1 when a protocol that promises fairness shows a single one, or
 * any other oracle fails.
 *
 *     npm run bench -- shard-fairness [--seeds N] [--first-seed N] [--protocols a,b] [--json]
 */
import { parseArgs } from "node:util";
import { ATTACKS, fairnessConfig } from "../src/definitions/fairness.ts";
import { judgeAttacks } from "../src/fairness-run/judge-attacks.ts";
import { buildScene } from "../src/fairness-run/scene.ts";
import { PROTOCOL_NAMES, type ProtocolName } from "../src/protocol/names.ts";
import { runDeployment } from "../src/runtime/run-deployment.ts";

const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "20" },
    "first-seed": { type: "string", default: "0" },
    protocols: { type: "string", default: PROTOCOL_NAMES.join() },
    json: { type: "boolean", default: false },
  },
});
const config = fairnessConfig.parse({ backgroundTransactions: 40, victims: 10 });
const plan = { warmupMs: 0, drainMs: 3_600_000, stallMs: 300_000 };
const seeds = Array.from(
  { length: Number(values.seeds) },
  (_, i) => Number(values["first-seed"]) + i,
);
const results: Record<string, unknown>[] = [];
let areSound = true;
for (const protocol of values.protocols.split(",") as ProtocolName[]) {
  for (const attack of ATTACKS) {
    let [launched, succeeded, inversions, seedsWithInversions, failed] = [0, 0, 0, 0, 0];
    for (const seed of seeds) {
      const { settings, frontRunner, target } = buildScene(config, protocol, attack, seed);
      const outcome = await runDeployment(settings, plan);
      const attacks = judgeAttacks(outcome, frontRunner.runs, target);
      const facts = outcome.verdicts.find(({ oracle }) => oracle === "fairness")?.facts;
      launched += attacks.length;
      succeeded += attacks.filter((one) => one.succeeded).length;
      inversions += facts?.fairnessInversions ?? 0;
      if ((facts?.fairnessInversions ?? 0) > 0) seedsWithInversions++;
      if (outcome.failures.length === 0) continue;
      failed++;
      const [first] = outcome.failures;
      console.error(`${protocol}, ${attack}, seed ${seed}: ${first?.violations[0]?.what}`);
    }
    areSound &&= failed === 0;
    const counts = { launched, succeeded, inversions, seedsWithInversions, failed };
    results.push({ protocol, attack, seeds: seeds.length, ...counts });
  }
}
if (values.json) console.log(JSON.stringify({ name: "shard-fairness", areSound, results }));
else console.table(results);
process.exit(areSound ? 0 : 1);
