import { GgmlLibrary, type GgufFile } from "@fmlab/ggml";
import type { Calibration } from "../calibration/calibration.ts";
import type { DeviceName } from "../engine/device/device-names.ts";
import { findDevice } from "../engine/device/find-device.ts";
import { describeModel } from "../model/description.ts";
import { type ExpertLayout, expertLayout } from "../model/expert-layout.ts";
import type { CpuTimes } from "../offload/miss-costs.ts";
import { generateForShape } from "../planner/generated-trace.ts";
import { NAMED_SHAPES } from "../planner/named-shapes.ts";
import type { ComputeHost } from "../quality/compute-messages.ts";
import { calibrationFromTrace } from "../replay/trace-knowledge.ts";
import { openShape } from "../shapes/shape-file.ts";
import { shapeLabel } from "../shapes/shape-label.ts";
import { SHAPE_MODELS, type ShapeName } from "../shapes/shape-model.ts";
import type { ShapeType } from "../shapes/shape-types.ts";
import { shrinkShape } from "../shapes/shrink.ts";
import { TraceRouting } from "../shapes/trace-routing.ts";
import { contentsOf, type ExpertContents } from "../tiers/expert-contents.ts";
import { expertTable } from "../tiers/expert-table.ts";
import { HostTier } from "../tiers/host-tier.ts";
import { MonotonicClock } from "../tiers/monotonic-clock.ts";
import type { Trace } from "../traces/trace.ts";
import { blockOf, joinBlocks, contentsOf as traceContents } from "../traces/trace-block.ts";
import type { CellCpu } from "./cell-cpu.ts";
import { measureCpu } from "./cpu-probe.ts";
import { type Foresight, foresightOf } from "./foresight.ts";
import { measureLink } from "./link-probe.ts";
import {
  type CellResult,
  type CellStrategy,
  type MeasuredMachine,
  type ResidentResult,
  runCell,
  runResident,
  titleOf,
} from "./shape-cell.ts";

/** What is run: one shape, several budgets, several strategies, all in one process. */
export interface ShapeJob {
  readonly kind: "shape";
  readonly shape: ShapeName;
  /** Layers that are kept; 0: all. */
  readonly layerCount: number;
  readonly storage: ShapeType;
  readonly device: DeviceName;
  /** Experts that fast memory holds, staging included; by budget. */
  readonly slots: readonly number[];
  readonly strategies: readonly CellStrategy[];
  /** From host memory to fast memory, MB/s; 0: as fast as the machine is. */
  readonly linkMBps: number;
  /** A layer takes as long at least, ms; 0: as long as it takes. */
  readonly layerMs: number;
  /** Missed experts on the CPU. */
  readonly cpuExperts: CellCpu;
  /** Texts, tokens of each, and how many of those come first and are not counted. */
  readonly sequences: number;
  readonly tokens: number;
  readonly warmupTokens: number;
  /** Tokens of another trace that strategies learn from. */
  readonly trainingTokens: number;
  readonly threads: number;
  readonly seed: number;
}

/** What a run gives. */
export interface ShapeResult {
  readonly label: { readonly title: string; readonly notes: readonly string[] };
  readonly expertBytes: number;
  readonly expertTotal: number;
  readonly layerCount: number;
  readonly moeLayerCount: number;
  readonly expertUsedCount: number;
  readonly deviceName: string;
  /** Measured between host memory and slots, MB/s; 0 on the CPU without a limit. */
  readonly measuredLinkMBps: number;
  /** Measured of experts on the CPU; undefined where it computes none. */
  readonly measuredCpu: CpuTimes | undefined;
  readonly resident: ResidentResult;
  readonly cells: readonly CellResult[];
  /** What those could do who know the future, by budget; replayed. */
  readonly foresight: readonly Foresight[];
}

/** Everything that the cells of a run share. */
export interface ShapeBench {
  readonly job: ShapeJob;
  readonly file: GgufFile;
  readonly layout: ExpertLayout;
  readonly contents: ExpertContents;
  readonly hostTier: HostTier;
  readonly routing: TraceRouting;
  readonly calibration: Calibration;
  /** Texts that a plan is made on; nothing was learned from them. */
  readonly planning: Trace;
  readonly host: ComputeHost;
  readonly nowMs: () => number;
}

/**
 * Decodes a published model at its true sizes with random content, its routing replayed from a
 * trace, under each budget with each strategy. All experts lie in host memory from the start.
 *
 * @throws MoeError, EngineError, GgmlError for what does not fit; ExperimentError `CANCELLED`
 */
export function runShapeJob(job: ShapeJob, host: ComputeHost): ShapeResult {
  const library = GgmlLibrary.load();
  const clock = new MonotonicClock();
  const nowMs = () => clock.nowMs();
  const model = SHAPE_MODELS[job.shape];
  const cut = job.layerCount > 0 && job.layerCount < model.layerCount;
  const shape = cut ? shrinkShape(model, { layerCount: job.layerCount }) : model;
  const storage = { experts: job.storage, dense: job.storage };
  const file = openShape(shape, { storage, seed: job.seed });
  const layout = expertLayout(file, describeModel(file));
  host.log(`filling ${gigabytes(totalBytes(layout))} GB of host memory with experts`);
  const contents = contentsOf(file, layout);
  const hostTier = openHost(library, layout, contents, job.device);
  try {
    const traces = tracesOf(job, layout);
    const routing = new TraceRouting(traces.measured, layout);
    const calibration = calibrationFromTrace(traces.training);
    const bench = {
      job,
      file,
      layout,
      contents,
      hostTier,
      routing,
      calibration,
      planning: traces.planning,
      host,
      nowMs,
    };
    const label = shapeLabel(file, traces.measured);
    const linkMBps = measureLink(bench);
    host.log(`link: ${linkMBps.toFixed(0)} MB/s`);
    const resident = runResident(bench);
    const measuredCpu = cpuTimesOf(bench);
    const cpu = measuredCpu && {
      ...measuredCpu,
      computeMs: resident.besideCpuMs ?? resident.splitMs,
    };
    const machine = { computeMs: resident.splitMs, linkMBps, cpu };
    const foresight = job.slots.flatMap((slots) => foresightOf(bench, slots, machine));
    const cells = runCells(bench, machine);
    return {
      label: { title: label?.title ?? shape.name, notes: label?.notes ?? [] },
      expertBytes: layout.expertBytes,
      expertTotal: layout.moeLayers.length * layout.expertCount,
      layerCount: layout.layerCount,
      moeLayerCount: layout.moeLayers.length,
      expertUsedCount: layout.expertUsedCount,
      deviceName: findDevice(library, job.device).description,
      measuredLinkMBps: linkMBps,
      measuredCpu,
      resident,
      cells,
      foresight,
    };
  } finally {
    hostTier.free();
    file.close();
  }
}

function runCells(bench: ShapeBench, machine: MeasuredMachine): CellResult[] {
  const { host, job } = bench;
  const cells: CellResult[] = [];
  for (const slots of job.slots) {
    for (const strategy of job.strategies) {
      host.throwIfCancelled();
      const total = job.slots.length * job.strategies.length;
      host.progress(cells.length, total, `${titleOf(strategy)}, ${slots} slots`);
      const cell = runCell(bench, strategy, slots, machine);
      cells.push(cell);
      host.partial(cells.length - 1, [
        {
          metric: "decodeTokensPerSecond",
          value: cell.tokensPerSecond,
          labels: { strategy, slots: String(slots) },
        },
      ]);
    }
  }
  return cells;
}

function cpuTimesOf(bench: ShapeBench): CpuTimes | undefined {
  const { threads } = bench.job.cpuExperts;
  if (threads === 0) return undefined;
  const times = measureCpu(bench, threads);
  const { expertMs, layerMs } = times;
  bench.host.log(
    `CPU: ${expertMs.toFixed(3)} ms an expert and ${layerMs.toFixed(3)} ms a layer ` +
      `on ${threads} threads`,
  );
  return times;
}

/** 0 is as published; the skew is roughly what was counted of OLMoE on mixed text. */
const DIALS = {
  previousTokenReuse: 0,
  sequenceReuse: 0,
  crossLayerAccuracy: 0,
  chosenMass: 0,
  popularitySkew: 0.4,
} as const;

function openHost(
  library: GgmlLibrary,
  layout: ExpertLayout,
  contents: ExpertContents,
  device: DeviceName,
): HostTier {
  const found = findDevice(library, device);
  const options = {
    budgetBytes: 2 * totalBytes(layout),
    mode: "pinned",
    preload: true,
    contents,
  } as const;
  return new HostTier(expertTable(layout), options, found.isHost ? undefined : found);
}

function totalBytes({ classes, expertCount }: ExpertLayout): number {
  return classes.reduce(
    (sum, { layers, expertBytes }) => sum + layers.length * expertCount * expertBytes,
    0,
  );
}

/**
 * One long trace in three parts: strategies learn from texts of the same routers, plans are made on
 * others, and neither are those that are measured.
 */
function tracesOf(
  job: ShapeJob,
  layout: ExpertLayout,
): Record<"measured" | "planning" | "training", Trace> {
  const texts = Math.ceil(job.trainingTokens / job.tokens);
  const trainingTokens = texts * job.tokens;
  const planningTokens = Math.ceil(texts / 2) * job.tokens;
  const learned = trainingTokens + planningTokens;
  const { expertCount, expertUsedCount, layerCount, moeLayers } = layout;
  const named = NAMED_SHAPES[job.shape];
  const routing = { expertCount, expertUsedCount, layerCount, moeLayers };
  const whole = generateForShape(
    { ...named, routing },
    { ...DIALS, sequenceTokens: job.tokens },
    {
      tokenCount: learned + job.sequences * job.tokens,
      seed: job.seed,
    },
  );
  const part = (from: number, to: number) =>
    joinBlocks(traceContents(whole), [blockOf(whole, from, to)]);
  return {
    training: part(0, trainingTokens),
    planning: part(trainingTokens, learned),
    measured: part(learned, whole.tokenCount),
  };
}

function gigabytes(bytes: number): string {
  return (bytes / 1e9).toFixed(1);
}
