import type { ClusterView } from "../simulator/cluster-view.ts";
import { costOf } from "../simulator/summary.ts";
import type { InvocationTrace } from "../traces/invocation-trace.ts";

/** Steps of the search for prices at each of its strides; more make the bound a little tighter. */
const STEPS = 20;
/** First strides, in the mean cost of a core-millisecond; few long requests need small ones. */
const STRIDES = [2, 0.2, 0.02];
/** What a request costs at most, however late. */
const COST_MAX = 11;

/** A lower bound that knows how many fast cores there are. */
export interface PricedBound {
  /** Of the project's cost, mean over the window's requests. */
  placementCost: number;
  /** Cost of a core-millisecond on each node at which it was found. */
  prices: Float64Array;
}

/**
 * Lower bound of the mean cost of the requests that arrive in [fromMs, toMs), for any scheduler,
 * also one that knows the future.
 *
 * Core time on a node within the window is limited. With a price on it (a Lagrange multiplier) each
 * request can choose for itself: a node, and to run now or to put its work off until the window is
 * over. The sum of the cheapest choices less the worth of all core time is a lower bound whatever
 * the prices; subgradient steps look for good ones. Prices of zero give the bound without limits.
 *
 * @see Fisher 1981, The Lagrangian Relaxation Method for Solving Integer Programming Problems
 * Cost: O(steps x requests x nodes).
 */
export function pricedBound(
  view: ClusterView,
  trace: InvocationTrace,
  window: { fromMs: number; toMs: number },
): PricedBound {
  const choices = new ChoiceTable(view, trace, window);
  const count = choices.requestCount;
  const best = { placementCost: 0, prices: new Float64Array(view.nodeCount) };
  if (count === 0) return best;
  const used = new Float64Array(view.nodeCount);
  const coreMs = view.nodes.map(({ cores }) => cores * (window.toMs - window.fromMs));
  const free = choices.cheapest(best.prices, used);
  const unit =
    free /
    Math.max(
      1e-9,
      used.reduce((a, b) => a + b, 0),
    );
  best.placementCost = free / count;
  for (const first of STRIDES) {
    const prices = best.prices.slice();
    for (let step = 0; step < STEPS; step++) {
      used.fill(0);
      let bound = choices.cheapest(prices, used);
      coreMs.forEach((size, node) => {
        bound -= (prices[node] as number) * size;
      });
      if (bound / count > best.placementCost) {
        best.placementCost = bound / count;
        best.prices = prices.slice();
      }
      const stride = (first * unit) / (1 + step / 4);
      coreMs.forEach((size, node) => {
        const excess = (used[node] as number) / size - 1;
        prices[node] = Math.max(0, (prices[node] as number) + stride * excess);
      });
    }
  }
  return best;
}

/** What each request of a window can choose from. */
class ChoiceTable {
  readonly requestCount: number;
  readonly #view: ClusterView;
  readonly #trace: InvocationTrace;
  readonly #ids: number[];
  readonly #toMs: number;
  /** Network and data without queueing, by function, site and node; Infinity: too small. */
  readonly #base = new Map<number, Float64Array>();

  constructor(view: ClusterView, trace: InvocationTrace, window: { fromMs: number; toMs: number }) {
    this.#view = view;
    this.#trace = trace;
    this.#toMs = window.toMs;
    this.#ids = [...trace.arrivalMs.keys()].filter((id) => {
      const atMs = trace.arrivalMs[id] as number;
      return atMs >= window.fromMs && atMs < window.toMs;
    });
    this.requestCount = this.#ids.length;
  }

  /** Sum of the cheapest choices at these prices; adds the core time they take to `used`. */
  cheapest(prices: Float64Array, used: Float64Array): number {
    let sum = 0;
    for (const id of this.#ids) {
      const fn = this.#view.fn(this.#trace.functionIndex[id] as number);
      const base = this.#baseOf(id);
      let least = COST_MAX;
      let chosen = -1;
      let taken = 0;
      for (let node = 0; node < base.length; node++) {
        const baseMs = base[node] as number;
        if (baseMs === Number.POSITIVE_INFINITY) continue;
        const spec = this.#view.node(node);
        const speed = fn.accelerators > 0 ? spec.acceleratorSpeed : spec.speed;
        const runMs = (this.#trace.durationMs[id] as number) / speed;
        const aloneMs = baseMs + runMs;
        // From its latest possible start without waiting to the end of the window.
        const leftMs = Math.max(0, this.#toMs - (this.#trace.arrivalMs[id] as number) - baseMs);
        // Now, just late enough to miss nothing, or when the window is over.
        for (const lateMs of [0, fn.sloMs - aloneMs, leftMs]) {
          if (lateMs < 0 || lateMs > leftMs) continue;
          const coreMs = fn.cores * Math.max(0, Math.min(runMs, leftMs - lateMs));
          const cost = costOf(aloneMs + lateMs, fn.sloMs) + (prices[node] as number) * coreMs;
          if (cost >= least) continue;
          least = cost;
          chosen = node;
          taken = coreMs;
        }
      }
      sum += least;
      if (chosen >= 0) used[chosen] = (used[chosen] as number) + taken;
    }
    return sum;
  }

  #baseOf(id: number): Float64Array {
    const functionIndex = this.#trace.functionIndex[id] as number;
    const site = this.#trace.site[id] as number;
    const key = functionIndex * 65_536 + site;
    const known = this.#base.get(key);
    if (known !== undefined) return known;
    const fn = this.#view.fn(functionIndex);
    const base = Float64Array.from(this.#view.nodes, (spec, node) => {
      const fits = spec.cores >= fn.cores && spec.memoryMb >= fn.memoryMb;
      if (!fits || spec.accelerators < fn.accelerators) return Number.POSITIVE_INFINITY;
      const dataMs = fn.dataSite === undefined ? 0 : this.#view.rttMs(fn.dataSite, node);
      return this.#view.rttMs(site, node) + dataMs;
    });
    this.#base.set(key, base);
    return base;
  }
}
