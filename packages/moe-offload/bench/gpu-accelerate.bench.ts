/**
 * Accelerate's offloading under the machine's own Python beside this engine, on one card: the same
 * shape in F16, the same layers, the same bytes of experts on the card, random weights for both.
 *
 *     npm run bench -- gpu-accelerate [--shape mixtral-8x7b] [--layers 4] [--vram 8GiB]
 *       [--batch 16] [--prompt 512] [--tokens 32] [--rounds 3] [--python python3]
 *       [--device cuda] [--own-prompt 32] [--threads 1] [--json]
 *
 * Accelerate evaluates its sequences together, and its random routers decide. Ours decodes one
 * sequence: with its own random routers, as the rival's, and with routing replayed from a generated
 * trace. Ends with 2 where it cannot run; there is no bar for it.
 */
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { bootstrapCi, median } from "@fmlab/stats";
import { bytesOf } from "../src/definitions/sizes.ts";
import { runShapeJob } from "../src/shape-run/shape-job.ts";
import { SHAPE_MODELS } from "../src/shapes/shape-model.ts";
import {
  ACCELERATE_MODELS,
  type AccelerateResult,
  type AccelerateWorkload,
  runAccelerate,
} from "./gpu/accelerate-rival.ts";
import { cardOf, describeCard, headLine, wholeNumber } from "./gpu/device-facts.ts";
import { decodeByWeights } from "./gpu/routed-by-weights.ts";
import { formatTable } from "./paired.ts";

const SEED = 20_261_123;
const STORAGE = "F16";
const OWN_STRATEGIES = ["load-on-demand", "lru"] as const;

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
  readonly prefillTokensPerSecond: readonly number[] | undefined;
}

function main(): void {
  const { card } = cardOf(values.device);
  const workload = workloadOf();
  const rival = runAccelerate(values.python, workload);
  const contenders = [rivalOf(rival), ...ownContenders(workload, rival)];
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

function rivalOf({ batch, rounds }: AccelerateResult): Contender {
  return {
    name: "Accelerate",
    routing: "by random weights",
    sequences: batch,
    decodeTokensPerSecond: rounds.map((one) => one.decodeTokensPerSecond),
    prefillTokensPerSecond: rounds.map((one) => one.prefillTokensPerSecond),
  };
}

/** The ways in which this engine takes the workload; whoever adds one adds it here. */
function ownContenders(workload: AccelerateWorkload, rival: AccelerateResult): Contender[] {
  return [...ownByWeights(workload, rival), ...ownByTrace(workload, rival)];
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
    prefillTokensPerSecond: undefined,
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
    prefillTokensPerSecond: undefined,
  }));
}

/** Experts that the card holds, of this shape; at least those of one token. */
function slotsOf(model: AccelerateWorkload["model"], layers: number, share: number): number {
  const { expertCount, expertUsedCount } = SHAPE_MODELS[model];
  return Math.max(2 * expertUsedCount, Math.floor(share * layers * expertCount));
}

function rowsOf(contenders: readonly Contender[]): string[][] {
  const rival = contenders[0];
  const head = ["engine", "routing", "sequences", "decode tok/s", "prefill tok/s", "of it", "95 %"];
  const rows = contenders.map((one) => {
    const { estimate, high, low } = ratioOf(one, rival ?? one);
    const isRival = one === rival;
    return [
      one.name,
      one.routing,
      String(one.sequences),
      median(one.decodeTokensPerSecond).toFixed(1),
      one.prefillTokensPerSecond ? median(one.prefillTokensPerSecond).toFixed(0) : "",
      isRival ? "" : estimate.toFixed(2),
      isRival ? "" : `${low.toFixed(2)}..${high.toFixed(2)}`,
    ];
  });
  return [head, ...rows];
}

/** Decode speed over the rival's, round by round. */
function ratioOf(one: Contender, rival: Contender) {
  const ratios = one.decodeTokensPerSecond.map(
    (speed, round) => speed / (rival.decodeTokensPerSecond[round] ?? Number.NaN),
  );
  const random = createPrng(SEED, `bootstrap ${one.name} ${one.routing}`);
  return bootstrapCi(ratios, random, { statistic: median, resamples: 2_000 });
}

try {
  main();
} catch (error) {
  process.stderr.write(`gpu-accelerate: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
