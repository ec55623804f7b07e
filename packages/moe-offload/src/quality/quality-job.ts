import type { DeviceName } from "../engine/device/device-names.ts";
import type { ModelDescription } from "../model/description.ts";
import type { TierCounts } from "../precision/mixed-source.ts";
import type { Precision, TwinKind } from "../precision/names.ts";
import { type PrecisionRule, UniformRule } from "../precision/rules.ts";
import { openTwins, type Twins } from "../precision/twins.ts";
import { Comparison, type FullRow, type QualityNumbers } from "./comparison.ts";
import type { ComputeHost, PartialPoint } from "./compute-messages.ts";
import { rowStatistics } from "./log-softmax.ts";
import { type ModeSpec, metricLabel, ruleOf, twinsOf } from "./modes.ts";
import { openTextModel, type TextModel } from "./open-text-model.ts";
import { TextEvaluator } from "./text-evaluator.ts";
import { cutWindows } from "./windows.ts";

/** All that decides what is computed. */
export interface QualityJob {
  readonly kind: "quality";
  readonly modelPath: string;
  readonly text: string;
  readonly modes: readonly ModeSpec[];
  /** Tokens of a window; 0 for the model's context. */
  readonly windowTokens: number;
  /** Tokens of the text that are used; 0 for all. */
  readonly tokensMax: number;
  /** Where the model is computed; default: the CPU. */
  readonly device?: DeviceName | undefined;
  readonly threads: number;
  /** Where low-precision copies are kept or looked for. */
  readonly twinFolder: string;
}

/** What one way of computing gave. */
export interface ModeResult {
  readonly label: string;
  /** `prefill`: as batches. `decode`: token by token. Each is compared with its own full run. */
  readonly path: "prefill" | "decode";
  readonly numbers: QualityNumbers;
  /** Uses of experts in another precision than the model's own, 0..1. */
  readonly lossyShare: number;
  /** By precision: share of uses, 0..1. */
  readonly shares: Readonly<Record<string, number>>;
  /** Mean size of the experts that were computed with, bytes. */
  readonly bytesPerExpert: number;
}

/** What the job is about and what it gave. */
export interface QualityResult {
  readonly model: Pick<
    ModelDescription,
    "name" | "architecture" | "layerCount" | "expertCount" | "expertUsedCount" | "vocabularySize"
  >;
  /** What the model was computed on, as it calls itself. */
  readonly deviceName: string;
  readonly tokenCount: number;
  readonly windowCount: number;
  /** Bytes of an expert by precision, of the first class of layers. */
  readonly expertBytes: Readonly<Record<string, number>>;
  /** Types of gate, up and down matrices by precision, ggml numbers. */
  readonly expertTypes: Readonly<Record<string, readonly number[]>>;
  /** The model's own precision, then the modes. */
  readonly modes: readonly ModeResult[];
}

/** Logits that are held at once, of one mode. */
const CHUNK_LOGITS_MAX = 1 << 21;
const CHUNK_TOKENS_MAX = 64;
/** Tokens evaluated together; llama.cpp's default, so that its perplexity can be compared. */
const BATCH_TOKENS = 512;
/** Matrices between two reports of progress. */
const PROGRESS_EVERY = 64;

/** A way of computing while it runs. */
interface RunningMode {
  readonly label: string;
  readonly path: ModeResult["path"];
  readonly rule: PrecisionRule;
  readonly counts: TierCounts;
  readonly comparison: Comparison;
}

/**
 * Measures perplexity and KL divergence of every mode on a text; the model's own precision is
 * among them, with a divergence of exactly 0.
 *
 * @throws MoeError | GgufError | GgmlError; ExperimentError `CANCELLED`
 */
export function runQualityJob(job: QualityJob, host: ComputeHost): QualityResult {
  const opened: { close(): void }[] = [];
  try {
    host.progress(0, 0, "opening the model");
    const text = openTextModel(job.modelPath);
    opened.push(text.file);
    const { contextLength } = text.model;
    const windowTokens = Math.min(job.windowTokens || contextLength, contextLength);
    const windows = cutWindows(text.tokenizer, job.text, {
      windowTokens,
      tokensMax: job.tokensMax,
      begins: "windows",
    });
    const longest = Math.max(...windows.map((window) => window.length));
    const twins = twinsOf(job.modes).map((kind) => makeTwins(text, kind, job, host, opened));
    host.progress(0, 0, "loading experts");
    const evaluator = new TextEvaluator(
      [text, ...twins.map(({ file, layout }) => ({ file, layout }))],
      {
        device: job.device,
        threads: job.threads,
        contextLength: longest,
        batchTokens: Math.min(BATCH_TOKENS, longest),
        throwIfCancelled: () => host.throwIfCancelled(),
      },
    );
    opened.push(evaluator);
    const precisions: Precision[] = ["full", ...twins.map(({ kind }) => kind)];
    const modes = startModes(job.modes, text, precisions, evaluator);
    measure(evaluator, windows, modes, host);
    return {
      ...describe(text, twins),
      deviceName: evaluator.deviceName,
      ...counted(windows),
      modes: modes.map(resultOf(precisions)),
    };
  } finally {
    for (const one of opened.reverse()) one.close();
  }
}

function makeTwins(
  { file, model, layout }: TextModel,
  kind: TwinKind,
  job: QualityJob,
  host: ComputeHost,
  opened: { close(): void }[],
): Twins {
  const folder = job.twinFolder;
  const label = `making ${kind} copies of the experts`;
  const twins = openTwins({
    file,
    model,
    layout,
    kind,
    folder,
    onProgress: (done, total) => {
      if (done % PROGRESS_EVERY === 0) host.progress(done, total, label);
    },
    throwIfCancelled: () => host.throwIfCancelled(),
  });
  opened.push(twins.file);
  host.log(`${kind} copies of the experts were ${twins.wasMade ? "made" : "found"}`);
  return twins;
}

/** The model's own precision on each path that is needed, and the modes. */
function startModes(
  specs: readonly ModeSpec[],
  { layout }: TextModel,
  precisions: readonly Precision[],
  evaluator: TextEvaluator,
): RunningMode[] {
  const tierOf = (precision: Precision) => precisions.indexOf(precision);
  const classOf = (layer: number) => layout.classOfLayer(layer).index;
  const start = (label: string, rule: PrecisionRule, isPerToken: boolean): RunningMode => ({
    label,
    path: isPerToken ? "decode" : "prefill",
    rule,
    counts: evaluator.newCounts(),
    comparison: new Comparison(),
  });
  const modes = specs.map((spec) => {
    const rule = ruleOf(spec, layout, tierOf, classOf);
    return start(spec.label, rule, rule.isPerToken);
  });
  const full = (["prefill", "decode"] as const)
    .filter((path) => path === "prefill" || modes.some((mode) => mode.path === path))
    .map((path) => start(fullLabel(path), new UniformRule(0), path === "decode"));
  return [...full, ...modes];
}

/** The name of the model's own precision among the modes. */
export function fullLabel(path: ModeResult["path"]): string {
  return path === "prefill" ? "full" : "full, token by token";
}

function measure(
  evaluator: TextEvaluator,
  windows: readonly Int32Array[],
  modes: readonly RunningMode[],
  host: ComputeHost,
): void {
  const total = windows.length * modes.length;
  let done = 0;
  windows.forEach((tokens, window) => {
    const hidden = modes.map((mode) => {
      host.progress(done++, total, `window ${window + 1} of ${windows.length}: ${mode.label}`);
      return evaluator.evaluate(tokens, mode.rule, mode.counts, mode.path === "decode");
    });
    compareWindow(evaluator, tokens, window, modes, hidden, host);
    host.partial(window, modes.flatMap(pointsOf));
  });
  host.progress(total, total, "done");
}

/** Compares all modes on one window, some positions at a time: logits are large. */
function compareWindow(
  evaluator: TextEvaluator,
  tokens: Int32Array,
  window: number,
  modes: readonly RunningMode[],
  hidden: readonly Float32Array[],
  host: ComputeHost,
): void {
  const { vocabularySize: count, width } = evaluator;
  const chunk = Math.max(1, Math.min(CHUNK_TOKENS_MAX, Math.floor(CHUNK_LOGITS_MAX / count)));
  for (let from = 0; from < tokens.length; from += chunk) {
    host.throwIfCancelled();
    const size = Math.min(chunk, tokens.length - from);
    const fullRows = new Map<RunningMode["path"], FullRow[]>();
    modes.forEach(({ comparison, path }, index) => {
      const rows = hidden[index]?.subarray(from * width, (from + size) * width);
      const logits = evaluator.logits(rows ?? new Float32Array(0));
      const row = (i: number) => ({ logits, first: i * count, count });
      // The first mode of a path is the full one.
      let full = fullRows.get(path);
      if (full === undefined) {
        full = Array.from({ length: size }, (_, i) => ({
          row: row(i),
          statistics: rowStatistics(row(i)),
        }));
        fullRows.set(path, full);
      }
      full.forEach((fullRow, i) => {
        const position = from + i;
        comparison.add(fullRow, row(i), { window, position }, tokens[position + 1]);
      });
    });
  }
}

function pointsOf({ comparison, label }: RunningMode): PartialPoint[] {
  const { meanKl, perplexity } = comparison.numbers();
  const labels = { mode: metricLabel(label) };
  return [
    { metric: "perplexity", value: perplexity, labels },
    { metric: "meanKl", value: meanKl, labels },
  ];
}

function resultOf(precisions: readonly Precision[]) {
  return ({ comparison, counts, label, path }: RunningMode): ModeResult => {
    const uses = counts.uses.reduce((sum, count) => sum + count, 0);
    const share = (tier: number) => (counts.uses[tier] ?? 0) / uses;
    return {
      label,
      path,
      numbers: comparison.numbers(),
      lossyShare: 1 - share(0),
      shares: Object.fromEntries(precisions.map((name, tier) => [name, share(tier)])),
      bytesPerExpert: counts.bytes / uses,
    };
  };
}

function counted(windows: readonly Int32Array[]) {
  const tokenCount = windows.reduce((sum, window) => sum + window.length, 0);
  return { tokenCount, windowCount: windows.length };
}

function describe({ layout, model }: TextModel, twins: readonly Twins[]) {
  const { name, architecture, layerCount, expertCount, expertUsedCount, vocabularySize } = model;
  const layouts = [
    ["full", layout] as const,
    ...twins.map((one) => [one.kind, one.layout] as const),
  ];
  return {
    model: { name, architecture, layerCount, expertCount, expertUsedCount, vocabularySize },
    expertBytes: Object.fromEntries(layouts.map(([kind, one]) => [kind, one.expertBytes])),
    expertTypes: Object.fromEntries(
      layouts.map(([kind, one]) => [kind, (one.classes[0]?.parts ?? []).map(({ type }) => type)]),
    ),
  };
}
