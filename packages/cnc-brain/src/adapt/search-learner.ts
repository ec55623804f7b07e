import type { Prng } from "@fmlab/sim";
import { type TwinWindow, twinCost } from "./digital-twin.ts";
import type { PolicyLearner, PolicyVersion } from "./policy-learner.ts";
import { WEIGHT_NAMES, weightedGreedy } from "./weighted-greedy.ts";

/** Settings of the search. */
export interface SearchOptions {
  /** Weights tried in a round, and how many of the best the next round is drawn around. */
  population: number;
  elites: number;
  rounds: number;
  /** Spread of the first round of each call. */
  spread: number;
  /** Weights to begin with; zeros are `latency-greedy`. */
  start: readonly number[];
}

const DEFAULTS: SearchOptions = {
  population: 16,
  elites: 4,
  rounds: 3,
  spread: 0.6,
  start: WEIGHT_NAMES.map(() => 0),
};

/**
 * Tunes `weightedGreedy` in the twin by the cross-entropy method, going on from the weights it has:
 * all weights of a round meet the same requests with the same durations, so that the better ones
 * are told apart by what they choose and not by luck; each round draws other durations, so that
 * what is chosen does not hang on one draw.
 *
 * @see Rubinstein, Kroese 2004, The Cross-Entropy Method
 */
export class SearchLearner implements PolicyLearner {
  readonly name = "weighted-greedy";
  readonly #options: SearchOptions;
  readonly #prng: Prng;
  #weights: number[];
  #versions = 0;

  constructor(prng: Prng, options: Partial<SearchOptions> = {}) {
    this.#prng = prng;
    this.#options = { ...DEFAULTS, ...options };
    this.#weights = [...this.#options.start];
  }

  /** The weights learned so far, in the order of `WEIGHT_NAMES`. */
  get weights(): readonly number[] {
    return this.#weights;
  }

  version(): PolicyVersion {
    const weights = [...this.#weights];
    const name = `${this.name}-${this.#versions}`;
    return { name, create: () => weightedGreedy(weights, name) };
  }

  learn(window: TwinWindow): void {
    const { population, elites, rounds, spread } = this.#options;
    let mean = this.#weights;
    let best = [...mean];
    let spreads = mean.map(() => spread);
    for (let round = 0; round < rounds; round++) {
      const drawn = { ...window, seed: window.seed * rounds + round };
      const drawWeights = () => mean.map((at, i) => this.#prng.normal(at, spreads[i]));
      const tried = [best, ...Array.from({ length: population }, drawWeights)].map((weights) => ({
        weights,
        cost: twinCost(drawn, weightedGreedy(weights)),
      }));
      tried.sort((a, b) => a.cost - b.cost);
      best = (tried[0] as (typeof tried)[0]).weights;
      const elite = tried.slice(0, elites);
      mean = mean.map((_, i) => meanOf(elite.map(({ weights }) => weights[i] as number)));
      spreads = mean.map((at, i) => {
        const squares = elite.map(({ weights }) => ((weights[i] as number) - at) ** 2);
        return Math.max(0.05, Math.sqrt(meanOf(squares)));
      });
    }
    this.#weights = [...best];
    this.#versions++;
  }
}

function meanOf(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
