/**
 * Klotski's throughput mode over the simple pipeline at equal memory, with every step of its
 * ablation: groups of batches on the shipped model, prompt 128, output 32, batches of 4 sequences,
 * as many batches as the planner asks for but at most 10, a quarter of the experts, 400 MB/s, real
 * reads from disk. The schedules take turns in random order in every round, each round as a session
 * of its own in this process; ratios are of the same round.
 *
 *     node --import tsx bench/moe-throughput.bench.ts [--json] [--rounds N]
 *
 * Exits with 1 when Klotski is less than 3 times as fast as the simple pipeline (median of rounds).
 */
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { median } from "@fmlab/stats";
import type {
  DifferenceRecord,
  PlanRecord,
  ScheduleRecord,
  ThroughputOptions,
} from "../src/throughput/messages.ts";
import { bubbleShare, bytesPerToken, tokensPerSecond } from "../src/throughput/schedule-numbers.ts";
import type { ScheduleName } from "../src/throughput/schedules.ts";
import { ThroughputSession } from "../src/throughput/throughput-session.ts";

const BAR = 3;
const STEPS: ScheduleName[] = [
  "no-overlap",
  "simple-pipeline",
  "zig-zag",
  "hot-prefetch",
  "aggressive",
  "klotski",
];
const OPTIONS: ThroughputOptions = {
  modelPath: fileURLToPath(new URL("../../../models/tiny-story-moe.q8_0.gguf", import.meta.url)),
  text: undefined,
  schedules: [],
  promptTokens: 128,
  outputTokens: 32,
  sequencesPerBatch: 4,
  batches: 0,
  batchesMax: 10,
  loneBatches: 1,
  // A quarter of 256 experts of 104,448 bytes.
  budgetBytes: 64 * 104_448,
  memoryBytes: 2 ** 31,
  link: { bandwidthMBps: 400, latencyUs: 0, queueDepth: 1 },
  hotCount: 0,
  twin: "q4_0",
  twinFolder: "",
  threads: 1,
  seed: 1,
  compareSequences: 4,
  nearTieGap: 0.5,
  timelineSteps: 0,
};

const { values } = parseArgs({
  options: {
    json: { type: "boolean", default: false },
    rounds: { type: "string", default: "3" },
  },
});
const rounds = Number(values.rounds);
const records = new Map<ScheduleName, ScheduleRecord[]>(STEPS.map((name) => [name, []]));
const plans: PlanRecord[] = [];
let difference: DifferenceRecord | undefined;
const random = createPrng(1, "order");
for (let round = 0; round < rounds; round++) runRound(round);
report();

function runRound(round: number): void {
  const order = random.shuffle(STEPS);
  const options = { ...OPTIONS, schedules: order, compareSequences: round === 0 ? 4 : 0 };
  // The size of a group is decided once, so that all rounds do the same work.
  const batches = plans[0]?.batches ?? 0;
  const cancelFlag = new Int32Array(new SharedArrayBuffer(4));
  const session = new ThroughputSession({ ...options, batches }, cancelFlag, (message) => {
    if (message.type === "planned") plans.push(message.record);
    if (message.type === "schedule") records.get(message.record.schedule)?.push(message.record);
  });
  try {
    const { difference: found } = session.run();
    difference ??= found;
  } finally {
    session.close();
  }
}

function report(): void {
  const of = (name: ScheduleName) => records.get(name) ?? [];
  const ratios = of("klotski").map((record, round) => {
    const base = of("simple-pipeline")[round];
    return base ? tokensPerSecond(record) / tokensPerSecond(base) : Number.NaN;
  });
  const ratio = median(ratios);
  const plan = plans[0];
  const steps = STEPS.map((name) => ({
    schedule: name,
    tokensPerSecond: median(of(name).map(tokensPerSecond)),
    batches: of(name)[0]?.batches ?? 0,
    bytesPerToken: median(of(name).map(bytesPerToken)),
    bubblePercent: median(of(name).map(bubbleShare)),
    prefillMs: median(of(name).map((record) => record.prefillMs)),
    decodeMs: median(of(name).map((record) => record.decodeMs)),
  }));
  const result = {
    name: "moe-throughput",
    ours: steps.at(-1)?.tokensPerSecond ?? Number.NaN,
    peer: steps.find(({ schedule }) => schedule === "simple-pipeline")?.tokensPerSecond,
    ratio,
    unit: "tok/s, klotski over simple-pipeline",
    bar: BAR,
    rounds,
    ratios,
    plan: plan && { ...plan.plan, times: plan.times },
    steps,
    difference,
  };
  if (values.json) process.stdout.write(`${JSON.stringify(result)}\n`);
  else process.stdout.write(`${lines(result, plan)}\n`);
  if (!(ratio >= BAR)) process.exitCode = 1;
}

function lines(
  {
    steps,
    ratio,
    difference: found,
  }: { steps: Step[]; ratio: number; difference: typeof difference },
  plan: PlanRecord | undefined,
): string {
  const table = steps.map((step) => {
    const speed = step.tokensPerSecond.toFixed(1).padStart(8);
    const bytes = (step.bytesPerToken / 1e3).toFixed(0).padStart(7);
    return (
      `${step.schedule.padEnd(16)}${speed} tok/s  n ${String(step.batches).padStart(2)}  ` +
      `${bytes} kB a token  bubbles ${step.bubblePercent.toFixed(1)} %  ` +
      `prompts ${step.prefillMs.toFixed(0)} ms  generation ${step.decodeMs.toFixed(0)} ms`
    );
  });
  const kl = found
    ? `mean KL from one by one ${found.klMean.toExponential(2)} over ${found.positions} ` +
      `positions, ` +
      `${found.nearTies.length} near ties, ${found.otherDifferences.length} other differences`
    : "";
  return [
    `planner: ${plan?.batches} batches, bound by ${plan?.plan.boundBy}`,
    ...table,
    kl,
    `klotski over simple-pipeline: ${ratio.toFixed(2)}x (bar ${BAR})`,
  ].join("\n");
}

interface Step {
  schedule: ScheduleName;
  tokensPerSecond: number;
  batches: number;
  bytesPerToken: number;
  bubblePercent: number;
  prefillMs: number;
  decodeMs: number;
}
