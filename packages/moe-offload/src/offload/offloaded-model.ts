import type { GgufFile, ThreadPool } from "@fmlab/ggml";
import type { Calibration } from "../calibration/calibration.ts";
import type { DeviceName } from "../engine/device/device-names.ts";
import { MoeEngine } from "../engine/engine.ts";
import type { ExpertSource, SlotPool } from "../engine/interfaces.ts";
import { MoeError } from "../errors.ts";
import type { ExpertLayout } from "../model/expert-layout.ts";
import type { MissCurves, PolicyContext, PolicyDefinition } from "../policies/policy.ts";
import { POLICIES } from "../policies/registry.ts";
import { joinLayouts } from "../precision/tiered-pool.ts";
import { withTwins } from "../precision/twin-ranges.ts";
import { PREDICTORS } from "../predictors/registry.ts";
import type { ExpertContents } from "../tiers/expert-contents.ts";
import { fillSlots } from "../tiers/fill-slots.ts";
import type { HostTier, HostTierOptions } from "../tiers/host-tier.ts";
import { laneSlots } from "../tiers/lane-slots.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import type { MonotonicClock } from "../tiers/monotonic-clock.ts";
import { TransferLane } from "../tiers/transfer-lane.ts";
import { type CpuExpertOptions, checkCpuExperts, cpuShareOf, noughtBytes } from "./cpu-experts.ts";
import { type ExpertMemory, planExpertMemory } from "./expert-memory.ts";
import type { FinishedLoad } from "./lane.ts";
import { LateTwins, type LowPrecisionOptions, twinStaging } from "./low-precision.ts";
import { OffloadSource } from "./offload-source.ts";
import { createControl } from "./prefetch-control.ts";
import { Scheduler } from "./scheduler.ts";
import type { Strategy } from "./strategies.ts";

/** How a model is opened with its experts in tiers. */
export interface OffloadOptions {
  readonly strategy: Strategy;
  /** Every byte of expert storage in fast memory, staging included. */
  readonly budgetBytes: number;
  readonly host: HostTierOptions;
  /** From host memory, or straight from disk, to fast memory. */
  readonly link: LinkOptions;
  /** From disk to host memory. */
  readonly disk: LinkOptions;
  /** Where the model is computed, and fast memory lies; default: the CPU. */
  readonly device?: DeviceName;
  readonly threads: number;
  readonly threadPool?: ThreadPool;
  readonly contextLength: number;
  /** Routers of following layers that are computed for hooks; more if the predictor needs them. */
  readonly aheadDepth?: number;
  /** What policies and predictors know of the model; some cannot do without. */
  readonly calibration?: Calibration | undefined;
  readonly missCurves?: MissCurves;
  /** Misses are computed in low precision: text and logits are then others than in full. */
  readonly lowPrecision?: LowPrecisionOptions | undefined;
  /** On a card with host memory: the CPU computes missed experts from there. */
  readonly cpuExperts?: CpuExpertOptions | undefined;
  readonly clock: MonotonicClock;
  /** Shared memory of one entry; nonzero ends all waiting. */
  readonly cancelFlag: Int32Array;
  /** Experts that lie in no file; host memory must then hold them all. */
  readonly contents?: ExpertContents | undefined;
  /** Host memory that outlives the model, in place of `host`. */
  readonly hostTier?: HostTier | undefined;
  /** Puts another source of experts before the one that the engine asks. */
  readonly wrap?: (source: ExpertSource) => ExpertSource;
  /** Told of every load that has ended. */
  readonly onLoad?: (load: FinishedLoad) => void;
}

/** A model whose experts are brought to its engine as a strategy decides. */
export class OffloadedModel {
  readonly engine: MoeEngine;
  readonly scheduler: Scheduler;
  /** Moves the experts; undefined when all are resident. */
  readonly lane: TransferLane | undefined;
  readonly memory: ExpertMemory;
  /** Answers misses in low precision; undefined where all is computed in full. */
  readonly twins: LateTwins | undefined;

  private constructor(parts: {
    engine: MoeEngine;
    scheduler: Scheduler;
    lane: TransferLane | undefined;
    memory: ExpertMemory;
    twins: LateTwins | undefined;
  }) {
    this.engine = parts.engine;
    this.scheduler = parts.scheduler;
    this.lane = parts.lane;
    this.memory = parts.memory;
    this.twins = parts.twins;
  }

  /**
   * Takes the memory, loads what is resident from the start (past the links: it belongs to
   * opening), and starts the threads that move experts.
   *
   * @throws MoeError `BUDGET_TOO_SMALL` | `NOT_CALIBRATED` | `EXPERT_UNREADABLE` | `BAD_SETTING` |
   *         `CONFLICTING_SETTINGS`
   * @throws EngineError | GgmlError | GgufError, ExperimentError `CANCELLED`
   */
  static open(file: GgufFile, layout: ExpertLayout, options: OffloadOptions): OffloadedModel {
    const { strategy } = options;
    checkCpuExperts(options);
    const definition = POLICIES[strategy.policy];
    const predictor = PREDICTORS[strategy.predictor];
    const isPrefetching = strategy.prefetch.control !== "off" && strategy.predictor !== "none";
    const { lowPrecision, missCurves } = options;
    const staging = lowPrecision && twinStaging(lowPrecision.twins);
    const memory = planExpertMemory(layout, {
      budgetBytes: options.budgetBytes,
      policy: definition,
      prefetchWidth: isPrefetching ? strategy.prefetch.width : 0,
      reservedBytes: staging?.bytes ?? (options.cpuExperts ? noughtBytes(layout) : 0),
      ...(missCurves && { missCurves }),
    });
    const firstSlot = memory.plan.slotCount;
    const twins = lowPrecision && new LateTwins({ ...lowPrecision, layout, firstSlot });
    const depth = Math.min(strategy.prefetch.depth, predictor.depthMax);
    const ahead = isPrefetching ? Math.min(depth, predictor.aheadDepth) : 0;
    let lane: TransferLane | undefined;
    let scheduler: Scheduler | undefined;
    try {
      const engine = MoeEngine.open(
        file,
        {
          slotCount: [...memory.slotsOfClass, ...(staging?.slotsOfClass ?? [])],
          ...(lowPrecision && { layout: joinLayouts([layout, lowPrecision.twins]) }),
          ...(options.device && { device: options.device }),
          threads: options.threads,
          contextLength: options.contextLength,
          aheadDepth: Math.max(ahead, options.aheadDepth ?? 0),
          ...(options.threadPool && { threadPool: options.threadPool }),
          cpuExperts: options.cpuExperts,
        },
        (pool) => {
          const context = contextOf(layout, memory, definition, options);
          const policy = definition.create(context);
          const isResident = policy.allResident;
          if (!isResident) lane = openLane(pool, layout, options);
          scheduler = new Scheduler({
            shape: layout,
            plan: memory.plan,
            policy,
            lane: lane ?? RESIDENT_LANE,
            predictor: isPrefetching
              ? predictor.create(predictorContext(layout, options))
              : undefined,
            control: createControl(
              isPrefetching ? strategy.prefetch : { control: "off", width: 0 },
              layout,
            ),
            depth,
            twins,
            cpuShare: lane?.host && cpuShareOf(layout, lane, lane.host, options.cpuExperts),
            ...(options.onLoad && { onLoad: options.onLoad }),
          });
          const keys = [...(definition.initial?.(context) ?? [])];
          fillSlots({ pool, layout, keys, slots: scheduler.place(keys), lane, options });
          const { readyFirst } = strategy;
          const source = new OffloadSource(scheduler, { allResident: isResident, readyFirst });
          return options.wrap?.(source) ?? source;
        },
      );
      if (!scheduler) throw new Error("an engine asks for its source of experts");
      return new OffloadedModel({ engine, scheduler, lane, memory, twins });
    } catch (error) {
      lane?.close();
      throw error;
    }
  }

  /** Ends all transfers and frees everything native. */
  close(): void {
    this.lane?.close();
    this.engine.close();
  }
}

function openLane(pool: SlotPool, layout: ExpertLayout, options: OffloadOptions): TransferLane {
  const slots = laneSlots(pool, options.device);
  const { cancelFlag, clock, disk, hostTier, link, lowPrecision } = options;
  const host = { ...options.host, ...(options.contents && { contents: options.contents }) };
  const ranges = lowPrecision ? withTwins(layout, lowPrecision.twins) : layout;
  return new TransferLane({
    layout: ranges,
    slots,
    disk,
    fast: link,
    host,
    cancelFlag,
    clock,
    ...(hostTier && { hostTier }),
  });
}

function contextOf(
  layout: ExpertLayout,
  memory: ExpertMemory,
  definition: PolicyDefinition,
  { calibration, missCurves }: OffloadOptions,
): PolicyContext {
  const context: PolicyContext = {
    shape: layout,
    allocation: memory.allocation,
    ...(missCurves && { missCurves }),
    ...(calibration && {
      popularity: calibration.popularity,
      activationMatrices: calibration.activationMatrices,
      reuseModel: calibration.reuseModel,
    }),
  };
  for (const need of definition.needs ?? []) {
    if (context[need] === undefined) throw notCalibrated(`policy ${definition.name}`, need);
  }
  return context;
}

function predictorContext(layout: ExpertLayout, { calibration, strategy }: OffloadOptions) {
  const context = {
    shape: layout,
    ...(calibration && {
      popularity: calibration.popularity,
      layerMaps: calibration.layerMaps,
      activationMatrices: calibration.activationMatrices,
      successors: calibration.successors,
    }),
  };
  for (const need of PREDICTORS[strategy.predictor].needs ?? []) {
    if (!(need in context)) throw notCalibrated(`predictor ${strategy.predictor}`, need);
  }
  return context;
}

function notCalibrated(who: string, need: string): MoeError {
  const what =
    need === "future"
      ? "knows the future and only works where a recorded trace is replayed"
      : `needs ${need}, which a calibration of the model gives; set calibrationTokens above 0`;
  return new MoeError(`${who} ${what}.`, { code: "NOT_CALIBRATED", who, need });
}

/** For models with every expert resident: nothing is ever moved. */
const RESIDENT_LANE = {
  nowMs: () => 0,
  submit: () => {
    throw new Error("every expert is resident");
  },
  promote: () => {},
  withdraw: () => false,
  isReady: () => true,
  waitFor: () => {},
  prefetchesPending: 0,
  pending: 0,
  drain: () => {},
};
