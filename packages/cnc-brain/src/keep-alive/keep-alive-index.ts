import { requireSetting } from "../errors.ts";
import type { FunctionSpec } from "../simulator/specs.ts";
import { bestPlan, GapHistogram, mixGaps, type WorthwhilePlan } from "./gap-histogram.ts";
import type {
  IdleContainer,
  KeepAliveFactory,
  KeepAlivePolicy,
  KeepPlan,
} from "./keep-alive-policy.ts";

/** Containers of a function beyond so many share one histogram. */
const RANKS = 4;
/** Observations that the functions' common experience weighs against a function's own. */
const PRIOR_WEIGHT = 2;
/** A plan is made anew when so much more was seen, or the price moved so much. */
const REPLAN_GROWTH = 1.1;

/** How memory is priced. */
export interface KeepAliveIndexOptions {
  /** Milliseconds of cold start that a megabyte-second of idle memory is worth, at first. */
  memoryPrice: number;
  /** Set: the price follows the memory in use towards this, by a dual step a minute. */
  targetMb?: number;
  /**
   * What is saved: `time`, each cold start counts as long as it takes; `count`, all count the same,
   * as long as a mean one.
   */
  saves?: "time" | "count";
}

/** What is known of one function's n-th idle container. */
class RankState {
  readonly gaps = new GapHistogram();
  plan: WorthwhilePlan | undefined;
  plannedTotal = 0;
  plannedPrice = 0;
}

/**
 * Our keep-alive index: a container is kept exactly while the cold-start time it is expected to
 * save is worth more than its memory (paper notes, 8.3).
 *
 * Times to the next use are learned from what would have happened had nothing ever been evicted (a
 * shadow of the pool, last in first out), so what the policy does never hides what it should have
 * done; one histogram for the first idle container, one for the second and so on. Functions seen
 * rarely lean on how all functions behaved after their first use. With `targetMb` the memory price
 * is the dual variable of the capacity.
 */
export function keepAliveIndex(options: KeepAliveIndexOptions): KeepAliveFactory {
  requireSetting(options.memoryPrice >= 0, "memoryPrice", options.memoryPrice, "at least 0");
  return (functions) => new KeepAliveIndex(functions, options);
}

class KeepAliveIndex implements KeepAlivePolicy {
  readonly name = "index";
  readonly #functions: readonly FunctionSpec[];
  readonly #options: KeepAliveIndexOptions;
  readonly #meanColdMs: number;
  readonly #prior = new GapHistogram();
  readonly #ranks: RankState[][];
  /** Per function: since when each container of the shadow pool has been idle. */
  readonly #shadow: number[][];
  /** Per function: 0 never idle yet, 1 in its first idle period, 2 used again. */
  readonly #known: Uint8Array;
  #price: number;
  #pricedAtMs = 0;
  #containerMb = 0;

  constructor(functions: readonly FunctionSpec[], options: KeepAliveIndexOptions) {
    this.#functions = functions;
    this.#options = options;
    this.#price = options.memoryPrice;
    this.#meanColdMs = functions.reduce((sum, f) => sum + f.coldStartMs, 0) / functions.length;
    this.#ranks = functions.map(() => []);
    this.#shadow = functions.map(() => []);
    this.#known = new Uint8Array(functions.length);
  }

  onCreate(fn: number): void {
    this.#containerMb += this.#functions[fn]?.memoryMb ?? 0;
  }

  onRemove(fn: number): void {
    this.#containerMb -= this.#functions[fn]?.memoryMb ?? 0;
  }

  onArrival(fn: number, nowMs: number): void {
    const stack = this.#shadow[fn] as number[];
    const depth = stack.length;
    const since = stack.pop();
    if (since === undefined) return;
    this.#rankOf(fn, depth).gaps.add(nowMs - since);
    if (this.#known[fn] !== 1) return;
    // Its first idle period, counted as endless until now, has ended.
    this.#known[fn] = 2;
    this.#prior.removeNever();
    this.#prior.add(nowMs - since);
  }

  onIdle(container: IdleContainer, nowMs: number): KeepPlan {
    const fn = container.functionIndex;
    this.#reprice(nowMs);
    const stack = this.#shadow[fn] as number[];
    stack.push(nowMs);
    if (this.#known[fn] === 0) {
      this.#known[fn] = 1;
      this.#prior.add(Number.POSITIVE_INFINITY);
    }
    const plan = this.#planFor(this.#rankOf(fn, stack.length), container);
    // Under pressure: what is worth least for its memory goes first.
    container.priority = plan.worthMs / Math.max(1e-9, container.memoryMb);
    return plan;
  }

  #planFor(state: RankState, { functionIndex, memoryMb }: IdleContainer): WorthwhilePlan {
    const { gaps, plan, plannedTotal, plannedPrice } = state;
    const isCurrent =
      plan !== undefined &&
      gaps.total <= plannedTotal * REPLAN_GROWTH &&
      gaps.total >= plannedTotal / REPLAN_GROWTH &&
      Math.abs(Math.log(this.#price / plannedPrice)) <= 0.1;
    if (isCurrent) return plan;
    const ownColdMs = this.#functions[functionIndex]?.coldStartMs ?? 0;
    const made = bestPlan(mixGaps(gaps, this.#prior, PRIOR_WEIGHT), {
      coldStartMs: this.#options.saves === "count" ? this.#meanColdMs : ownColdMs,
      msPerSecond: this.#price * memoryMb,
    });
    state.plan = made;
    state.plannedTotal = gaps.total;
    state.plannedPrice = this.#price;
    return made;
  }

  #rankOf(fn: number, depth: number): RankState {
    const list = this.#ranks[fn] as RankState[];
    const at = Math.min(depth, RANKS) - 1;
    while (list.length <= at) list.push(new RankState());
    return list[at] as RankState;
  }

  /** A dual step a minute: memory above the target makes it dearer. */
  #reprice(nowMs: number): void {
    const { targetMb } = this.#options;
    if (targetMb === undefined || nowMs - this.#pricedAtMs < 60_000) return;
    this.#pricedAtMs = nowMs;
    const step = Math.max(0.5, Math.min(2, this.#containerMb / targetMb));
    this.#price = Math.max(1e-6, this.#price * step ** 0.25);
  }
}
