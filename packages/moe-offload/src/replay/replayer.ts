import type { CpuChoiceName } from "../offload/cpu-choice-names.ts";
import { MissedOnCpu } from "../offload/cpu-share.ts";
import type { FinishedLoad } from "../offload/lane.ts";
import { type CpuTimes, StatedCosts } from "../offload/miss-costs.ts";
import type { PrefetchControl } from "../offload/prefetch-control.ts";
import type { ExpertKey, Routing } from "../offload/routing.ts";
import { Scheduler } from "../offload/scheduler.ts";
import { planSlots, type SlotPlan } from "../offload/slot-table.ts";
import type { Allocation, PolicyContext, PolicyDefinition } from "../policies/policy.ts";
import type { ExpertPredictor } from "../predictors/predictor.ts";
import type { LinkOptions } from "../tiers/link-schedule.ts";
import { RoutingCursor } from "../traces/routing-cursor.ts";
import type { Trace } from "../traces/trace.ts";
import { allocateSlots } from "./allocate-slots.ts";
import type { ComputeTimes } from "./compute-times.ts";
import { ReplayClock } from "./replay-clock.ts";
import { type ReplayResult, ReplayTotals } from "./replay-result.ts";
import { type HostTier, VirtualLane } from "./virtual-lane.ts";

/** What of a policy's context a caller may give; shape and allocation are the replayer's. */
export type PolicyKnowledge = Omit<PolicyContext, "shape" | "allocation">;

/** What the CPU does of a replayed card's misses, and how long it takes. */
export interface ReplayCpu extends CpuTimes {
  readonly choice: CpuChoiceName;
}

/** One configuration to replay a trace in. */
export interface ReplayOptions {
  readonly policy: PolicyDefinition;
  readonly knowledge?: PolicyKnowledge;
  /** Slots that the budget pays for, staging included; shared out by the policy. */
  readonly slotCount: number;
  /** How slots are shared out, in place of what the policy would do with `slotCount`. */
  readonly memory?: { readonly allocation: Allocation; readonly plan: SlotPlan };
  /** By layer. */
  readonly expertBytes: (layer: number) => number;
  readonly predictor?: ExpertPredictor;
  readonly control?: PrefetchControl;
  /** Layers ahead that are predicted. */
  readonly depth?: number;
  /** Most prefetches on their way at once that a policy with staging makes room for. */
  readonly prefetchWidth?: number;
  readonly link: LinkOptions;
  readonly host?: HostTier;
  readonly times: ComputeTimes;
  /** Experts that are there, and the shared one, compute while the others arrive. */
  readonly readyFirst: boolean;
  /** The CPU computes missed experts beside a card, those that lie in host memory. */
  readonly cpuExperts?: ReplayCpu | undefined;
  /** First tokens that pass before anything is counted. */
  readonly warmupTokens?: number;
  /** Told of every load that has ended, also of those while warming up. */
  readonly onLoad?: (load: FinishedLoad) => void;
}

/**
 * Replays a trace in virtual time with the engine's own scheduler, policies and predictors. Only
 * the lane and the computing are imitated: the lane by `VirtualLane`, the computing by times.
 *
 * @throws MoeError `BUDGET_TOO_SMALL`, `BAD_SETTING`
 */
export function replayTrace(trace: Trace, options: ReplayOptions): ReplayResult {
  return new Replayer(trace, options).run();
}

class Replayer {
  readonly #trace: Trace;
  readonly #options: ReplayOptions;
  readonly #lane: VirtualLane;
  readonly #scheduler: Scheduler;
  readonly #clock: ReplayClock;
  readonly #totals: ReplayTotals;

  constructor(trace: Trace, options: ReplayOptions) {
    const { shape } = trace;
    const { policy, knowledge, slotCount, prefetchWidth, control, predictor, depth } = options;
    const allocation =
      options.memory?.allocation ??
      allocateSlots(shape, { policy, slotCount, prefetchWidth, missCurves: knowledge?.missCurves });
    const plan = options.memory?.plan ?? planSlots(shape, allocation, () => 0).plan;
    const bytesOf = (key: ExpertKey) => options.expertBytes(Math.floor(key / shape.expertCount));
    const context = { shape, allocation, ...knowledge };
    this.#trace = trace;
    this.#options = options;
    this.#lane = new VirtualLane({
      slotCount: plan.slotCount,
      bytesOf,
      link: options.link,
      ...(options.host && { host: options.host }),
    });
    this.#scheduler = new Scheduler({
      shape,
      plan,
      policy: policy.create(context),
      lane: this.#lane,
      predictor,
      ...(control && { control }),
      ...(depth !== undefined && { depth }),
      cpuShare: this.#cpuShare(),
      ...(options.onLoad && { onLoad: options.onLoad }),
    });
    // What is there before the first token has come without the link being counted.
    this.#scheduler.place(policy.initial?.(context) ?? []);
    this.#clock = new ReplayClock(this.#lane, shape, options.times);
    this.#totals = new ReplayTotals(trace, options, this.#lane, this.#scheduler, this.#clock);
  }

  run(): ReplayResult {
    const { shape, tokenCount } = this.#trace;
    const warmup = Math.min(this.#options.warmupTokens ?? 0, tokenCount);
    const cursor = new RoutingCursor(this.#trace);
    const layers = shape.moeLayers.length;
    for (let token = 0; token < tokenCount; token++) {
      if (token === warmup && warmup > 0) this.#totals.begin(token);
      let next = 0;
      for (let index = 0; index < layers; index++) {
        const layer = shape.moeLayers[index] ?? 0;
        this.#clock.dense(layer - next);
        next = layer + 1;
        this.#layer(cursor.at(token, index), index);
      }
      this.#clock.dense(shape.layerCount - next);
      this.#clock.head();
    }
    return this.#totals.result(tokenCount);
  }

  #cpuShare(): MissedOnCpu | undefined {
    const { cpuExperts, expertBytes } = this.#options;
    if (!cpuExperts) return undefined;
    const { expertUsedCount } = this.#trace.shape;
    return new MissedOnCpu({
      // Nobody reads the address.
      places: { hold: (key) => (this.#lane.isInHost(key) ? 1n : 0n), release: () => {} },
      costs: new StatedCosts(cpuExperts),
      choice: cpuExperts.choice,
      lane: this.#lane,
      expertUsedCount,
      expertBytes,
    });
  }

  #layer(routing: Routing, index: number): void {
    this.#totals.beginLayer();
    this.#clock.attention(index, routing.position);
    this.#scheduler.request(routing);
    const { cpuShare } = this.#scheduler;
    if (cpuShare && cpuShare.count > 0) {
      this.#clock.besideCpu(index, this.#scheduler, cpuShare.expectedMs());
    } else if (this.#options.readyFirst) this.#clock.readyFirst(index, this.#scheduler);
    else this.#clock.allAtOnce(index, this.#scheduler);
    this.#scheduler.release();
    this.#totals.endLayer(index, routing);
  }
}
