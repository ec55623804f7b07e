import type { TransactionId } from "../ledger/transaction.ts";

/** One thing an oracle found wrong. */
export interface Violation {
  /** What happened, where, and what should have been. */
  readonly what: string;
  /** The transactions that show it. */
  readonly transactions: readonly TransactionId[];
}

/** What an oracle says about a run. A run with a failed verdict is a failed run. */
export interface Verdict {
  readonly oracle: string;
  readonly passed: boolean;
  readonly violationCount: number;
  /** The first of them. */
  readonly violations: readonly Violation[];
  /** Figures beside the verdict, by name with the unit last. */
  readonly facts: Readonly<Record<string, number>>;
}

/** Violations kept in full; further ones are counted. */
const KEPT_MAX = 20;

/** Collects what an oracle finds. */
export class Findings {
  readonly #kept: Violation[] = [];
  #count = 0;

  add(what: string, transactions: readonly TransactionId[]): void {
    this.#count++;
    if (this.#kept.length < KEPT_MAX) this.#kept.push({ what, transactions });
  }

  verdict(oracle: string, facts: Readonly<Record<string, number>>): Verdict {
    return {
      oracle,
      passed: this.#count === 0,
      violationCount: this.#count,
      violations: this.#kept,
      facts,
    };
  }
}
