import type { Routing, RoutingShape } from "../offload/routing.ts";
import { rankExperts } from "../predictors/rank-experts.ts";
import { type ChoiceAccuracy, ChoiceTally } from "./choice-tally.ts";

/** How far ahead gates are compared with what routers choose later. */
export const GATE_DEPTH_MAX = 3;

/** What gates said of other layers than their own, and controls. */
export interface GateAccuracy {
  /**
   * By layers ahead minus 1, then by layer: entry `i` is about the layer that is so many layers
   * after the `i`-th with experts. The first list has one entry less than there are such layers.
   */
  readonly byDepth: readonly ChoiceAccuracy[];
  /** One layer ahead, with more than top-k experts taken from the gate. */
  readonly widened: readonly (ChoiceAccuracy & { readonly width: number })[];
  /** A layer's own gate on its own input: all 1, or something is wrong here. By layer. */
  readonly ownGate: ChoiceAccuracy;
  /** Experts of the token before in the same window. By layer. */
  readonly previousToken: ChoiceAccuracy;
  /** Share that a blind guess of top-k experts finds. */
  readonly chance: number;
}

/**
 * Compares, while a text is evaluated, the top-k of later layers' gates on each layer's input with
 * what these layers then choose. Fed with every layer with experts of every token, in order.
 *
 * @see Fate, arXiv 2502.12224: cross-layer gate
 */
export class GateWatch {
  readonly #shape: RoutingShape;
  readonly #widths: readonly number[];
  readonly #byDepth: readonly ChoiceTally[];
  readonly #widened: readonly ChoiceTally[];
  readonly #ownGate: ChoiceTally;
  readonly #previous: ChoiceTally;
  /** By depth minus 1 and place of the layer it is about: experts by falling logit. */
  readonly #expected: readonly Int32Array[][];
  /** By place: experts chosen for the token before. */
  readonly #before: readonly Int32Array[];
  readonly #own: Int32Array;

  constructor(shape: RoutingShape) {
    const { expertCount, expertUsedCount: used, moeLayers } = shape;
    const places = moeLayers.length;
    this.#shape = shape;
    this.#widths = widthsOf(shape);
    const widest = Math.max(used, ...this.#widths);
    const lists = () => moeLayers.map(() => new Int32Array(widest));
    const depths = Array.from({ length: Math.min(GATE_DEPTH_MAX, places - 1) }, (_, d) => d + 1);
    this.#byDepth = depths.map((depth) => new ChoiceTally(places - depth, used));
    this.#widened = this.#widths.map(() => new ChoiceTally(places - 1, used));
    this.#ownGate = new ChoiceTally(places, used);
    this.#previous = new ChoiceTally(places, used);
    this.#expected = depths.map(lists);
    this.#before = moeLayers.map(() => new Int32Array(used));
    this.#own = new Int32Array(Math.min(used, expertCount));
  }

  /** Takes in one layer of one token. */
  add(routing: Routing): void {
    const { ahead, experts, position, probabilities } = routing;
    const place = this.#shape.moeLayers.indexOf(routing.layer);
    const used = this.#shape.expertUsedCount;
    this.#byDepth.forEach((tally, d) => {
      const from = place - d - 1;
      const expected = this.#expected[d]?.[place];
      if (from >= 0 && expected) tally.add(from, experts, expected, used);
    });
    const next = this.#expected[0]?.[place];
    this.#widened.forEach((tally, index) => {
      if (place > 0 && next) tally.add(place - 1, experts, next, this.#widths[index] ?? 0);
    });
    this.#ownGate.add(place, experts, this.#own, rankExperts(probabilities, used, this.#own));
    const before = this.#before[place];
    if (before) {
      if (position > 0) this.#previous.add(place, experts, before, used);
      before.set(experts);
    }
    this.#expected.forEach((lists, d) => {
      const logits = ahead[d];
      const list = lists[place + d + 1];
      if (logits && list) rankExperts(logits, list.length, list);
    });
  }

  /** Everything so far. */
  accuracy(): GateAccuracy {
    return {
      byDepth: this.#byDepth.map((tally) => tally.accuracy()),
      widened: this.#widened.map((tally, index) => ({
        width: this.#widths[index] ?? 0,
        ...tally.accuracy(),
      })),
      ownGate: this.#ownGate.accuracy(),
      previousToken: this.#previous.accuracy(),
      chance: this.#shape.expertUsedCount / this.#shape.expertCount,
    };
  }
}

/** k + 1, k + 2 and 2 k, as far as there are experts, each once. */
function widthsOf({ expertCount, expertUsedCount: used }: RoutingShape): number[] {
  const widths = new Set([used + 1, used + 2, 2 * used]);
  return [...widths].filter((width) => width <= expertCount).sort((a, b) => a - b);
}
