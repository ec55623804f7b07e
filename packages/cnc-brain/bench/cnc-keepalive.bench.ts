/**
 * Keep-alive policies against each other on the Azure 2019 sample in FMLAB_DATA_DIR: every policy
 * at every value of its dial, over windows of the day and several seeds (samples of functions,
 * memory, durations). For each setting of ours: cold starts against those of the others' front
 * (fixed, LRU, GreedyDual, hybrid histogram together) at the same idle memory, paired by seed.
 *
 * Minutes 0 to 480 are for trying settings of the index; the windows here come after them.
 * Functions with more than `--busiest` requests in a window are left out: they are never idle long
 * enough for policies to differ, and would be nearly all of the requests.
 *
 * Bar: every setting of ours on or beyond the front.
 *
 *     node --import tsx bench/cnc-keepalive.bench.ts [--seeds 5] [--functions 100]
 *       [--busiest 9600] [--from 480,960] [--minutes 480] [--prices 0.001,0.01] [--json]
 */
import path from "node:path";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { AZURE_2019_FILES } from "../src/definitions/workload-fields.ts";
import { type FrontWindow, judgeFront } from "../src/keepalive-run/judge-front.ts";
import { cellsOf, type KeepaliveDials, measurePoint } from "../src/keepalive-run/measure-point.ts";
import { traceOfRows } from "../src/traces/invocation-trace.ts";
import { buildWorkload } from "../src/workload/build-workload.ts";
import type { Workload } from "../src/workload/workload.ts";

const OTHERS = ["fixed", "lru", "greedy-dual", "hybrid-histogram"];
const { values } = parseArgs({
  options: {
    seeds: { type: "string", default: "5" },
    functions: { type: "string", default: "100" },
    busiest: { type: "string", default: "9600" },
    from: { type: "string", default: "480,960" },
    minutes: { type: "string", default: "480" },
    prices: {
      type: "string",
      default: "0.0005,0.001,0.002,0.004,0.008,0.016,0.032,0.064",
    },
    json: { type: "boolean", default: false },
  },
});
const DIALS: KeepaliveDials = {
  policies: ["fixed", "lru", "greedy-dual", "hybrid-histogram", "index", "oracle"],
  keepMinutes: [0, 0.3, 1, 2, 5, 10, 20, 60, 240],
  memoryFactors: [0.02, 0.05, 0.1, 0.15, 0.25, 0.4, 0.7, 1],
  histogramMinutes: [2, 5, 10, 20, 60, 120, 240],
  memoryPrices: values.prices.split(",").map(Number),
};

function settingsFrom(data: string, fromMinute: number) {
  const at = (file: string) => path.join(data, file);
  const { invocations, durations, memory } = AZURE_2019_FILES;
  return {
    source: "azure-2019" as const,
    trace: { invocations: at(invocations), durations: at(durations), memory: at(memory) },
    fromMinute,
    minutes: Number(values.minutes),
    functions: Number(values.functions),
    perDayMax: 1e9,
    durations: "published" as const,
    spread: "exponential" as const,
    durationMsMax: 60_000,
    tenants: 1,
    sloFactor: 3,
    sloSlackMs: 500,
    dataShare: 0,
    jobs: 0,
  };
}

function measureWindow(data: string, seed: number, fromMinute: number): FrontWindow {
  const prng = createPrng(seed, "keepalive");
  const target = { siteCount: 1, load: 1 };
  const workload = withoutBusiest(buildWorkload(settingsFrom(data, fromMinute), target, prng));
  const points = cellsOf(DIALS, workload).map((cell) => {
    const { policy, setting, coldStartRate, idleMemoryGbHours } = measurePoint(workload, cell);
    return { policy, setting, coldStartRate, idleMemoryGbHours };
  });
  process.stderr.write(`seed ${seed}, minute ${fromMinute}: ${workload.trace.count} requests\n`);
  return { seed, points };
}

function withoutBusiest(workload: Workload): Workload {
  const { functions, trace } = workload;
  const counts = new Uint32Array(functions.length);
  for (const fn of trace.functionIndex) counts[fn] = (counts[fn] as number) + 1;
  const rows = [...trace.functionIndex.keys()]
    .filter((i) => (counts[trace.functionIndex[i] as number] as number) <= Number(values.busiest))
    .map((i) => ({
      functionIndex: trace.functionIndex[i] as number,
      arrivalMs: trace.arrivalMs[i] as number,
      durationMs: trace.durationMs[i] as number,
    }));
  return { ...workload, trace: traceOfRows(rows) };
}

function main(): void {
  const data = process.env.FMLAB_DATA_DIR;
  if (data === undefined) {
    process.stdout.write("needs FMLAB_DATA_DIR; nothing was measured\n");
    return;
  }
  const starts = values.from.split(",").map(Number);
  const windows = Array.from({ length: Number(values.seeds) }, (_, i) => i + 1).flatMap((seed) =>
    starts.map((fromMinute) => measureWindow(data, seed, fromMinute)),
  );
  const verdicts = judgeFront(windows, "index", OTHERS);
  const oracle = judgeFront(windows, "oracle", OTHERS);
  const behind = verdicts.filter(({ verdict }) => verdict === "behind").length;
  if (values.json) process.stdout.write(`${JSON.stringify({ verdicts, oracle, windows })}\n`);
  else {
    tell("ours", verdicts);
    tell("oracle", oracle);
    const count = (wanted: string) => verdicts.filter(({ verdict }) => verdict === wanted).length;
    const told = `${count("beyond")} beyond, ${count("on")} on, ${behind} behind the front`;
    process.stdout.write(`${told}; bar ${behind === 0 ? "met" : "missed"}\n`);
  }
  if (behind > 0) process.exitCode = 1;
}

function tell(title: string, verdicts: ReturnType<typeof judgeFront>): void {
  process.stdout.write(`${title}\n`);
  console.table(
    verdicts.map(({ setting, ratio, byPolicy, verdict, ...point }) => ({
      setting,
      "idle GB h": point.idleMemoryGbHours.toFixed(2),
      "cold %": point.coldStartRate.toFixed(3),
      "front %": point.frontColdStartRate.toFixed(3),
      ratio: `${ratio.ratio.toFixed(3)} [${ratio.low.toFixed(3)}, ${ratio.high.toFixed(3)}]`,
      ...Object.fromEntries(
        Object.entries(byPolicy).map(([policy, value]) => [policy, value.toFixed(3)]),
      ),
      verdict,
    })),
  );
}

main();
