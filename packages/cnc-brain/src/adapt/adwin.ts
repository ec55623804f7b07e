import { requireSetting } from "../errors.ts";
import type { DriftDetector } from "./drift.ts";

/** Buckets of equal size before two of them are joined. */
const BUCKETS_MAX = 5;
/** A check is made every so many values, on windows of more than so many. */
const CHECK_EVERY = 32;
const WINDOW_MIN = 10;
/** Each side of a cut has at least so many. */
const SIDE_MIN = 5;

/** Sum and sum of squared deviations of 2^row values. */
interface Bucket {
  total: number;
  variance: number;
}

/**
 * ADWIN: a window that grows while the mean stands still and drops its older part wherever the two
 * parts differ by more than chance allows. Memory and time are logarithmic in the window.
 *
 * @param delta chance of a false alarm at one check
 * @throws CncError `BAD_SETTING`
 * @see Bifet, Gavalda 2007, Learning from Time-Changing Data with Adaptive Windowing (SDM); with
 *   the bounds and constants of MOA
 */
export class Adwin implements DriftDetector {
  readonly name = "adwin";
  readonly #delta: number;
  /** By row, oldest bucket first; a bucket of row r holds 2^r values. */
  #rows: Bucket[][] = [[]];
  #width = 0;
  #total = 0;
  #variance = 0;
  #count = 0;

  constructor(delta = 0.002) {
    requireSetting(delta > 0 && delta < 1, "delta", delta, "between 0 and 1");
    this.#delta = delta;
  }

  /** Values in the window. */
  get width(): number {
    return this.#width;
  }

  /** Mean of the window. */
  get mean(): number {
    return this.#width === 0 ? 0 : this.#total / this.#width;
  }

  reset(): void {
    this.#rows = [[]];
    this.#width = 0;
    this.#total = 0;
    this.#variance = 0;
    this.#count = 0;
  }

  add(value: number): boolean {
    this.#insert(value);
    this.#count++;
    if (this.#count % CHECK_EVERY !== 0 || this.#width <= WINDOW_MIN) return false;
    let isChanged = false;
    while (this.#hasCut()) {
      isChanged = true;
      this.#dropOldest();
    }
    return isChanged;
  }

  #insert(value: number): void {
    this.#width++;
    if (this.#width > 1) {
      const before = this.#width - 1;
      this.#variance += (before * (value - this.#total / before) ** 2) / this.#width;
    }
    this.#total += value;
    this.#rows[0]?.push({ total: value, variance: 0 });
    this.#join();
  }

  /** Joins the two oldest of a row that has grown too long into one of the next row. */
  #join(): void {
    for (let r = 0; r < this.#rows.length; r++) {
      const row = this.#rows[r] as Bucket[];
      if (row.length <= BUCKETS_MAX) return;
      const [a, b] = row.splice(0, 2) as [Bucket, Bucket];
      const size = 2 ** r;
      const apart = (size * (a.total / size - b.total / size) ** 2) / 2;
      if (r + 1 === this.#rows.length) this.#rows.push([]);
      this.#rows[r + 1]?.push({
        total: a.total + b.total,
        variance: a.variance + b.variance + apart,
      });
    }
  }

  /** Whether some cut of the window, oldest part first, separates two means. */
  #hasCut(): boolean {
    let olderCount = 0;
    let olderTotal = 0;
    for (let r = this.#rows.length - 1; r >= 0; r--) {
      for (const bucket of this.#rows[r] as Bucket[]) {
        olderCount += 2 ** r;
        olderTotal += bucket.total;
        const newerCount = this.#width - olderCount;
        if (newerCount < SIDE_MIN) return false;
        if (olderCount < SIDE_MIN) continue;
        const gap = olderTotal / olderCount - (this.#total - olderTotal) / newerCount;
        if (Math.abs(gap) > this.#bound(olderCount, newerCount)) return true;
      }
    }
    return false;
  }

  #bound(older: number, newer: number): number {
    const chance = Math.log((2 * Math.log(this.#width)) / this.#delta);
    const harmonic = 1 / (older - SIDE_MIN + 1) + 1 / (newer - SIDE_MIN + 1);
    const variance = this.#variance / this.#width;
    return Math.sqrt(2 * harmonic * variance * chance) + (2 / 3) * chance * harmonic;
  }

  #dropOldest(): void {
    const r = this.#rows.length - 1;
    const row = this.#rows[r] as Bucket[];
    const { total, variance } = row.shift() as Bucket;
    const size = 2 ** r;
    this.#width -= size;
    this.#total -= total;
    const mean = this.#width === 0 ? 0 : this.#total / this.#width;
    this.#variance -=
      variance + (size * this.#width * (total / size - mean) ** 2) / (size + this.#width);
    while (this.#rows.length > 1 && this.#rows.at(-1)?.length === 0) this.#rows.pop();
  }
}
