import { GgmlLibrary } from "@fmlab/ggml";
import { calibrate } from "../calibration/calibrate.ts";
import type { Calibration } from "../calibration/calibration.ts";
import type { DeviceName } from "../engine/device/device-names.ts";
import { findDevice } from "../engine/device/find-device.ts";
import { MoeEngine } from "../engine/engine.ts";
import { MoeError } from "../errors.ts";
import type { ModelDescription } from "../model/description.ts";
import { POLICIES } from "../policies/registry.ts";
import { residentSource } from "../precision/resident-source.ts";
import { PREDICTORS } from "../predictors/registry.ts";
import type { ComputeHost } from "../quality/compute-messages.ts";
import { openTextModel, type TextModel } from "../quality/open-text-model.ts";
import { cutWindows } from "../quality/windows.ts";
import { TraceFuture } from "../replay/future.ts";
import { countHits } from "../replay/hits.ts";
import { firstTokens, type Trace } from "../traces/trace.ts";
import { MemoryTraceSink, TraceRecorder } from "../traces/trace-recorder.ts";
import { GATE_DEPTH_MAX, type GateAccuracy, GateWatch } from "./gate-watch.ts";
import { type PredictorAccuracy, predictorAccuracy } from "./predictor-accuracy.ts";

/** All that decides what is computed. */
export interface AccuracyJob {
  readonly kind: "accuracy";
  readonly modelPath: string;
  readonly text: string;
  /** The text's name, for the record. */
  readonly textName: string;
  /** Tokens of a window; 0 for the model's context. */
  readonly windowTokens: number;
  /** Tokens of the text that are used; 0 for all. */
  readonly tokensMax: number;
  /** Where the model is computed; default: the CPU. */
  readonly device?: DeviceName | undefined;
  readonly threads: number;
  readonly seed: number;
  /** Tokens the model writes itself to learn from; 0 leaves out what needs them. */
  readonly calibrationTokens: number;
  /** Shares of all experts that fit in memory, percent, at which hits are counted. */
  readonly budgetsPercent: readonly number[];
  /** First tokens that policies are tried on; 0 for all. */
  readonly hitRateTokensMax: number;
}

/** Hits of one policy at one budget, 0..1; without prefetching. */
export interface HitRates {
  readonly overall: number;
  /** By layer with experts. */
  readonly byLayer: number[];
}

/** What was measured. */
export interface AccuracyResult {
  readonly model: Pick<
    ModelDescription,
    "name" | "architecture" | "moeLayers" | "expertCount" | "expertUsedCount"
  >;
  /** What the model was computed on, as it calls itself. */
  readonly deviceName: string;
  readonly tokenCount: number;
  readonly windowCount: number;
  /** Tokens that hit rates are about. */
  readonly hitRateTokens: number;
  readonly gates: GateAccuracy;
  /** By predictor; those that need calibration are missing without it. */
  readonly predictors: Readonly<Record<string, PredictorAccuracy>>;
  /** By policy and budget in percent; null where the budget is too small for the policy. */
  readonly hitRates: Readonly<Record<string, Readonly<Record<string, HitRates | null>>>>;
  /** How often each expert was chosen, `[layer with experts][expert]`. */
  readonly uses: number[][];
}

/** Tokens between two looks at cancellation and reports of progress. */
const PROGRESS_EVERY = 64;
/** Contexts shorter than this are no good for learning, so the engine's is at least this. */
const CONTEXT_TOKENS_MIN = 512;

/**
 * Evaluates a text token by token with all experts in memory and measures how well its routing is
 * predicted and how well it is cached.
 *
 * @throws MoeError | GgufError | GgmlError; ExperimentError `CANCELLED`
 */
export function runAccuracyJob(job: AccuracyJob, host: ComputeHost): AccuracyResult {
  host.progress(0, 0, "opening the model");
  const text = openTextModel(job.modelPath);
  let engine: MoeEngine | undefined;
  try {
    const { contextLength } = text.model;
    const windowTokens = Math.min(job.windowTokens || contextLength, contextLength);
    const windows = cutWindows(text.tokenizer, job.text, {
      windowTokens,
      tokensMax: job.tokensMax,
      begins: "text",
    });
    const tokenCount = windows.reduce((sum, window) => sum + window.length, 0);
    const longest = Math.max(...windows.map((window) => window.length), CONTEXT_TOKENS_MIN);
    engine = openEngine(text, Math.min(longest, contextLength), job, host);
    const total = job.calibrationTokens + 2 * tokenCount;
    const calibration = learn(engine, text, job, host, total);
    const recorded = record(engine, windows, job, host, total);
    engine.close();
    const analysed = job.calibrationTokens + tokenCount;
    const step = (share: number, label: string) => {
      host.throwIfCancelled();
      host.progress(Math.round(analysed + share * tokenCount), total, label);
    };
    const predictors = measurePredictors(recorded.trace, calibration, step);
    const cached = job.hitRateTokensMax || tokenCount;
    const beginning = firstTokens(recorded.trace, cached);
    const hitRates = measureHits(beginning, calibration, job.budgetsPercent, step);
    host.progress(total, total, "done");
    const { name, architecture, moeLayers, expertCount, expertUsedCount } = text.model;
    return {
      model: { name, architecture, moeLayers, expertCount, expertUsedCount },
      deviceName: findDevice(GgmlLibrary.load(), job.device ?? "cpu").description,
      tokenCount,
      windowCount: windows.length,
      hitRateTokens: beginning.tokenCount,
      gates: recorded.watch.accuracy(),
      predictors,
      hitRates,
      uses: usesOf(recorded.trace),
    };
  } finally {
    engine?.close();
    text.file.close();
  }
}

function openEngine(
  { file, layout }: TextModel,
  contextLength: number,
  { device, threads }: AccuracyJob,
  host: ComputeHost,
): MoeEngine {
  const slotCount = layout.classes.map(({ layers }) => layers.length * layout.expertCount);
  const sizes = { slotCount, threads, contextLength, aheadDepth: GATE_DEPTH_MAX };
  const options = { ...sizes, ...(device && { device }) };
  return MoeEngine.open(file, options, (pool) =>
    residentSource(file, layout, pool, () => host.throwIfCancelled()),
  );
}

function learn(
  engine: MoeEngine,
  { tokenizer }: TextModel,
  { calibrationTokens, seed }: AccuracyJob,
  host: ComputeHost,
  total: number,
): Calibration | undefined {
  if (calibrationTokens === 0) return undefined;
  return calibrate(engine, {
    tokenCount: calibrationTokens,
    seed,
    firstToken: tokenizer.bosToken ?? tokenizer.eosToken ?? 0,
    onToken: (done) => {
      if (done % PROGRESS_EVERY === 0) host.progress(done, total, "learning from its own text");
    },
    throwIfCancelled: () => host.throwIfCancelled(),
  });
}

function record(
  engine: MoeEngine,
  windows: readonly Int32Array[],
  job: AccuracyJob,
  host: ComputeHost,
  total: number,
): { trace: Trace; watch: GateWatch } {
  const contents = {
    shape: engine.shape,
    hasProbabilities: true,
    aheadDepth: 1,
    hasComputeMs: false,
    provenance: {
      model: job.modelPath,
      text: job.textName,
      origin: "recorded" as const,
      isSimulated: false,
      date: "",
    },
  };
  const sink = new MemoryTraceSink(contents);
  const recorder = new TraceRecorder(contents, sink);
  const watch = new GateWatch(engine.shape);
  engine.onTokenRouting = (routing) => {
    watch.add(routing);
    recorder.add(routing);
  };
  let done = job.calibrationTokens;
  windows.forEach((window, index) => {
    engine.reset();
    for (const token of window) {
      engine.decode(token);
      if (++done % PROGRESS_EVERY !== 0) continue;
      host.throwIfCancelled();
      host.progress(done, total, `window ${index + 1} of ${windows.length}`);
    }
    const [next] = watch.accuracy().byDepth;
    host.partial(
      index,
      (next?.slot ?? []).map((value, layer) => ({
        metric: "crossLayer",
        value: 100 * value,
        labels: { layer: engine.shape.moeLayers[layer + 1] ?? 0 },
      })),
    );
  });
  recorder.flush();
  return { trace: sink.toTrace(), watch };
}

type Step = (share: number, label: string) => void;

function measurePredictors(
  trace: Trace,
  calibration: Calibration | undefined,
  step: Step,
): Record<string, PredictorAccuracy> {
  const definitions = Object.values(PREDICTORS);
  const measured: Record<string, PredictorAccuracy> = {};
  definitions.forEach((definition, index) => {
    if ((definition.needs ?? []).length > 0 && calibration === undefined) return;
    step((0.5 * index) / definitions.length, `predictor ${definition.name}`);
    const predictor = definition.create({ ...calibration, shape: trace.shape });
    measured[definition.name] = predictorAccuracy(trace, predictor, definition.wrapsAround);
  });
  return measured;
}

function measureHits(
  trace: Trace,
  calibration: Calibration | undefined,
  budgetsPercent: readonly number[],
  step: Step,
): Record<string, Record<string, HitRates | null>> {
  const { moeLayers, expertCount } = trace.shape;
  const definitions = Object.values(POLICIES);
  const measured: Record<string, Record<string, HitRates | null>> = {};
  definitions.forEach((policy, index) => {
    const needs = (policy.needs ?? []).filter((need) => need !== "future");
    if (needs.length > 0 && calibration === undefined) return;
    const rates: Record<string, HitRates | null> = {};
    for (const percent of budgetsPercent) {
      step(0.5 + (0.5 * index) / definitions.length, `hits of ${policy.name} at ${percent} %`);
      const slotCount = Math.floor((moeLayers.length * expertCount * percent) / 100);
      const { popularity, reuseModel } = calibration ?? {};
      const knowledge = {
        ...(popularity && { popularity }),
        ...(reuseModel && { reuseModel }),
        ...(policy.needs?.includes("future") && { future: new TraceFuture(trace) }),
      };
      try {
        const { hitRate, hits, uses } = countHits(trace, { policy, slotCount, knowledge });
        const byLayer = Array.from(hits, (count, place) => count / (uses[place] ?? 0));
        rates[percent] = { overall: hitRate, byLayer };
      } catch (error) {
        if (!(error instanceof MoeError && error.code === "BUDGET_TOO_SMALL")) throw error;
        rates[percent] = null;
      }
    }
    measured[policy.name] = rates;
  });
  return measured;
}

function usesOf({ experts, shape }: Trace): number[][] {
  const { expertCount, expertUsedCount: used, moeLayers } = shape;
  const uses = moeLayers.map(() => new Array<number>(expertCount).fill(0));
  experts.forEach((expert, i) => {
    const row = uses[Math.floor(i / used) % moeLayers.length];
    if (row) row[expert] = (row[expert] ?? 0) + 1;
  });
  return uses;
}
