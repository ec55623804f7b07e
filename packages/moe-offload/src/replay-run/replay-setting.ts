import type { ReplayConfig } from "../definitions/replay.ts";
import { MoeError } from "../errors.ts";
import { generateForShape } from "../planner/generated-trace.ts";
import { measureComputeTimes } from "../planner/measure-times.ts";
import { NAMED_SHAPES, type PlannedShape } from "../planner/named-shapes.ts";
import { recordOwnText, scatteredTokens } from "../planner/own-text.ts";
import type { PlannerMachine } from "../planner/planner-machine.ts";
import {
  cpuExpertsOf,
  largestExpert,
  limitLink,
  namedMachine,
  tellLink,
} from "../planner/planner-machine.ts";
import { modelFromFile, modelFromShape, type PlannerModel } from "../planner/planner-model.ts";
import { processor, rooflineTimes } from "../planner/roofline.ts";
import { splitWorkload, type Workload } from "../planner/workload.ts";
import { openTextModel, type TextModel } from "../quality/open-text-model.ts";
import type { ComputeTimes } from "../replay/compute-times.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import type { Trace } from "../traces/trace.ts";
import { readTrace } from "../traces/trace-file.ts";
import type { JobHost, ReplayJob } from "./thread-messages.ts";

/** What all cells of a replay have in common. */
export interface ReplaySetting {
  readonly model: PlannerModel;
  readonly workload: Workload;
  readonly machine: PlannerMachine;
  /** Links to try, into fast memory. */
  readonly links: readonly LinkOptions[];
  /** Rows for the record: what is assumed, and where it comes from. */
  readonly assumptions: readonly { what: string; value: string; source: string }[];
}

const MIB = 2 ** 20;
/** The link where neither a machine nor a bandwidth is named. */
const DEFAULT_MBPS = 400;
/** Experts in memory while a trace is recorded: most machines have that much to spare. */
const RECORDING_BYTES = 2 * 2 ** 30;
/** Context in which compute times are measured, and passes over it. */
const MEASURED_CONTEXT = 64;
const MEASURED_ROUNDS = 3;

/**
 * Gets the trace, the sizes and the machine that a config names.
 *
 * @throws MoeError for a model, trace or setting that does not do; ExperimentError `CANCELLED`
 */
export function openReplaySetting(job: ReplayJob, host: JobHost): ReplaySetting {
  const { config } = job;
  const text = job.modelPath === undefined ? undefined : openTextModel(job.modelPath);
  try {
    host.throwIfCancelled();
    const trace = obtainTrace(job, text, host);
    const model = modelOf(config, trace, text);
    const own = ownTimes(config, model, text, host);
    const cpuExperts = cpuExpertsOf(config.cpuExperts, config.machine);
    const machine = { ...machineOf(config, model, own), cpuExperts };
    const links = linksOf(config, machine, largestExpert(model));
    const workload = splitWorkload(trace, config.learnTokens);
    const assumptions = [
      ...traceRows(trace, model),
      ...machine.assumptions.map((source) => ({ what: "machine", value: machine.title, source })),
      ...links.map((link) => ({ what: "link", value: tellLink(link), source: "config, machine" })),
    ];
    return { model, workload, machine, links, assumptions };
  } finally {
    text?.file.close();
  }
}

function obtainTrace(job: ReplayJob, text: TextModel | undefined, host: JobHost): Trace {
  const { config, seed, tracePath } = job;
  const tokenCount = config.learnTokens + config.tokens;
  if (config.trace === "own-text" && text !== undefined) {
    return recordOwnText(text, {
      tokenCount,
      seed,
      device: config.device,
      threads: config.threads,
      memoryBytes: RECORDING_BYTES,
      cancelFlag: host.cancelFlag,
      onToken: (done) => {
        if (done % 64 === 0) host.progress(done, tokenCount, "the model writes text");
      },
    });
  }
  if (config.trace === "file") {
    if (tracePath !== undefined) return readTrace(tracePath);
    throw badChoice("traceFile", "the path of a trace where `trace` is file");
  }
  if (config.shape === "none") {
    throw badChoice("shape", "a shape where `trace` is generated");
  }
  host.progress(0, 0, "generating routing");
  return generateForShape(NAMED_SHAPES[config.shape], config.dials, {
    tokenCount,
    seed,
    throwIfCancelled: () => host.throwIfCancelled(),
  });
}

function modelOf(
  { expertMiB, shape, storage, trace: source }: ReplayConfig,
  trace: Trace,
  text: TextModel | undefined,
): PlannerModel {
  if (source === "own-text" && text) return modelFromFile(text.file, text.model, text.layout);
  if (shape !== "none") {
    const planned: PlannedShape = NAMED_SHAPES[shape];
    if (isSameShape(planned.routing, trace.shape)) {
      return modelFromShape(shape, storage, expertMiB * MIB);
    }
  }
  if (expertMiB > 0) return modelOfTrace(trace, expertMiB * MIB);
  throw badChoice("expertMiB", "above 0, or the `shape` of the trace, since a trace has no sizes");
}

/** Sizes of a trace of which only the experts' are known. */
function modelOfTrace({ provenance, shape }: Trace, bytes: number): PlannerModel {
  return {
    name: provenance.model,
    shape,
    expertBytes: () => bytes,
    allExpertBytes: shape.moeLayers.length * shape.expertCount * bytes,
    dense: { attention: 0, shared: 0, dense: 0, head: 0, all: 0 },
    kvBytesPerToken: 0,
    contextLength: 1,
    expertWeights: 0,
  };
}

function ownTimes(
  config: ReplayConfig,
  model: PlannerModel,
  text: TextModel | undefined,
  host: JobHost,
): { times: ComputeTimes; source: string } {
  if (config.compute === "measured" && text) {
    if (config.trace !== "own-text") {
      throw badChoice("trace", "own-text where compute is measured: times belong to one model");
    }
    host.progress(0, 0, "measuring compute times");
    const times = measureComputeTimes(text.file, text.layout, {
      device: config.device,
      threads: config.threads,
      contextLength: Math.min(MEASURED_CONTEXT, text.model.contextLength),
      rounds: MEASURED_ROUNDS,
      tokens: scatteredTokens(text, MEASURED_CONTEXT),
      nowMs: host.nowMs,
      cancelFlag: host.cancelFlag,
      expertMemoryBytes: RECORDING_BYTES,
    });
    return { times, source: "compute times measured on this machine" };
  }
  const device = processor(config.processorMBps, "config, processorMBps");
  const { assumptions, times } = rooflineTimes(model, device);
  return { times, source: assumptions.join("; ") };
}

function machineOf(
  { machine, latencyUs, queueDepth }: ReplayConfig,
  model: PlannerModel,
  own: { times: ComputeTimes; source: string },
): PlannerMachine {
  if (machine !== "none") return namedMachine(machine, model, own);
  return {
    title: "no named machine",
    link: { bandwidthMBps: DEFAULT_MBPS, latencyUs, queueDepth },
    times: own.times,
    assumptions: [own.source],
  };
}

function linksOf(config: ReplayConfig, { link }: PlannerMachine, bytes: number): LinkOptions[] {
  const { bandwidthsMBps, latencyUs, machine, queueDepth } = config;
  if (machine === "none") {
    const speeds = bandwidthsMBps.length > 0 ? bandwidthsMBps : [DEFAULT_MBPS];
    return speeds.map((bandwidthMBps) => ({ bandwidthMBps, latencyUs, queueDepth }));
  }
  const limit = (bandwidthMBps: number) =>
    limitLink(link, { bandwidthMBps, latencyUs, queueDepth }, bytes);
  return bandwidthsMBps.length > 0 ? bandwidthsMBps.map(limit) : [limit(0)];
}

function traceRows({ provenance }: Trace, model: PlannerModel) {
  const { isSimulated, notes, origin, text } = provenance;
  const bytes = Math.max(...model.shape.moeLayers.map(model.expertBytes));
  return [
    {
      what: "routing",
      value: isSimulated ? `${origin}, simulated` : origin,
      source: [text, notes].filter((one) => one !== undefined).join("; "),
    },
    { what: "model", value: model.name, source: `${(bytes / MIB).toFixed(3)} MiB an expert` },
  ];
}

function isSameShape(a: Trace["shape"], b: Trace["shape"]): boolean {
  return (
    a.layerCount === b.layerCount &&
    a.expertCount === b.expertCount &&
    a.expertUsedCount === b.expertUsedCount &&
    a.moeLayers.length === b.moeLayers.length
  );
}

function badChoice(setting: string, expected: string): MoeError {
  return new MoeError(`the setting ${setting} must be ${expected}.`, {
    code: "BAD_SETTING",
    setting,
    value: 0,
    expected,
  });
}
