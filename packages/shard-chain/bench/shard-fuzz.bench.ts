/**
 * Random small deployments: protocol, workload, consensus, locks, block sizes, network, all drawn
 * from the seed. Every oracle is on, and everything that was sent must end. Prints the config of
 * each run that breaks something, and ends with 1 then.
 *
 *     npm run bench -- shard-fuzz [--runs N] [--first-seed N] [--protocols a,b] [--json]
 */
import { parseArgs } from "node:util";
import { createPrng, type Prng } from "@fmlab/sim";
import { throughputConfig } from "../src/definitions/throughput.ts";
import { PROTOCOL_NAMES, type ProtocolName } from "../src/protocol/names.ts";
import { runOnce } from "../src/throughput-run/run.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "100" },
    "first-seed": { type: "string", default: "0" },
    protocols: { type: "string", default: PROTOCOL_NAMES.join() },
    json: { type: "boolean", default: false },
  },
});
const firstSeed = Number(values["first-seed"]);
const runs = Number(values.runs);
const broken: { seed: number; what: string }[] = [];
for (let seed = firstSeed; seed < firstSeed + runs; seed++) {
  const config = throughputConfig.parse(draw(createPrng(seed, "fuzz")));
  const what = await problemOf(config, seed);
  if (what === undefined) continue;
  broken.push({ seed, what });
  console.error(`seed ${seed}: ${what}\n${JSON.stringify(config)}`);
}
if (values.json) console.log(JSON.stringify({ name: "shard-fuzz", runs, broken }));
else console.log(`${runs} runs, ${broken.length} broken`);
process.exit(broken.length === 0 ? 0 : 1);

async function problemOf(
  config: ReturnType<typeof throughputConfig.parse>,
  seed: number,
): Promise<string | undefined> {
  const ctx = { seed, resolveFile: async (path: string) => path };
  try {
    const { failures, isDrained } = await runOnce(ctx, config, async () => undefined);
    const [first] = failures;
    if (first !== undefined) return `${first.oracle}: ${first.violations[0]?.what}`;
    return isDrained ? undefined : "not everything has ended";
  } catch (error) {
    return (error as Error).stack ?? String(error);
  }
}

function draw(prng: Prng): Record<string, unknown> {
  return {
    protocol: prng.pick(values.protocols.split(",") as ProtocolName[]),
    shards: 1 + prng.nextInt(6),
    workload: prng.pick(["generated", "smallbank", "ycsb"]),
    transactions: 40 + prng.nextInt(160),
    tps: 20 + prng.nextInt(200),
    accounts: 4 + prng.nextInt(60),
    skew: 1.5 * prng.nextFloat(),
    consensus: prng.pick(["tendermint", "hotstuff", "pbft"]),
    blockIntervalMs: 200 + prng.nextInt(600),
    speedSkew: 1 + prng.nextInt(4),
    blockItems: prng.pick([5, 50, 2_000]),
    lockPolicy: prng.pick(["wait", "refuse"]),
    lockTimeoutMs: prng.pick([1_000, 4_000, 20_000]),
    placement: prng.pick(["modulo", "clpa"]),
    brokers: 1 + prng.nextInt(5),
    generator: {
      contractsPerCall: prng.pick([[1], [1, 1, 1]]),
      underfundedShare: prng.pick([0, 0, 0.3]),
    },
    network: {
      regions: 1 + prng.nextInt(3),
      jitter: prng.pick([0.1, 2]),
      lossProbability: prng.pick([0, 0, 0.02]),
    },
    checkedShare: 0.3,
    warmupShare: 0,
    drainSeconds: 7_200,
  };
}
