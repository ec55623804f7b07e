import { createPrng } from "@fmlab/sim";
import { median } from "@fmlab/stats";
import type { Calibration } from "../../src/calibration/calibration.ts";
import { obtainCalibration } from "../../src/calibration/obtain.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { OffloadedModel, type OffloadOptions } from "../../src/offload/offloaded-model.ts";
import { STRATEGIES, type Strategy } from "../../src/offload/strategies.ts";
import { measureComputeTimes } from "../../src/planner/measure-times.ts";
import type { ComputeTimes } from "../../src/replay/compute-times.ts";
import { NO_HOST_TIER } from "../../src/tiers/host-tier.ts";
import { FREE_LINK } from "../../src/tiers/link-schedule.ts";
import { MonotonicClock } from "../../src/tiers/monotonic-clock.ts";
import { Tokenizer } from "../../src/tokenizer/tokenizer.ts";
import { openBenchModel } from "../model.ts";
import { type GridModel, measureCell } from "./cell.ts";
import type { PredictModel } from "./predict.ts";
import { CONTEXT_TOKENS, makeWorkload, type Workload, type WorkloadName } from "./workloads.ts";

/** Every expert in fast memory: what offloading is compared with. */
export const ALL_RESIDENT: Strategy = {
  policy: "all-resident",
  predictor: "none",
  prefetch: { control: "off", width: 0, depth: 1 },
  readyFirst: false,
};

/** The shipped model, its calibration, and what benchmarks of whole strategies need of both. */
export class GridBench {
  readonly model: GridModel;
  readonly calibration: Calibration;
  readonly #tokenizer: Tokenizer;
  readonly #base: OffloadOptions;
  #missMs: number | undefined;

  constructor() {
    const file = openBenchModel();
    const layout = expertLayout(file, describeModel(file));
    const totalBytes = layout.classes.reduce(
      (sum, { expertBytes, layers }) => sum + layers.length * layout.expertCount * expertBytes,
      0,
    );
    this.#tokenizer = new Tokenizer(file);
    this.#base = {
      strategy: ALL_RESIDENT,
      budgetBytes: totalBytes,
      host: NO_HOST_TIER,
      link: FREE_LINK,
      disk: FREE_LINK,
      threads: 1,
      contextLength: describeModel(file).contextLength,
      clock: new MonotonicClock(),
      cancelFlag: new Int32Array(new SharedArrayBuffer(4)),
    };
    const { calibration } = obtainCalibration(file, layout, this.#base, {
      tokenCount: 12_288,
      firstToken: this.#tokenizer.bosToken ?? 0,
      throwIfCancelled: () => {},
    });
    this.calibration = calibration;
    this.model = { file, layout, calibration, contextLength: CONTEXT_TOKENS, totalBytes };
  }

  /** Tokens for rounds, the first of which warms up, and how the model routes on them. */
  workload(name: WorkloadName, size: { rounds: number; tokens: number }): Workload {
    const { file, layout } = this.model;
    const resident = OffloadedModel.open(file, layout, { ...this.#base, aheadDepth: 3 });
    const made = makeWorkload(name, resident.engine, this.#tokenizer, size);
    resident.close();
    return made;
  }

  /** What the parts of a token take on this machine now. */
  computeTimes(tokens: Int32Array): ComputeTimes {
    const { contextLength, file, layout } = this.model;
    this.#missMs ??= this.#measureMiss();
    const times = measureComputeTimes(file, layout, {
      threads: 1,
      contextLength,
      rounds: 4,
      tokens,
      nowMs: () => performance.now(),
      cancelFlag: this.#base.cancelFlag,
    });
    return { ...times, missMs: this.#missMs };
  }

  /**
   * What loading costs a layer beside waiting: load on demand, where every layer waits, against all
   * resident, less the waiting. On text and a link that nothing else is measured on.
   */
  #measureMiss(): number {
    const workload = this.workload("sampled", { rounds: 6, tokens: 64 });
    const link = { bandwidthMBps: 800, latencyUs: 0, queueDepth: 1 };
    const strategies = new Map<string, Strategy>([
      ["all-resident", ALL_RESIDENT],
      ["load-on-demand", STRATEGIES["load-on-demand"]],
    ]);
    const cell = { workload, share: 0.5, link };
    const [resident, demand] = measureCell(this.model, cell, strategies, createPrng(1, "miss"));
    const busyMs = 1e3 / median(demand?.tokensPerSecond ?? []) - (demand?.stallMsPerToken ?? 0);
    const residentMs = 1e3 / median(resident?.tokensPerSecond ?? []);
    return Math.max(0, busyMs - residentMs) / this.model.layout.moeLayers.length;
  }

  /** What a replay needs to know of the model. */
  predicting(times: ComputeTimes): PredictModel {
    const { calibration, layout } = this.model;
    const slotsOfAll = layout.moeLayers.length * layout.expertCount;
    return { calibration, times, expertBytes: layout.expertBytes, slotsOfAll };
  }

  /** Frees the file handle. */
  close(): void {
    this.model.file.close();
  }
}
