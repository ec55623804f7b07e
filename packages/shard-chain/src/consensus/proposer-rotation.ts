import type { Committee } from "../node/committee.ts";

/**
 * Weighted round robin: each turn adds every validator's power to its account; the largest account
 * proposes (ties: lowest index) and pays the total power. Over `totalPower` turns a validator
 * proposes as often as it has power.
 *
 * @see Tendermint specification, proposer selection
 */
export class ProposerRotation {
  readonly #powers: readonly number[];
  readonly #accounts: number[];
  readonly #turns: number[] = [];
  /** Turns after which the accounts are back where they began. */
  readonly #period: number;

  constructor(committee: Committee) {
    this.#powers = committee.validators.map(({ power }) => power);
    this.#accounts = this.#powers.map(() => 0);
    const divisor = this.#powers.reduce(greatestCommonDivisor);
    this.#period = committee.totalPower / divisor;
  }

  /** Index of the proposer of a turn, counted from 0. */
  proposerOf(turn: number): number {
    const wanted = turn % this.#period;
    while (this.#turns.length <= wanted) this.#turns.push(this.#next());
    return this.#turns[wanted] as number;
  }

  #next(): number {
    let best = 0;
    let total = 0;
    this.#powers.forEach((power, i) => {
      this.#accounts[i] = (this.#accounts[i] as number) + power;
      total += power;
      if ((this.#accounts[i] as number) > (this.#accounts[best] as number)) best = i;
    });
    this.#accounts[best] = (this.#accounts[best] as number) - total;
    return best;
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
