/**
 * The generator's dials against the measured statistics: prints both, and with --search looks for
 * better dials by random steps from the present ones.
 *
 *     npm run bench -- workload-fit [--transactions N] [--seeds N] [--search STEPS] [--json]
 */
import { existsSync } from "node:fs";
import path from "node:path";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { readDataset } from "../src/workloads/dataset.ts";
import { generatedWorkload } from "../src/workloads/generated-workload.ts";
import {
  fittedOptions,
  type GeneratorOptions,
  MEASURED,
} from "../src/workloads/generator-options.ts";
import { measureStatistics, type WorkloadStatistics } from "../src/workloads/statistics.ts";
import { touchesOf, touchesOfRecord } from "../src/workloads/touches.ts";

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    transactions: { type: "string", default: "24342" },
    seeds: { type: "string", default: "3" },
    search: { type: "string", default: "0" },
  },
});
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1);
const NAMES = Object.keys(MEASURED) as (keyof typeof MEASURED)[];
type Figures = Record<keyof typeof MEASURED, number>;
/** Dials the search moves; counts are rounded. */
const DIALS = [
  "headAccounts",
  "zipfExponent",
  "zipfOffset",
  "tailAccounts",
  "contracts",
  "contractZipfExponent",
  "burstShare",
  "payerShare",
  "calledShare",
  "callShare",
  "headReceiverShare",
  "repeatShare",
  "callDataBytesMean",
] as const satisfies readonly (keyof GeneratorOptions)[];
const COUNTS = new Set<string>(["headAccounts", "tailAccounts", "contracts"]);

let options = fittedOptions(Number(values.transactions));
let best = errorOf(options);
const prng = createPrng(1, "fit");
for (let step = 0; step < Number(values.search); step++) {
  const moved: Record<string, number> = {};
  for (const dial of DIALS) {
    if (!prng.chance(0.3)) continue;
    const value = options[dial] * Math.exp(prng.normal(0, 0.12));
    moved[dial] = COUNTS.has(dial) ? Math.round(value) : value;
  }
  const candidate = { ...options, ...moved };
  const error = Math.max(candidate.burstShare, candidate.callShare) < 1 ? errorOf(candidate) : best;
  if (error < best) [options, best] = [candidate, error];
}
const data = process.env.FMLAB_DATA_DIR;
const file = data === undefined ? "" : path.join(data, "ethereum", "mainnet_blocks.csv.gz");
const table = {
  measured: MEASURED,
  generated: meanFigures(options),
  excerpt: existsSync(file) ? await figuresOfExcerpt() : undefined,
  error: best,
  dials: Number(values.search) > 0 ? options : undefined,
};
if (values.json) console.log(JSON.stringify(table));
else {
  console.table(
    NAMES.map((name) => ({
      statistic: name,
      measured: round(MEASURED[name]),
      generated: round(table.generated[name]),
      excerpt: round(table.excerpt?.[name]),
    })),
  );
  console.log({ error: best, dials: table.dials });
}

function errorOf(candidate: GeneratorOptions): number {
  const figures = meanFigures(candidate);
  return NAMES.reduce((sum, name) => sum + (figures[name] / MEASURED[name] - 1) ** 2, 0);
}

function meanFigures(candidate: GeneratorOptions): Figures {
  const all = seeds.map((seed) => {
    const { transactions } = generatedWorkload(candidate, seed);
    return figuresOf(measureStatistics([...touchesOf(transactions())]));
  });
  const mean = (name: keyof Figures) =>
    all.reduce((sum, figures) => sum + figures[name], 0) / all.length;
  return Object.fromEntries(NAMES.map((name) => [name, mean(name)])) as Figures;
}

async function figuresOfExcerpt(): Promise<Figures> {
  const touches = [];
  for await (const record of readDataset(file)) touches.push(touchesOfRecord(record));
  return figuresOf(measureStatistics(touches));
}

function figuresOf(statistics: WorkloadStatistics): Figures {
  return { ...statistics, accountsPerTx: statistics.accounts / statistics.transactions };
}

function round(value: number | undefined): number | undefined {
  return value === undefined ? undefined : Math.round(value * 1000) / 1000;
}
