import { ShardChainError } from "../errors.ts";
import type { NodeId } from "./host.ts";

/** A validator as everybody knows it. */
export interface Validator {
  readonly node: NodeId;
  /** Voting power, a positive integer. */
  readonly power: number;
  readonly publicKey: Uint8Array;
}

/**
 * The validators of one chain, by index. Every rule of consensus counts power, never heads: safe
 * while faulty validators have less than a third of it.
 */
export class Committee {
  readonly chainId: string;
  readonly validators: readonly Validator[];
  readonly totalPower: number;
  /** The least power above two thirds ("2f+1"). */
  readonly quorumPower: number;
  /** The least power above one third ("f+1"): a correct validator is among its holders. */
  readonly minorityPower: number;

  /** @throws ShardChainError `BAD_COMMITTEE` */
  constructor(chainId: string, validators: readonly Validator[]) {
    const total = validators.reduce((sum, { power }) => sum + power, 0);
    const wrong = validators.find(({ power }) => !(Number.isSafeInteger(power) && power > 0));
    if (validators.length === 0 || wrong !== undefined || !Number.isSafeInteger(3 * total)) {
      const problem = wrong
        ? `the power ${wrong.power} of node ${wrong.node} is not a positive integer`
        : `${validators.length} validators have a total power of ${total}`;
      throw new ShardChainError(`the committee of ${chainId} cannot be used: ${problem}`, {
        code: "BAD_COMMITTEE",
        problem,
      });
    }
    this.chainId = chainId;
    this.validators = validators;
    this.totalPower = total;
    this.quorumPower = Math.floor((2 * total) / 3) + 1;
    this.minorityPower = Math.floor(total / 3) + 1;
  }

  get size(): number {
    return this.validators.length;
  }

  /** 0 for an index that is none. */
  powerOf(index: number): number {
    return this.validators[index]?.power ?? 0;
  }

  /** Index of a node, -1 when it is not a validator here. */
  indexOf(node: NodeId): number {
    return this.validators.findIndex((validator) => validator.node === node);
  }

  /** Power of distinct validators together. */
  powerOfAll(indices: Iterable<number>): number {
    let power = 0;
    for (const index of new Set(indices)) power += this.powerOf(index);
    return power;
  }
}
