import type { ClusterView } from "../simulator/cluster-view.ts";
import type { NodeSpec } from "../simulator/specs.ts";
import { costOf } from "../simulator/summary.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";

/** Pieces of time with a price of their own, and how many steps look for good prices. */
const BUCKETS = 120;
const STEPS = 60;
/** What a request costs at most. */
const COST_MAX = 11;
/** Share of the window after its end in which core time still has a price. */
const TAIL_SHARE = 0.25;
/** Steps without progress after which steps get smaller. */
const PATIENCE = 4;

/** Requests that arrive in [fromMs, toMs) count. */
export interface BoundWindow {
  fromMs: number;
  toMs: number;
}

/**
 * Lower bound of the mean cost of a window's requests, for any scheduler, also one that knows the
 * future; tighter than `pricedBound` where load comes in bursts, since core time of one minute
 * cannot be used in another.
 *
 * Core time on each group of equal nodes is limited in each bucket of time. With a price on it (a
 * Lagrange multiplier by group and bucket) each request chooses for itself where and when to run:
 * the cheapest start is at one of finitely many times, since cost and price are straight between
 * them. The sum of the cheapest choices less the worth of all core time is a lower bound whatever
 * the prices; subgradient steps after Polyak look for good ones. Cold starts and payloads are left
 * out, which only lowers it.
 *
 * @param reachable mean cost that some scheduler has reached; steers the steps, not the validity
 * @see Fisher 1981, The Lagrangian Relaxation Method for Solving Integer Programming Problems;
 *      Dyer & Wolsey 1990 for time-indexed relaxations
 * Cost: O(steps x requests x groups x buckets a request could wait for).
 */
export function timedBound(
  view: ClusterView,
  trace: InvocationTrace,
  window: BoundWindow,
  reachable: number,
): number {
  const choices = new TimedChoices(view, trace, window);
  const { count } = choices;
  if (count === 0) return 0;
  let best = 0;
  let bestPrices = choices.prices.slice();
  let pace = 1;
  let since = 0;
  for (let step = 0; step < STEPS; step++) {
    const bound = choices.evaluate() / count;
    if (bound > best + 1e-9) {
      if (bound > best * 1.0005) since = 0;
      best = bound;
      bestPrices = choices.prices.slice();
    } else if (++since >= PATIENCE) {
      pace /= 2;
      since = 0;
      choices.prices.set(bestPrices);
      choices.evaluate();
    }
    // Aims at where a scheduler got to, or a little above what is known.
    const aim = Math.max(1e-9, Math.max(reachable, best * 1.001) - bound) * count;
    if (!choices.move(pace * aim)) break;
  }
  return best;
}

/** What each request can choose from at the present prices. */
class TimedChoices {
  readonly count: number;
  /** Cost of a core-millisecond, `[group][bucket]`. */
  readonly prices: Float64Array;
  readonly #excess: Float64Array;
  /** Price of all core time before each bucket, `[group][bucket + 1]`. */
  readonly #before: Float64Array;
  readonly #groups: Group[];
  readonly #widthMs: number;
  readonly #jobs: Job[];

  constructor(view: ClusterView, trace: InvocationTrace, { fromMs, toMs }: BoundWindow) {
    this.#groups = groupsOf(view);
    this.#widthMs = ((1 + TAIL_SHARE) * (toMs - fromMs)) / BUCKETS;
    this.prices = new Float64Array(this.#groups.length * BUCKETS);
    this.#excess = new Float64Array(this.prices.length);
    this.#before = new Float64Array(this.#groups.length * (BUCKETS + 1));
    this.#jobs = jobsOf(view, trace, { fromMs, toMs }, this.#groups);
    this.count = this.#jobs.length;
  }

  /** The bound (a sum) at the present prices; keeps how far core time is over- or underused. */
  evaluate(): number {
    const width = this.#widthMs;
    let bound = 0;
    this.#groups.forEach(({ cores }, g) => {
      const row = g * (BUCKETS + 1);
      for (let b = 0; b < BUCKETS; b++) {
        const worth = (this.prices[g * BUCKETS + b] as number) * width;
        this.#before[row + b + 1] = (this.#before[row + b] as number) + worth;
        this.#excess[g * BUCKETS + b] = -cores * width;
        bound -= worth * cores;
      }
    });
    for (const job of this.#jobs) bound += this.#choose(job);
    return bound;
  }

  /** A step along the excess of such a length that the bound would rise by `gain` if straight. */
  move(gain: number): boolean {
    let squares = 0;
    for (let i = 0; i < this.prices.length; i++) {
      const excess = this.#excess[i] as number;
      if (excess > 0 || (this.prices[i] as number) > 0) squares += excess * excess;
    }
    if (squares === 0) return false;
    const stride = gain / squares;
    for (let i = 0; i < this.prices.length; i++) {
      const moved = (this.prices[i] as number) + stride * (this.#excess[i] as number);
      this.prices[i] = Math.max(0, moved);
    }
    return true;
  }

  /** The request's cheapest choice; its core time is counted as used. */
  #choose(job: Job): number {
    let least = COST_MAX;
    let chosen: Option | undefined;
    let startMs = 0;
    for (const option of job.options) {
      // The next ones cost at least as much, whatever core time costs there.
      if (costOf(option.aloneMs, job.sloMs) >= least) break;
      const found = this.#bestStart(job, option, least);
      if (found.cost >= least) continue;
      least = found.cost;
      startMs = found.startMs;
      chosen = option;
    }
    if (chosen !== undefined) this.#use(chosen.group, startMs, startMs + chosen.runMs, job.cores);
    return least;
  }

  /** Where cost and price are straight between: candidates are where either bends. */
  #bestStart({ sloMs, cores }: Job, option: Option, limit: number) {
    const { group: g, earliestMs, aloneMs, runMs } = option;
    let best = limit;
    let bestMs = earliestMs;
    const look = (startMs: number): boolean => {
      const cost = costOf(aloneMs + startMs - earliestMs, sloMs);
      if (cost >= best) return false;
      const price = this.#worth(g, startMs + runMs) - this.#worth(g, startMs);
      const total = cost + cores * price;
      if (total < best) {
        best = total;
        bestMs = startMs;
      }
      return true;
    };
    if (!look(earliestMs)) return { cost: best, startMs: bestMs };
    // Rounding must not turn "just in time" into a miss.
    const intimeMs = earliestMs + (sloMs - aloneMs) * (1 - 1e-12);
    if (intimeMs > earliestMs) look(intimeMs);
    const cappedMs = earliestMs + 10 * sloMs - aloneMs;
    if (cappedMs > earliestMs) look(cappedMs);
    for (const offset of [0, runMs]) {
      let bucket = Math.floor((earliestMs + offset) / this.#widthMs) + 1;
      for (; bucket <= BUCKETS; bucket++) {
        if (!look(bucket * this.#widthMs - offset)) break;
      }
    }
    return { cost: best, startMs: bestMs };
  }

  /** Price of a core from the window's start to then. */
  #worth(group: number, atMs: number): number {
    const row = group * (BUCKETS + 1);
    const bucket = Math.floor(atMs / this.#widthMs);
    if (bucket >= BUCKETS) return this.#before[row + BUCKETS] as number;
    const rest = atMs - bucket * this.#widthMs;
    return (
      (this.#before[row + bucket] as number) +
      rest * (this.prices[group * BUCKETS + bucket] as number)
    );
  }

  #use(group: number, fromMs: number, toMs: number, cores: number): void {
    const width = this.#widthMs;
    let at = fromMs;
    for (let bucket = Math.floor(fromMs / width); bucket < BUCKETS && at < toMs; bucket++) {
      const end = Math.min(toMs, (bucket + 1) * width);
      const i = group * BUCKETS + bucket;
      this.#excess[i] = (this.#excess[i] as number) + cores * (end - at);
      at = end;
    }
  }
}

/** Nodes that are alike to every request. */
interface Group {
  node: number;
  spec: NodeSpec;
  cores: number;
}

/** A request on a group: times from the window's start. */
interface Option {
  group: number;
  earliestMs: number;
  /** Response without waiting. */
  aloneMs: number;
  runMs: number;
}

interface Job {
  sloMs: number;
  cores: number;
  /** The fastest first. */
  options: Option[];
}

function groupsOf({ nodes }: ClusterView): Group[] {
  const groups = new Map<string, Group>();
  nodes.forEach((spec, node) => {
    const { site, accessRttMs, speed, acceleratorSpeed, cores, memoryMb, accelerators } = spec;
    const alike = [site, accessRttMs, speed, acceleratorSpeed, cores, memoryMb, accelerators];
    const key = alike.join("/");
    const group = groups.get(key);
    if (group === undefined) groups.set(key, { node, spec, cores });
    else group.cores += cores;
  });
  return [...groups.values()];
}

function jobsOf(
  view: ClusterView,
  trace: InvocationTrace,
  { fromMs, toMs }: BoundWindow,
  groups: readonly Group[],
): Job[] {
  const jobs: Job[] = [];
  for (let id = 0; id < trace.count; id++) {
    const arrivalMs = trace.arrivalMs[id] as number;
    if (arrivalMs < fromMs || arrivalMs >= toMs) continue;
    const fn = view.fn(trace.functionIndex[id] as number);
    const options = groups.flatMap(({ node, spec }, group) => {
      const fits = spec.cores >= fn.cores && spec.memoryMb >= fn.memoryMb;
      if (!fits || spec.accelerators < fn.accelerators) return [];
      const speed = fn.accelerators > 0 ? spec.acceleratorSpeed : spec.speed;
      const runMs = (trace.durationMs[id] as number) / speed;
      const dataMs = fn.dataSite === undefined ? 0 : view.rttMs(fn.dataSite, node);
      const rttMs = view.rttMs(trace.site[id] as number, node);
      const earliestMs = arrivalMs - fromMs + rttMs / 2 + dataMs;
      return [{ group, earliestMs, aloneMs: rttMs + dataMs + runMs, runMs }];
    });
    options.sort((a, b) => a.aloneMs - b.aloneMs);
    jobs.push({ sloMs: fn.sloMs, cores: fn.cores, options });
  }
  return jobs;
}
