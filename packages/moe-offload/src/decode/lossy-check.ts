import { Comparison } from "../quality/comparison.ts";
import { rowStatistics } from "../quality/log-softmax.ts";
import type { LossyNumbers } from "./messages.ts";

/** Steps compared at most, and bytes of their logits kept at most. */
const STEPS_MAX = 512;
const KEPT_BYTES_MAX = 1 << 26;

/**
 * Keeps the logits of a run's first steps, which low precision has changed, and compares them with
 * what full precision says of the same tokens.
 */
export class LossyCheck {
  /** By prompt: logits of its decode steps from the first, copied. */
  readonly #kept: Float32Array[][] = [];
  #keptBytes = 0;
  #keptCount = 0;
  readonly #comparison = new Comparison();

  /** Decode steps kept. */
  get stepCount(): number {
    return this.#keptCount;
  }

  /** Decode steps kept of a prompt. */
  stepsOf(prompt: number): number {
    return this.#kept[prompt]?.length ?? 0;
  }

  /** Keeps a step's logits while there is room; steps come prompt by prompt, in order. */
  keep(prompt: number, logits: Float32Array): void {
    if (this.#keptCount >= STEPS_MAX) return;
    if (this.#keptBytes + logits.byteLength > KEPT_BYTES_MAX) return;
    const rows = this.#kept[prompt] ?? [];
    this.#kept[prompt] = rows;
    rows.push(logits.slice());
    this.#keptBytes += logits.byteLength;
    this.#keptCount++;
  }

  /**
   * Compares a kept step with the logits of full precision.
   * @throws MoeError `BAD_LOGITS`
   */
  compare(prompt: number, step: number, full: Float32Array): void {
    const lossy = this.#kept[prompt]?.[step] ?? new Float32Array(0);
    const row = { logits: full, first: 0, count: full.length };
    this.#comparison.add(
      { row, statistics: rowStatistics(row) },
      { logits: lossy, first: 0, count: lossy.length },
      { window: prompt, position: step },
      undefined,
    );
  }

  /** What was lost over all compared steps; NaN where there was none. */
  numbers(): LossyNumbers {
    const { argmaxAgreement, maxKl, meanKl, positions } = this.#comparison.numbers();
    return { meanKl, maxKl, argmaxAgreement, comparedSteps: positions };
  }
}
