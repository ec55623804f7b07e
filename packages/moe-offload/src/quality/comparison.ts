import { klDivergence } from "./divergence.ts";
import {
  type LogitRow,
  negativeLogLikelihood,
  type RowStatistics,
  rowStatistics,
} from "./log-softmax.ts";

/** A disagreement about the likeliest token where the full model hardly prefers one, nats. */
const NEAR_TIE_NATS = 0.1;
/** Disagreements listed at most; those of the smallest margins are kept. */
const DISAGREEMENTS_MAX = 50;

/** A position where the likeliest token differs. */
export interface Disagreement {
  readonly window: number;
  /** Place in the window of the token whose successor is predicted. */
  readonly position: number;
  readonly fullToken: number;
  readonly lossyToken: number;
  /** By how much the full model prefers its token to its next best, nats. */
  readonly fullMargin: number;
  /** The same of the lossy model. */
  readonly lossyMargin: number;
  readonly kl: number;
}

/** Perplexity of a text, and how far from the full model's predictions. */
export interface QualityNumbers {
  /** Mean negative log-likelihood of the tokens that have a predecessor in their window, nats. */
  readonly nllNats: number;
  /** exp of it. */
  readonly perplexity: number;
  /** Tokens it is the mean of. */
  readonly predictedTokens: number;
  /** KL(full || lossy) over all positions, nats. */
  readonly meanKl: number;
  readonly maxKl: number;
  /** Share of positions with the same likeliest token, 0..1. */
  readonly argmaxAgreement: number;
  readonly positions: number;
  /** Disagreements where the full model's margin is at most 0.1 nats. */
  readonly nearTies: number;
  /** Those of the smallest margins, by rising margin, at most 50. */
  readonly disagreements: readonly Disagreement[];
  /** By position in the window: mean KL over windows, nats. */
  readonly klByPosition: readonly number[];
}

/** A row of the full model with what is known of it. */
export interface FullRow {
  readonly row: LogitRow;
  readonly statistics: RowStatistics;
}

/** Gathers what a lossy way of computing costs, position by position. */
export class Comparison {
  #nll = 0;
  #predicted = 0;
  #kl = 0;
  #klMax = 0;
  #agreed = 0;
  #positions = 0;
  #nearTies = 0;
  #disagreements: Disagreement[] = [];
  readonly #klSums: number[] = [];
  readonly #klCounts: number[] = [];

  /**
   * @param place  where the row is: its window and its position in it
   * @param next   the token that follows in the text; undefined at the end of a window
   * @throws MoeError `BAD_LOGITS`
   */
  add(
    full: FullRow,
    lossy: LogitRow,
    place: { readonly window: number; readonly position: number },
    next: number | undefined,
  ): void {
    const statistics = rowStatistics(lossy);
    const kl = klDivergence(full.row, full.statistics, lossy, statistics);
    const { position } = place;
    this.#kl += kl;
    this.#klMax = Math.max(this.#klMax, kl);
    this.#klSums[position] = (this.#klSums[position] ?? 0) + kl;
    this.#klCounts[position] = (this.#klCounts[position] ?? 0) + 1;
    this.#positions++;
    if (next !== undefined) {
      this.#nll += negativeLogLikelihood(lossy, statistics.logSum, next);
      this.#predicted++;
    }
    if (statistics.argmax === full.statistics.argmax) this.#agreed++;
    else {
      this.#disagree({
        ...place,
        fullToken: full.statistics.argmax,
        lossyToken: statistics.argmax,
        fullMargin: full.statistics.margin,
        lossyMargin: statistics.margin,
        kl,
      });
    }
  }

  /** Everything so far. Numbers are NaN before the first position. */
  numbers(): QualityNumbers {
    const nllNats = this.#nll / this.#predicted;
    return {
      nllNats,
      perplexity: Math.exp(nllNats),
      predictedTokens: this.#predicted,
      meanKl: this.#kl / this.#positions,
      maxKl: this.#klMax,
      argmaxAgreement: this.#agreed / this.#positions,
      positions: this.#positions,
      nearTies: this.#nearTies,
      disagreements: [...this.#disagreements],
      klByPosition: this.#klSums.map((sum, position) => sum / (this.#klCounts[position] ?? 1)),
    };
  }

  #disagree(found: Disagreement): void {
    if (found.fullMargin <= NEAR_TIE_NATS) this.#nearTies++;
    const list = this.#disagreements;
    let at = list.length;
    while (at > 0 && (list[at - 1]?.fullMargin ?? 0) > found.fullMargin) at--;
    if (at >= DISAGREEMENTS_MAX) return;
    list.splice(at, 0, found);
    list.length = Math.min(list.length, DISAGREEMENTS_MAX);
  }
}
