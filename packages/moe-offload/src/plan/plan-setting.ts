import { availableParallelism } from "node:os";
import { calibrationPath, readCalibration } from "../calibration/calibration-file.ts";
import type { PlanConfig } from "../definitions/plan.ts";
import { generateForShape } from "../planner/generated-trace.ts";
import { type MachineProbe, probeMachine } from "../planner/machine-probe.ts";
import { measureComputeTimes } from "../planner/measure-times.ts";
import { NAMED_SHAPES } from "../planner/named-shapes.ts";
import { recordOwnText, scatteredTokens } from "../planner/own-text.ts";
import {
  cpuExpertsOf,
  largestExpert,
  limitLink,
  namedMachine,
  type PlannerMachine,
  probedMachine,
} from "../planner/planner-machine.ts";
import { modelFromFile, modelFromShape, type PlannerModel } from "../planner/planner-model.ts";
import type { PlanSetup } from "../planner/predict.ts";
import { deviceOf, expertRowsMs, processor, rooflineTimes } from "../planner/roofline.ts";
import { splitWorkload } from "../planner/workload.ts";
import { modelIdentity } from "../precision/model-identity.ts";
import { StreamSession } from "../prefill/stream-session.ts";
import { openTextModel, type TextModel } from "../quality/open-text-model.ts";
import type { JobHost, PlanJob } from "../replay-run/thread-messages.ts";
import { GroupEngine } from "../throughput/group-engine.ts";
import { timeLayer } from "../throughput/stage-timing.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";

/** Facts of the file and the machine, for the record. */
export interface PlanFacts {
  readonly architecture: string;
  readonly layerCount: number;
  readonly moeLayerCount: number;
  readonly expertCount: number;
  readonly expertUsedCount: number;
  readonly contextLength: number;
  readonly expertBytes: number;
  readonly allExpertBytes: number;
  readonly denseBytes: number;
  readonly kvBytesPerToken: number;
  readonly probe: MachineProbe | undefined;
  readonly calibration: "file" | "learned";
  readonly routing: string;
}

/** Everything a plan is made from. */
export interface PlanSetting {
  readonly setup: PlanSetup;
  readonly facts: PlanFacts;
  /** Tokens of the KV cache that plans leave room for. */
  readonly contextTokens: number;
  readonly batch: BatchCosts;
}

/** What a batch of texts takes. */
export interface BatchCosts {
  /** An expert's product: its fixed part and what each row adds, ns. */
  readonly expertNs: number;
  readonly expertRowNs: number;
  /** KV cache and activations of one batch. */
  readonly batchBytes: number;
}

/** Experts in memory while routing is recorded and times are measured. */
const RECORDING_BYTES = 2 * 2 ** 30;
const MEASURED_CONTEXT = 64;
const MEASURED_ROUNDS = 3;
/** Larger models take long enough a token to be measured on fewer. */
const LARGE_BYTES = 2 ** 30;
const SHORT_CONTEXT = 32;
/** Longest context that a plan assumes by itself. */
const CONTEXT_TOKENS_MAX = 4096;
/** Klotski's evaluation: prompts of 512 tokens, of 544 in all; with longer answers here. Chosen. */
const PROMPT_SHARE = 0.8;
/** Share of a text that is learned from when it ended early. */
const LEARNED_SHARE = 2 / 3;
/** Tokens of a sequence while batches are measured: experts do not depend on it. */
const BATCH_CONTEXT = 16;
/** Bytes over which the processor's reading is timed, and how often. */
const READ_BYTES = 64 * 2 ** 20;
const READ_ROUNDS = 5;

/**
 * Opens the model, or takes a shape, measures this machine as far as it is asked for, and gets
 * routing to predict with.
 *
 * @throws GgufError | MoeError | GgmlError for a model that does not do
 * @throws ExperimentError `CANCELLED`
 */
export function openPlanSetting(job: PlanJob, host: JobHost): PlanSetting {
  const { config, modelPath } = job;
  const cpuExperts = cpuExpertsOf(config.cpuExperts, config.machine, config.device);
  const setting =
    modelPath === undefined ? shapeSetting(job, host) : openFile(modelPath, job, host);
  const { machine } = setting.setup;
  return { ...setting, setup: { ...setting.setup, machine: { ...machine, cpuExperts } } };
}

function openFile(modelPath: string, job: PlanJob, host: JobHost): PlanSetting {
  const text = openTextModel(modelPath);
  try {
    return fileSetting(text, job, host);
  } finally {
    text.file.close();
  }
}

function fileSetting(text: TextModel, job: PlanJob, host: JobHost): PlanSetting {
  const { config, seed } = job;
  const { file, layout } = text;
  const model = modelFromFile(file, text.model, layout);
  const contextTokens = contextOf(config, model);
  host.progress(0, 0, "measuring this machine");
  const probe = probeMachine(layout, host.nowMs, config.device);
  host.throwIfCancelled();
  const isLarge = model.allExpertBytes > LARGE_BYTES;
  const times = measureComputeTimes(file, layout, {
    device: config.device,
    threads: config.threads,
    contextLength: Math.min(text.model.contextLength, isLarge ? SHORT_CONTEXT : MEASURED_CONTEXT),
    rounds: isLarge ? 1 : MEASURED_ROUNDS,
    tokens: scatteredTokens(text, MEASURED_CONTEXT),
    nowMs: host.nowMs,
    cancelFlag: host.cancelFlag,
    expertMemoryBytes: RECORDING_BYTES,
  });
  const known = readCalibration(calibrationPath(file.path), layout, modelIdentity(file));
  const learnTokens = known ? 0 : config.learnTokens;
  const tokenCount = config.tokens + learnTokens;
  const endMs = host.nowMs() + 1e3 * config.secondsMax;
  const trace = recordOwnText(text, {
    tokenCount,
    seed,
    device: config.device,
    threads: config.threads,
    memoryBytes: RECORDING_BYTES,
    cancelFlag: host.cancelFlag,
    isOver: () => host.nowMs() > endMs,
    onToken: (done) => {
      if (done % 64 === 0) host.progress(done, tokenCount, "the model writes text");
    },
  });
  const isWhole = trace.tokenCount === tokenCount;
  const learned = known ? 0 : Math.floor(LEARNED_SHARE * trace.tokenCount);
  const workload = splitWorkload(trace, isWhole ? learnTokens : learned, known);
  const limits = { limit: config.link, hostBytes: config.hostMiB * 2 ** 20 };
  const own = { times, source: "compute times measured on this machine" };
  const machine =
    config.machine === "this"
      ? probedMachine(model, probe, times, limits)
      : limited(namedMachine(config.machine, model, own), model, config);
  host.progress(0, 0, "measuring batches");
  return {
    setup: { model, machine, workload },
    facts: {
      ...factsOf(model),
      architecture: text.model.architecture,
      probe,
      calibration: known ? "file" : "learned",
      routing: `${trace.tokenCount} tokens of text that the model wrote itself`,
    },
    contextTokens,
    batch: measureBatches(job, text, contextTokens, host),
  };
}

function shapeSetting({ config, seed }: PlanJob, host: JobHost): PlanSetting {
  const { shape, storage, expertMiB } = config;
  // The definition asks for a file exactly when no shape is named.
  const name = shape === "none" ? "qwen1.5-moe-a2.7b" : shape;
  const model = modelFromShape(name, storage, expertMiB * 2 ** 20);
  const device = config.machine === "this" ? undefined : deviceOf(config.machine);
  const own = device ?? ownProcessor(config, host);
  const { assumptions, times } = rooflineTimes(model, own);
  const tokenCount = config.tokens + config.learnTokens;
  host.progress(0, 0, "generating routing");
  const trace = generateForShape(NAMED_SHAPES[name], config.dials, {
    tokenCount,
    seed,
    throwIfCancelled: () => host.throwIfCancelled(),
  });
  host.progress(0, 0, "learning from it");
  const workload = splitWorkload(trace, config.learnTokens);
  const machine = limited(
    config.machine === "this"
      ? {
          title: "this machine",
          link: { bandwidthMBps: own.memoryMBps.value, latencyUs: 0, queueDepth: 1 },
          times,
          assumptions,
        }
      : namedMachine(config.machine, model, { times, source: assumptions.join("; ") }),
    model,
    config,
  );
  const bytes = model.expertBytes(model.shape.moeLayers[0] ?? 0);
  const rowsMs = (rows: number) => expertRowsMs(bytes, model.expertWeights, own, rows);
  const many = 256;
  const contextTokens = contextOf(config, model);
  return {
    setup: { model, machine, workload },
    facts: {
      ...factsOf(model),
      architecture: `${model.name}, sizes only`,
      probe: undefined,
      calibration: "learned",
      routing: `${tokenCount} tokens of generated routing: simulated`,
    },
    contextTokens,
    batch: {
      expertNs: 1e6 * rowsMs(1),
      expertRowNs: (1e6 * (rowsMs(many) - rowsMs(1))) / (many - 1),
      // What is computed with is small beside the cache of a published model, and not known.
      batchBytes: config.sequencesPerBatch * contextTokens * model.kvBytesPerToken,
    },
  };
}

/** Tokens of a context that are its prompt, where a plan has to say so. */
export function promptTokensOf(contextTokens: number): number {
  return Math.max(1, Math.floor(PROMPT_SHARE * contextTokens));
}

function contextOf({ contextTokens }: PlanConfig, model: PlannerModel): number {
  return contextTokens || Math.min(model.contextLength, CONTEXT_TOKENS_MAX);
}

/** A machine with the config's limit on its link. */
function limited(machine: PlannerMachine, model: PlannerModel, config: PlanConfig): PlannerMachine {
  return { ...machine, link: limitLink(machine.link, config.link, largestExpert(model)) };
}

/** Times of experts over several rows, with the graphs that batches are computed with. */
function measureBatches(
  { config, modelPath = "" }: PlanJob,
  text: TextModel,
  contextTokens: number,
  host: JobHost,
): BatchCosts {
  const { layout, model } = text;
  const context = Math.min(BATCH_CONTEXT, model.contextLength);
  const layerBytes = layout.expertCount * layout.expertBytes;
  const session = new StreamSession({
    modelPath,
    budgetBytes: Math.min(2 * layerBytes, layout.moeLayers.length * layerBytes),
    link: FREE_LINK,
    device: config.device,
    threads: config.threads,
    contextTokensMax: context,
    batchTokensMax: context,
    cancelFlag: host.cancelFlag,
  });
  try {
    const tokens = Math.min(context, config.sequencesPerBatch);
    const { expertNs, expertRowNs } = timeLayer(session.machine, tokens, host.nowMs);
    const batchBytes = GroupEngine.batchBytes({
      machine: session.machine,
      sequencesPerBatch: config.sequencesPerBatch,
      promptTokensMax: promptTokensOf(contextTokens),
      contextTokensMax: contextTokens,
    });
    return { expertNs, expertRowNs, batchBytes };
  } finally {
    session.close();
  }
}

/** This machine's processor: as fast as it reads memory, measured if the config does not say. */
function ownProcessor({ processorMBps }: PlanConfig, host: JobHost) {
  if (processorMBps > 0) return processor(processorMBps, "config, processorMBps");
  const words = new Float64Array(READ_BYTES / 8).fill(1);
  let bestMs = Number.POSITIVE_INFINITY;
  let sum = 0;
  for (let round = 0; round < READ_ROUNDS; round++) {
    const beforeMs = host.nowMs();
    for (let i = 0; i < words.length; i++) sum += words[i] ?? 0;
    bestMs = Math.min(bestMs, host.nowMs() - beforeMs);
  }
  const rate = sum > 0 ? READ_BYTES / (Math.max(bestMs, 1e-3) * 1e3) : 0;
  return processor(rate, `measured: one of ${availableParallelism()} threads reads memory`);
}

function factsOf(model: PlannerModel) {
  const { shape } = model;
  return {
    layerCount: shape.layerCount,
    moeLayerCount: shape.moeLayers.length,
    expertCount: shape.expertCount,
    expertUsedCount: shape.expertUsedCount,
    contextLength: model.contextLength,
    expertBytes: largestExpert(model),
    allExpertBytes: model.allExpertBytes,
    denseBytes: model.dense.all,
    kvBytesPerToken: model.kvBytesPerToken,
  };
}
