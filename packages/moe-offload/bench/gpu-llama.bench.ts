/**
 * Decode and prefill with everything on the card against llama.cpp of the same package on the same
 * card and file: flash attention on, the same text, context length and batches, in one process
 * in rounds of random order. Decoding starts from an empty context, and each token's logits
 * are brought to the host.
 *
 *     npm run bench -- gpu-llama --device cuda|vulkan [--model FILE | --shape NAME [--dir DIR]]
 *       [--tokens 128] [--prompt 512] [--rounds 5] [--threads N] [--json]
 *       [--open auto|together|by-turns]
 *       [--experts-on-cpu LAYERS|all [--strategy lru] [--cpu-experts THREADS]]
 *
 * `--shape` writes a published model's shape (random content) to a folder of its own first;
 * `--experts-on-cpu` compares something else: llama.cpp with the routed experts of its first layers
 * (or of all) computed on the CPU, as with `--n-cpu-moe`, against this engine with as many bytes of
 * experts on the card and the rest in pinned host memory; there is no bar for it;
 * `--open by-turns`, which is chosen where the card does not hold the model twice, has one engine
 * open at a time.
 *
 * Ends with 1 when decode or prefill is below 0.9 of llama.cpp with everything on the card (the
 * median of paired ratios), with 2 where it cannot run.
 */
import os from "node:os";
import { parseArgs } from "node:util";
import { createPrng } from "@fmlab/sim";
import { STRATEGY_NAMES } from "../src/offload/strategies.ts";
import { sampleTokens } from "../test/engine/sampled-text.ts";
import {
  expertBytesBeyond,
  llamaCpp,
  ownEngine,
  ownOffloaded,
  type Stage,
} from "./gpu/contenders.ts";
import { cardOf, describeCard, headLine, wholeNumber } from "./gpu/device-facts.ts";
import { type DuelContender, type DuelResult, type DuelText, fight, PHASES } from "./gpu/duel.ts";
import { compareRows } from "./gpu/logit-comparison.ts";
import { modelPath, openBenchFile, openOn } from "./gpu/open-model.ts";
import { putShapeOnDisk } from "./gpu/shape-on-disk.ts";
import { formatTable } from "./paired.ts";

const SEED = 20_261_123;
const RATIO_MIN = 0.9;
/** Fewer give no interval. */
const ROUNDS_MIN = 3;
/** llama.cpp's contexts are multiples of this. */
const CONTEXT_STEP = 256;
/** Room on the card beside each copy of the model: context and graphs. */
const ROOM_BYTES = 2 * 2 ** 30;

const { values } = parseArgs({
  options: {
    device: { type: "string" },
    model: { type: "string" },
    shape: { type: "string" },
    dir: { type: "string", default: os.tmpdir() },
    tokens: { type: "string", default: "128" },
    prompt: { type: "string", default: "512" },
    rounds: { type: "string", default: "5" },
    threads: { type: "string", default: String(os.availableParallelism()) },
    "experts-on-cpu": { type: "string" },
    strategy: { type: "string", default: "lru" },
    "cpu-experts": { type: "string", default: "0" },
    open: { type: "string", default: "auto" },
    json: { type: "boolean", default: false },
  },
});

/** What was measured, and how. */
interface Outcome {
  readonly stage: Stage;
  readonly text: DuelText;
  readonly rounds: number;
  readonly byTurns: boolean;
  readonly results: readonly DuelResult[];
  /** Experts are held in part only, which has no bar. */
  readonly isOffload: boolean;
  /** Set where the model is none. */
  readonly label: string | undefined;
}

function main(): boolean {
  const { card, name } = cardOf(values.device);
  const rounds = wholeNumber("rounds", values.rounds, ROUNDS_MIN);
  const shape = values.shape ? putShapeOnDisk(values.shape, values.dir) : undefined;
  try {
    const model = openBenchFile(shape?.path ?? modelPath(values.model));
    const counts = {
      decode: wholeNumber("tokens", values.tokens, 1),
      prefill: wholeNumber("prompt", values.prompt, 2),
    };
    const longest = Math.max(counts.decode, counts.prefill);
    const contextLength = Math.min(
      CONTEXT_STEP * Math.ceil(longest / CONTEXT_STEP),
      model.description.contextLength,
    );
    const threads = wholeNumber("threads", values.threads, 1);
    const stage: Stage = { model, name, card, contextLength, threads };
    const text = writeText(stage, counts);
    const { contenders, isOffload } = contendersOf(stage);
    const freeBytes = () => card.memory().freeBytes;
    const copyBytes = model.file.sizeBytes + ROOM_BYTES;
    const byTurns =
      values.open === "by-turns" || (values.open !== "together" && freeBytes() < 2 * copyBytes);
    const results = fight(contenders, text, { rounds, seed: SEED, byTurns, freeBytes });
    model.file.close();
    return report({ stage, text, rounds, byTurns, results, isOffload, label: shape?.label });
  } finally {
    shape?.remove();
  }
}

/** Everything on the card, or as many bytes of experts there for both. */
function contendersOf(stage: Stage): { contenders: DuelContender[]; isOffload: boolean } {
  const wanted = values["experts-on-cpu"];
  if (wanted === undefined) {
    return { contenders: [ownEngine(stage), llamaCpp(stage, 0)], isOffload: false };
  }
  const { layerCount } = stage.model.description;
  const layers = wanted === "all" ? layerCount : wholeNumber("experts-on-cpu", wanted, 1);
  const cpuLayers = Math.min(layers, layerCount);
  const strategy = STRATEGY_NAMES.find((one) => one === values.strategy);
  if (!strategy) {
    throw new Error(`--strategy ${values.strategy}; known are ${STRATEGY_NAMES.join(", ")}`);
  }
  const budgetBytes = expertBytesBeyond(stage.model, cpuLayers);
  const cpuThreads = wholeNumber("cpu-experts", values["cpu-experts"], 0);
  const own = ownOffloaded(stage, { strategy, budgetBytes, cpuThreads });
  return { contenders: [own, llamaCpp(stage, cpuLayers)], isOffload: true };
}

/** Text that the model writes on the card. */
function writeText({ contextLength, model, name }: Stage, counts: Record<string, number>) {
  const own = openOn(model, { device: name, contextLength });
  const longest = Math.min(contextLength, Math.max(...Object.values(counts)));
  const text = sampleTokens(own.engine, createPrng(SEED, "text"), longest);
  own.close();
  return { decode: text.subarray(0, counts.decode), prefill: text.subarray(0, counts.prefill) };
}

function report(outcome: Outcome): boolean {
  const { isOffload, label, results, rounds, stage, text } = outcome;
  const rival = results[1];
  const passed =
    isOffload ||
    (rival !== undefined && PHASES.every((phase) => rival.ratio[phase].estimate >= RATIO_MIN));
  const machine = describeCard(stage.card);
  if (values.json) {
    process.stdout.write(`${JSON.stringify(jsonOf(outcome, passed))}\n`);
    return passed;
  }
  const what = isOffload ? "experts in part" : "everything";
  const order = outcome.byTurns ? "one engine open at a time" : "all engines open";
  process.stdout.write(
    `gpu-llama, ${what} on the card${label ? `; ${label}` : ""}\n${headLine(machine)}\n` +
      `${stage.model.path}: ${text.decode.length} tokens decoded, a prompt of ` +
      `${text.prefill.length}, context ${stage.contextLength}, ${rounds} rounds, ${order}\n\n` +
      `${formatTable(rowsOf(results))}\n\n` +
      (isOffload
        ? "prompts: ours token by token, llama.cpp's in batches\n"
        : `${passed ? "passed" : "FAILED"}: at least ${RATIO_MIN} of llama.cpp in both wanted\n`),
  );
  return passed;
}

function rowsOf(results: readonly DuelResult[]): string[][] {
  const head = [
    "engine",
    "phase",
    "tok/s",
    "fmlab / it",
    "95 % interval",
    "|d logits|",
    "card MiB",
  ];
  const rows = results.flatMap((one, index) =>
    PHASES.map((phase) => {
      const { estimate, high, low } = one.ratio[phase];
      const isOwn = index === 0;
      return [
        one.name,
        phase,
        one.perSecond[phase].toFixed(1),
        isOwn ? "" : estimate.toFixed(3),
        isOwn ? "" : `${low.toFixed(3)}..${high.toFixed(3)}`,
        isOwn ? "" : `${differenceOf(results, one, phase).toFixed(4)} spreads`,
        (one.cardBytes / 2 ** 20).toFixed(0),
      ];
    }),
  );
  return [head, ...rows];
}

/** How far our last logits are from another's: the same model was computed. */
function differenceOf(
  results: readonly DuelResult[],
  other: DuelResult,
  phase: (typeof PHASES)[number],
): number {
  const own = results[0]?.logits[phase] ?? new Float32Array(0);
  const { differenceMax, spread } = compareRows([other.logits[phase]], [own]);
  return differenceMax / spread;
}

function jsonOf(
  { byTurns, isOffload, label, results, rounds, stage, text }: Outcome,
  passed: boolean,
) {
  return {
    name: "gpu-llama",
    unit: "tok/s",
    ...{ device: stage.name, model: stage.model.path, label, passed, isOffload },
    ratioMin: isOffload ? undefined : RATIO_MIN,
    ...{ tokens: text.decode.length, prompt: text.prefill.length, rounds, byTurns },
    ...{ contextLength: stage.contextLength, threads: stage.threads },
    results: results.map((one) => ({
      name: one.name,
      cardMiB: one.cardBytes / 2 ** 20,
      ...Object.fromEntries(
        PHASES.map((phase) => {
          const { estimate, high, low } = one.ratio[phase];
          const logitDifference = differenceOf(results, one, phase);
          const tokensPerSecond = one.perSecond[phase];
          return [
            phase,
            { tokensPerSecond, ratio: estimate, ratioLow: low, ratioHigh: high, logitDifference },
          ];
        }),
      ),
    })),
    machine: describeCard(stage.card),
  };
}

try {
  process.exitCode = main() ? 0 : 1;
} catch (error) {
  process.stderr.write(`gpu-llama: ${error instanceof Error ? error.message : error}\n`);
  process.exitCode = 2;
}
