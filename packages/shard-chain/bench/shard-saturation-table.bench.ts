/**
 * Saturation by protocol and shards, over seeds: means with their 95 % intervals from run folders
 * of `shard-chain.saturation`, and the paired ratio of one protocol to each of the others.
 *
 *     npm run bench -- shard-saturation-table --runs DIR --preset haechi-two-to-sixteen
 *         [--of haechi] [--json]
 *
 * `--runs`: a folder with at least three runs of the preset below it, a seed each.
 */
import { parseArgs } from "node:util";
import { loadRunFolders, meanCi, pairedRatioCi, type RunFolder } from "@fmlab/stats";
import type { SaturationConfig } from "../src/definitions/saturation.ts";

const { values } = parseArgs({
  options: {
    runs: { type: "string", default: "experiments" },
    preset: { type: "string", default: "haechi-two-to-sixteen" },
    of: { type: "string", default: "haechi" },
    json: { type: "boolean", default: false },
  },
});
const MEASURES = ["sustainedTps", "peakGoodputTps", "latencyMsP50", "latencyMsP99"] as const;

const found = await loadRunFolders(values.runs).catch((error: Error) => refuse(error.message));
const runs = found.filter(
  ({ record }) =>
    record.kind === "shard-chain.saturation" &&
    record.preset === values.preset &&
    record.state === "SUCCEEDED",
);
const seeds = new Set(runs.map(({ record }) => record.seed));
const first = runs[0];
if (first === undefined || seeds.size < 3 || seeds.size < runs.length) {
  refuse(
    `${runs.length} runs of ${seeds.size} seeds of preset ${values.preset} succeeded below ` +
      `${values.runs}; an interval needs three or more, a seed each. Make them: ` +
      `fmlab exec shard-chain.saturation --preset ${values.preset} --seed N --out DIR`,
  );
}
const { protocols, shardCounts } = first.record.config as SaturationConfig;
if (!(protocols as readonly string[]).includes(values.of)) {
  refuse(`--of ${values.of} is none of the preset's protocols: ${protocols.join(", ")}`);
}
const rows = [];
for (const shards of shardCounts) {
  for (const protocol of protocols) rows.push(await rowOf(protocol, shards));
}
if (values.json) console.log(JSON.stringify({ name: "shard-saturation-table", rows }));
else {
  console.log(`${values.preset}, ${runs.length} seeds; mean (95 % interval); simulated`);
  console.table(rows);
}

function refuse(problem: string): never {
  console.error(problem);
  process.exit(1);
}

async function rowOf(protocol: string, shards: number): Promise<Record<string, unknown>> {
  const row: Record<string, unknown> = { shards, protocol };
  for (const measure of MEASURES) {
    const { mean, low, high } = meanCi(await bySeed(measure, protocol, shards));
    row[measure] = `${Math.round(mean)} (${Math.round(low)} to ${Math.round(high)})`;
  }
  if (protocol === values.of) return row;
  const ratio = pairedRatioCi(
    await bySeed("peakGoodputTps", values.of, shards),
    await bySeed("peakGoodputTps", protocol, shards),
  );
  row[`${values.of} / it`] =
    `${ratio.ratio.toFixed(2)} (${ratio.low.toFixed(2)} to ${ratio.high.toFixed(2)})`;
  return row;
}

async function bySeed(measure: string, protocol: string, shards: number): Promise<number[]> {
  const key = `${measure}{protocol=${protocol},shards=${shards}}`;
  return Promise.all(runs.map((run) => onlyValue(run, key)));
}

async function onlyValue(run: RunFolder, key: string): Promise<number> {
  const value = (await run.metricValues(key))[0];
  if (value === undefined) throw new Error(`${run.folder} has no ${key}; was the run cut short?`);
  return value;
}
