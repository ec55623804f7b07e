/** How often predictions of the experts of some layers were right, 0..1 by layer. */
export interface ChoiceAccuracy {
  /** Share of the chosen experts that were predicted. */
  readonly slot: number[];
  /** Share of tokens whose chosen experts were all predicted. */
  readonly wholeRouting: number[];
}

/** Counts right predictions by place in a list of layers. */
export class ChoiceTally {
  readonly #used: number;
  /** By place: chosen experts that were predicted, tokens with all of them, tokens. */
  readonly #right: Float64Array;
  readonly #whole: Float64Array;
  readonly #tokens: Float64Array;

  /** @param used  chosen experts of a token in a layer */
  constructor(placeCount: number, used: number) {
    this.#used = used;
    this.#right = new Float64Array(placeCount);
    this.#whole = new Float64Array(placeCount);
    this.#tokens = new Float64Array(placeCount);
  }

  /**
   * One token in one layer.
   * @param predicted  experts; the first `count` are valid
   */
  add(place: number, chosen: Int32Array, predicted: Int32Array, count: number): void {
    let right = 0;
    for (const expert of chosen) {
      for (let i = 0; i < count; i++) {
        if (predicted[i] !== expert) continue;
        right++;
        break;
      }
    }
    this.#right[place] = (this.#right[place] ?? 0) + right;
    this.#tokens[place] = (this.#tokens[place] ?? 0) + 1;
    if (right === this.#used) this.#whole[place] = (this.#whole[place] ?? 0) + 1;
  }

  /** Shares so far; NaN for places without tokens. */
  accuracy(): ChoiceAccuracy {
    const tokens = [...this.#tokens];
    return {
      slot: tokens.map((count, place) => (this.#right[place] ?? 0) / (count * this.#used)),
      wholeRouting: tokens.map((count, place) => (this.#whole[place] ?? 0) / count),
    };
  }
}

/** The mean of shares by layer; NaN for none. */
export function meanOf(shares: readonly number[]): number {
  return shares.reduce((sum, share) => sum + share, 0) / shares.length;
}
