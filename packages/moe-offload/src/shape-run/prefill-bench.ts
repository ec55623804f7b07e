import { GgmlLibrary, type GgufFile } from "@fmlab/ggml";
import type { Calibration } from "../calibration/calibration.ts";
import { findDevice } from "../engine/device/find-device.ts";
import { describeModel } from "../model/description.ts";
import { type ExpertLayout, expertLayout } from "../model/expert-layout.ts";
import { openStreamMachine, type StreamMachine } from "../prefill/stream-machine.ts";
import { calibrationFromTrace } from "../replay/trace-knowledge.ts";
import { openShape } from "../shapes/shape-file.ts";
import { shapeLabel } from "../shapes/shape-label.ts";
import { SHAPE_MODELS } from "../shapes/shape-model.ts";
import { generateShapeTrace } from "../shapes/shape-trace.ts";
import { shrinkShape } from "../shapes/shrink.ts";
import { contentsOf } from "../tiers/expert-contents.ts";
import { expertTable } from "../tiers/expert-table.ts";
import { HostTier } from "../tiers/host-tier.ts";
import { laneSlots } from "../tiers/lane-slots.ts";
import { FREE_LINK } from "../tiers/link-schedule.ts";
import { TransferLane } from "../tiers/transfer-lane.ts";
import type { Trace } from "../traces/trace.ts";
import { blockOf, joinBlocks, contentsOf as traceContents } from "../traces/trace-block.ts";
import type { ShapePrefillJob } from "./prefill-job.ts";

/** Texts that plans are made on: one that is not counted, and two. */
const PLANNING_TEXTS = 3;

/** Slots of one budget with their lane. */
export interface BudgetMachine extends StreamMachine {
  readonly lane: TransferLane;
}

/** Everything that the cells of a run share: shape, all experts in host memory, and routing. */
export class PrefillBench {
  readonly job: ShapePrefillJob;
  readonly layout: ExpertLayout;
  readonly calibration: Calibration;
  /** What is measured, and texts that plans are made on. */
  readonly measured: Trace;
  readonly planning: Trace;
  readonly label: { readonly title: string; readonly notes: readonly string[] };
  readonly #file: GgufFile;
  readonly #hostTier: HostTier;

  /**
   * @param throwIfCancelled  asked before every prompt
   * @throws MoeError, EngineError, GgmlError for what does not fit
   */
  constructor(
    job: ShapePrefillJob,
    readonly throwIfCancelled: () => void,
  ) {
    this.job = job;
    const model = SHAPE_MODELS[job.shape];
    const { widthDivisor } = job;
    const layerCount = Math.min(job.layerCount || model.layerCount, model.layerCount);
    const isWhole = layerCount === model.layerCount && widthDivisor === 1;
    const shape = isWhole ? model : shrinkShape(model, { layerCount, widthDivisor });
    const storage = { experts: job.storage, dense: job.storage };
    this.#file = openShape(shape, { storage, seed: job.seed });
    try {
      this.layout = expertLayout(this.#file, describeModel(this.#file));
      const { measured, planning, training } = tracesOf(job, this.layout);
      this.measured = measured;
      this.planning = planning;
      this.calibration = calibrationFromTrace(training);
      const label = shapeLabel(this.#file, measured);
      this.label = { title: label?.title ?? shape.name, notes: label?.notes ?? [] };
      this.#hostTier = openHost(this.#file, this.layout, job);
    } catch (error) {
      this.#file.close();
      throw error;
    }
  }

  /** Takes memory for so many experts, empty, and opens the way from host memory into it. */
  open(slots: number, cancelFlag: Int32Array, linkMBps = this.job.linkMBps): BudgetMachine {
    const { device, promptTokens, threads } = this.job;
    const tokensMax = Math.max(...promptTokens);
    const opened = openStreamMachine(this.#file, {
      slotsOf: () => slots,
      device,
      threads,
      contextLength: tokensMax,
      batchTokens: tokensMax,
    });
    try {
      const lane = new TransferLane({
        layout: opened.layout,
        slots: laneSlots(opened.machine.pool, device),
        fast: { ...FREE_LINK, bandwidthMBps: linkMBps },
        hostTier: this.#hostTier,
        cancelFlag,
      });
      const close = () => {
        lane.close();
        opened.close();
      };
      return { ...opened, lane, close };
    } catch (error) {
      opened.close();
      throw error;
    }
  }

  /** Frees host memory and the shape. */
  close(): void {
    this.#hostTier.free();
    this.#file.close();
  }
}

function openHost(file: GgufFile, layout: ExpertLayout, job: ShapePrefillJob): HostTier {
  const device = findDevice(GgmlLibrary.load(), job.device);
  const table = expertTable(layout);
  const options = {
    // Places begin on cache lines.
    budgetBytes: layout.moeLayers.length * layout.expertCount * (table.expertBytesMax + 64),
    mode: "pinned",
    preload: true,
    contents: contentsOf(file, layout),
  } as const;
  return new HostTier(table, options, device.isHost ? undefined : device);
}

/** One long trace in three parts: to learn from, to plan on, and to measure. */
function tracesOf(job: ShapePrefillJob, layout: ExpertLayout) {
  const { expertCount, expertUsedCount, layerCount, moeLayers } = layout;
  const textTokens = Math.max(...job.promptTokens);
  const learned = Math.ceil(job.trainingTokens / textTokens) * textTokens;
  const planned = learned + PLANNING_TEXTS * textTokens;
  const whole = generateShapeTrace(job.shape, {
    // The first prompt is not counted.
    tokenCount: planned + (job.prompts + 1) * textTokens,
    sequenceTokens: textTokens,
    seed: job.seed,
    routing: { expertCount, expertUsedCount, layerCount, moeLayers },
  });
  const part = (from: number, to: number) =>
    joinBlocks(traceContents(whole), [blockOf(whole, from, to)]);
  return {
    training: part(0, learned),
    planning: part(learned, planned),
    measured: part(planned, whole.tokenCount),
  };
}
