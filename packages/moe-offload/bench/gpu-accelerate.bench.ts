/**
 * Klotski's workload on one card against its rivals: Accelerate's offloading under the machine's
 * own Python, llama.cpp with experts in host memory, and this engine with and without groups of
 * batches; the same shape in F16, the same layers, as many experts on the card, random weights.
 *
 *     npm run bench -- gpu-accelerate [--shape mixtral-8x7b] [--layers 4] [--vram 8GiB]
 *       [--batch 16] [--prompt 512] [--tokens 32] [--rounds 3] [--python python3]
 *       [--device cuda] [--own-prompt 32] [--threads 1] [--llama-threads N]
 *       [--only llama,groups,single] [--json]
 *
 * Rivals compute `--batch` sequences together, and their random routers decide; ours replays
 * routing from a generated trace, with 15 such batches to a group where there are groups. `single`
 * decodes one sequence on ours, by its own random routers and by trace. Accelerate always runs: it
 * says how many experts the card holds. Ends with 2 where it cannot run; there is no bar for it.
 */
import os from "node:os";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { bootstrapCi, median } from "@fmlab/stats";
import { bytesOf } from "../src/definitions/sizes.ts";
import { runShapeJob } from "../src/shape-run/shape-job.ts";
import { SHAPE_MODELS } from "../src/shapes/shape-model.ts";
import type { ShapeType } from "../src/shapes/shape-types.ts";
import {
  ACCELERATE_MODELS,
  type AccelerateResult,
  type AccelerateWorkload,
  runAccelerate,
} from "./gpu/accelerate-rival.ts";
import { cardOf, describeCard, headLine, wholeNumber } from "./gpu/device-facts.ts";
import { type GroupResult, llamaGroupOf, ownGroupsOf } from "./gpu/group-rivals.ts";
import type { GroupRound } from "./gpu/llama-group.ts";
import { decodeByWeights } from "./gpu/routed-by-weights.ts";
import { formatTable } from "./paired.ts";

const SEED = 20_261_123;
const STORAGE: ShapeType = "F16";
const OWN_STRATEGIES = ["load-on-demand", "lru"] as const;

/** What is measured beside Accelerate. */
const PARTS = ["llama", "groups", "single"] as const;

const { values } = parseArgs({
  options: {
    shape: { type: "string", default: "mixtral-8x7b" },
    layers: { type: "string", default: "4" },
    vram: { type: "string", default: "8GiB" },
    batch: { type: "string", default: "16" },
    prompt: { type: "string", default: "512" },
    tokens: { type: "string", default: "32" },
    rounds: { type: "string", default: "3" },
    python: { type: "string", default: "python3" },
    device: { type: "string", default: "cuda" },
    "own-prompt": { type: "string", default: "32" },
    threads: { type: "string", default: "1" },
    "llama-threads": { type: "string", default: String(os.availableParallelism()) },
    only: { type: "string", default: PARTS.join() },
    json: { type: "boolean", default: false },
  },
});

/** What one way of computing reached, by round. */
interface Contender {
  readonly name: string;
  readonly routing: string;
  readonly sequences: number;
  readonly decodeTokensPerSecond: readonly number[];
  /** Undefined where prompts were not measured. */
  readonly prefillTokensPerSecond?: readonly number[];
  /** Generated tokens over the time of prompts and generation. */
  readonly throughput?: readonly number[];
}

function main(): void {
  const unknown = values.only.split(",").find((name) => !PARTS.some((part) => part === name));
  if (unknown !== undefined) throw new Error(`--only ${unknown}; known are ${PARTS.join(", ")}`);
  const { card } = cardOf(values.device);
  const workload = workloadOf();
  const rival = runAccelerate(values.python, workload);
  const contenders = contendersOf(workload, rival);
  const machine = describeCard(card);
  if (values.json) {
    const line = { name: "gpu-accelerate", workload, rival, contenders, machine };
    process.stdout.write(`${JSON.stringify(line)}\n`);
    return;
  }
  const share = (100 * rival.residentExpertBytes) / rival.expertBytes;
  const versions = Object.entries(rival.versions).map(([name, version]) => `${name} ${version}`);
  process.stdout.write(
    `gpu-accelerate: ${workload.model}, ${workload.layers} layers, ${STORAGE}, random weights\n` +
      `${headLine(machine)}\n${versions.join(", ")}\n` +
      `${share.toFixed(0)} % of the experts on the card; Accelerate moves those of ` +
      `${rival.offloadedLayers} layers (${rival.expertModules} experts, ` +
      `${rival.pinned ? "pinned" : "plain"} memory), peak ` +
      `${(rival.peakVramBytes / 2 ** 30).toFixed(1)} GiB\n\n${formatTable(rowsOf(contenders))}\n`,
  );
}

function workloadOf(): AccelerateWorkload {
  const model = ACCELERATE_MODELS.find((one) => one === values.shape);
  if (!model) throw new Error(`--shape ${values.shape}; known are ${ACCELERATE_MODELS.join(", ")}`);
  const vramBytes = bytesOf(values.vram);
  if (!vramBytes) throw new Error(`--vram ${values.vram}; expected a size such as 8GiB`);
  return {
    ...{ model, vramBytes },
    layers: wholeNumber("layers", values.layers, 1),
    batch: wholeNumber("batch", values.batch, 1),
    prompt: wholeNumber("prompt", values.prompt, 1),
    tokens: wholeNumber("tokens", values.tokens, 2),
    rounds: wholeNumber("rounds", values.rounds, 3),
  };
}

function groupOf(
  { name, rounds, routing, sequences }: GroupResult,
  { prompt, tokens }: AccelerateWorkload,
): Contender {
  const per = (count: number, secondsOf: (round: GroupRound) => number) =>
    rounds.map((round) => (sequences * count) / secondsOf(round));
  return {
    ...{ name, routing, sequences },
    decodeTokensPerSecond: per(tokens - 1, ({ decodeSeconds }) => decodeSeconds),
    prefillTokensPerSecond: per(prompt, ({ prefillSeconds }) => prefillSeconds),
    throughput: per(tokens, ({ decodeSeconds, prefillSeconds }) => decodeSeconds + prefillSeconds),
  };
}

function contendersOf(workload: AccelerateWorkload, rival: AccelerateResult): Contender[] {
  const wants = (part: (typeof PARTS)[number]) => values.only.split(",").includes(part);
  const { card, name } = cardOf(values.device);
  const stage = {
    ...{ workload, card, device: name, storage: STORAGE, seed: SEED },
    threads: wholeNumber("llama-threads", values["llama-threads"], 1),
  } as const;
  const { layers, model } = workload;
  const slots = slotsOf(model, layers, rival.residentExpertBytes / rival.expertBytes);
  const { batch, rounds } = rival;
  const accelerate = { name: "Accelerate", routing: "by random weights", sequences: batch, rounds };
  const groups: GroupResult[] = [accelerate];
  if (wants("llama")) groups.push(llamaGroupOf(stage, rival.offloadedLayers));
  if (wants("groups")) groups.push(...ownGroupsOf({ ...stage, threads: 1 }, slots));
  const single = wants("single")
    ? [...ownByWeights(workload, rival), ...ownByTrace(workload, rival)]
    : [];
  return [...groups.map((one) => groupOf(one, workload)), ...single];
}

function ownByWeights(
  { layers, model, rounds, tokens }: AccelerateWorkload,
  { residentExpertBytes }: AccelerateResult,
): Contender[] {
  return OWN_STRATEGIES.map((strategy) => ({
    name: `fmlab, ${strategy}`,
    routing: "by random weights",
    sequences: 1,
    decodeTokensPerSecond: decodeByWeights({
      ...{ layers, rounds, strategy, tokens, shape: model, storage: STORAGE, seed: SEED },
      device: cardOf(values.device).name,
      budgetBytes: residentExpertBytes,
      threads: wholeNumber("threads", values.threads, 1),
      prompt: wholeNumber("own-prompt", values["own-prompt"], 1),
    }),
  }));
}

/** As `moe-offload.shape` does it: routing like a trained model's; one text a round. */
function ownByTrace(
  { layers, model, rounds, tokens }: AccelerateWorkload,
  { expertBytes, residentExpertBytes }: AccelerateResult,
): Contender[] {
  const warmupTokens = wholeNumber("own-prompt", values["own-prompt"], 1);
  const result = runShapeJob(
    {
      ...{ kind: "shape", shape: model, layerCount: layers, storage: STORAGE, seed: SEED },
      device: cardOf(values.device).name,
      slots: [slotsOf(model, layers, residentExpertBytes / expertBytes)],
      strategies: [...OWN_STRATEGIES, "planned"],
      ...{ linkMBps: 0, layerMs: 0, cpuExperts: { threads: 0, choice: "planned" } },
      ...{ sequences: rounds, tokens: warmupTokens + tokens, warmupTokens, trainingTokens: 512 },
      threads: wholeNumber("threads", values.threads, 1),
    },
    { throwIfCancelled() {}, progress() {}, log() {}, partial() {} },
  );
  return result.cells.map((cell) => ({
    name: `fmlab, ${cell.strategy}`,
    routing: "by trace",
    sequences: 1,
    decodeTokensPerSecond: Array.from({ length: rounds }, (_, round) => {
      const text = cell.stepMs.slice(round * tokens, (round + 1) * tokens);
      return (1000 * text.length) / text.reduce((sum, ms) => sum + ms, 0);
    }),
  }));
}

/** Experts that the card holds, of this shape; at least those of one token. */
function slotsOf(model: AccelerateWorkload["model"], layers: number, share: number): number {
  const { expertCount, expertUsedCount } = SHAPE_MODELS[model];
  return Math.max(2 * expertUsedCount, Math.floor(share * layers * expertCount));
}

function rowsOf(contenders: readonly Contender[]): string[][] {
  const rival = contenders[0];
  const head = ["engine", "routing", "sequences", "prefill tok/s", "decode tok/s"];
  const last = ["throughput", "of Accelerate's", "95 %"];
  const rows = contenders.map((one) => {
    const speeds = [one.prefillTokensPerSecond, one.decodeTokensPerSecond, one.throughput];
    const ratio = one === rival ? undefined : ratioOf(one.throughput, rival?.throughput);
    return [
      ...[one.name, one.routing, String(one.sequences)],
      ...speeds.map((of) => (of ? median(of).toFixed(1) : "")),
      ratio ? ratio.estimate.toFixed(2) : "",
      ratio ? `${ratio.low.toFixed(2)}..${ratio.high.toFixed(2)}` : "",
    ];
  });
  return [[...head, ...last], ...rows];
}

/** Throughput over the rival's, round by round; undefined where it was not measured. */
function ratioOf(own: readonly number[] | undefined, rival: readonly number[] | undefined) {
  if (!own || !rival) return undefined;
  const ratios = own.map((speed, round) => speed / (rival[round] ?? Number.NaN));
  const random = createPrng(SEED, "bootstrap");
  return bootstrapCi(ratios, random, { statistic: median, resamples: 2_000 });
}

try {
  main();
} catch (error) {
  process.stderr.write(`gpu-accelerate: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
