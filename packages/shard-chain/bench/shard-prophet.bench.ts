/**
 * Prophet against lock-based rivals at saturation, on Ethereum-like transactions, over shards and
 * skew. For each cell and seed, every protocol's load is doubled while it is kept up with, then
 * bisected; what counts is the largest goodput found. Prints the ratio of Prophet to the best rival
 * with its bootstrap interval over the seeds, abort ratios, and where the time of a committed
 * transaction goes at the highest load that is kept up with. Every oracle is on. Loads far above
 * what is kept up with are not tried: a rival may get more done there, of what does not conflict
 * (`full-prophet` and `full-byshard` of shard-chain.throughput compare that).
 *
 *     npm run bench -- shard-prophet [--shards 2,4,8] [--skews even,fitted,hot] [--seeds N]
 *         [--rivals a,b] [--seconds N] [--start-tps N] [--max-tps N] [--precision N]
 *         [--block-items N] [--lying N] [--json]
 *
 * A rival `name@refuse` gives up at once when a lock is taken; others stand in line.
 *
 * Ends with 1 when an oracle fails or Prophet aborts 1 % or more anywhere.
 */
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { bootstrapCi, mean } from "@fmlab/stats";
import { throughputConfig } from "../src/definitions/throughput.ts";
import { findSaturation } from "../src/measurement/saturation.ts";
import { PHASES, type Phase } from "../src/measurement/trail.ts";
import type { ProtocolName } from "../src/protocol/names.ts";
import type { DeploymentOutcome } from "../src/runtime/run-deployment.ts";
import { failIfUnsound } from "../src/throughput-run/report.ts";
import { runOnce } from "../src/throughput-run/run.ts";

/** Dials of the generator. `fitted`: as measured; the others bracket it. */
const SKEWS: Record<string, Record<string, number>> = {
  even: { burstShare: 0, zipfExponent: 0.5 },
  fitted: {},
  hot: { burstShare: 0.8, hotContractShare: 0.3 },
};

const { values } = parseArgs({
  options: {
    shards: { type: "string", default: "2,4,8" },
    skews: { type: "string", default: "even,fitted,hot" },
    seeds: { type: "string", default: "5" },
    "first-seed": { type: "string", default: "1" },
    rivals: { type: "string", default: "byshard-linear-write,byshard-linear-write@refuse,ahl" },
    seconds: { type: "string", default: "20" },
    "max-tps": { type: "string", default: "12800" },
    "start-tps": { type: "string", default: "100" },
    precision: { type: "string", default: "0.2" },
    lying: { type: "string", default: "0" },
    "block-items": { type: "string", default: "2000" },
    json: { type: "boolean", default: false },
  },
});

/** Of each load: about ten episodes in which one account is in most transactions. */
const TRANSACTIONS_MIN = 3_000;
/** A load is kept up with when goodput reaches this share of it. */
const SUSTAINED_SHARE = 0.9;

interface Cell {
  readonly shards: number;
  readonly skew: string;
}

/** What one protocol achieves in one cell with one seed. */
interface Reached {
  readonly peakTps: number;
  readonly isCapped: boolean;
  /** Largest at any load that was kept up with, and at any load at all. */
  readonly abortRatio: number;
  readonly abortRatioOverloaded: number;
  readonly retryRatio: number;
  readonly timeMs: Readonly<Record<Phase, number>>;
}

const names = ["prophet", ...values.rivals.split(",")];
const seeds = Array.from({ length: Number(values.seeds) }, (_, i) => {
  return Number(values["first-seed"]) + i;
});
const rows: Record<string, unknown>[] = [];
const phases: Record<string, unknown>[] = [];
let isWithinBounds = true;
for (const shards of values.shards.split(",").map(Number)) {
  for (const skew of values.skews.split(",")) await compare({ shards, skew });
}
if (values.json) console.log(JSON.stringify({ name: "shard-prophet", rows, phases }));
else {
  console.table(rows);
  console.log("mean ms of a committed transaction, at the highest load kept up with:");
  console.table(phases);
}
process.exit(isWithinBounds ? 0 : 1);

async function compare(cell: Cell): Promise<void> {
  const found = new Map<string, Reached[]>();
  for (const protocol of names) {
    const reached: Reached[] = [];
    for (const seed of seeds) {
      const hint = reached.at(-1)?.peakTps ?? 2 * Number(values["start-tps"]);
      reached.push(await saturate(cell, protocol, seed, hint / 2));
    }
    found.set(protocol, reached);
    phases.push({ ...cell, protocol, ...meanTimes(reached) });
  }
  rows.push(judge(cell, found));
}

function judge(cell: Cell, found: ReadonlyMap<string, readonly Reached[]>) {
  const own = found.get("prophet") as readonly Reached[];
  const rivals = names.filter((name) => name !== "prophet");
  const meanPeak = (name: string) =>
    mean((found.get(name) as readonly Reached[]).map(({ peakTps }) => peakTps));
  const best = rivals.reduce((one, other) => (meanPeak(other) > meanPeak(one) ? other : one));
  const rival = found.get(best) as readonly Reached[];
  const ratios = own.map(({ peakTps }, i) => peakTps / (rival[i] as Reached).peakTps);
  const random = createPrng(1, "bootstrap");
  const interval = ratios.length < 3 ? undefined : bootstrapCi(ratios, random);
  const abortRatio = Math.max(...own.map((one) => one.abortRatioOverloaded));
  if (abortRatio >= 0.01) isWithinBounds = false;
  return {
    ...cell,
    seeds: seeds.length,
    prophetTps: Math.round(meanPeak("prophet")),
    isCapped: own.some(({ isCapped }) => isCapped),
    best,
    bestTps: Math.round(meanPeak(best)),
    ratio: round(mean(ratios)),
    low: interval && round(interval.low),
    high: interval && round(interval.high),
    abortPercent: round(100 * abortRatio),
    retries: round(mean(own.map(({ retryRatio }) => retryRatio))),
    bestAbortPercent: round(100 * Math.max(...rival.map((one) => one.abortRatio))),
  };
}

async function saturate(
  cell: Cell,
  protocol: string,
  seed: number,
  startTps: number,
): Promise<Reached> {
  const maxTps = Number(values["max-tps"]);
  const loads: { offeredTps: number; goodputTps: number; outcome: DeploymentOutcome["summary"] }[] =
    [];
  const saturation = await findSaturation(
    async (offeredTps) => {
      const { summary } = await measure(cell, protocol, seed, offeredTps);
      const load = { offeredTps, goodputTps: summary.goodputTps, outcome: summary };
      loads.push(load);
      console.error(
        `${cell.shards} shards, ${cell.skew}, ${protocol}, seed ${seed}: ` +
          `${summary.goodputTps.toFixed(0)} of ${offeredTps.toFixed(0)} tx/s`,
      );
      return load;
    },
    {
      startTps: Math.min(startTps, maxTps),
      maxTps,
      sustainedShare: SUSTAINED_SHARE,
      precision: Number(values.precision),
    },
  );
  const kept = loads.filter((load) => load.goodputTps >= SUSTAINED_SHARE * load.offeredTps);
  const at = kept.find((load) => load.offeredTps === saturation.sustainedTps) ?? loads[0];
  const aborts = (some: typeof loads) => Math.max(0, ...some.map((one) => one.outcome.abortRatio));
  const times = PHASES.map((phase) => [phase, at?.outcome.timeByPhase?.[phase].meanMs ?? 0]);
  return {
    peakTps: saturation.peakGoodputTps,
    isCapped: saturation.unsustainedTps === undefined,
    abortRatio: aborts(kept),
    abortRatioOverloaded: aborts(loads),
    retryRatio: at?.outcome.retryRatio ?? 0,
    timeMs: Object.fromEntries(times) as Record<Phase, number>,
  };
}

async function measure(
  { shards, skew }: Cell,
  protocol: string,
  seed: number,
  tps: number,
): Promise<DeploymentOutcome> {
  const config = throughputConfig.parse({
    protocol: protocol.split("@")[0] as ProtocolName,
    lockPolicy: protocol.endsWith("@refuse") ? "refuse" : "wait",
    shards,
    tps,
    blockItems: Number(values["block-items"]),
    transactions: Math.max(TRANSACTIONS_MIN, Math.round(tps * Number(values.seconds))),
    generator: SKEWS[skew],
    lyingCoalitionShare: Number(values.lying),
    warmupShare: 0.4,
    drainSeconds: 1,
    replayMax: 0,
  });
  const ctx = { seed, resolveFile: async (path: string) => path };
  const outcome = await runOnce(ctx, config, async () => undefined);
  failIfUnsound(outcome);
  return outcome;
}

function meanTimes(reached: readonly Reached[]): Record<string, number> {
  return Object.fromEntries(
    PHASES.map((phase) => [phase, Math.round(mean(reached.map(({ timeMs }) => timeMs[phase])))]),
  );
}

function round(value: number): number {
  return Math.round(1_000 * value) / 1_000;
}
