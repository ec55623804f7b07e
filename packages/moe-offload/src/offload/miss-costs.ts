/** What copying experts and computing them on the CPU costs, as far as is known. */
export interface MissCosts {
  /** Copying so many bytes over the link, queueing not counted, ms. */
  copyMs(bytes: number): number;
  /** Computing `count` experts of so many bytes each on the CPU, ms. */
  cpuMs(count: number, bytes: number): number;
  /** A copy took so long. */
  onCopy(bytes: number, ms: number): void;
  /** The CPU took so long for `count` experts; 0: a layer was computed without it. */
  onCpu(count: number, bytes: number, ms: number): void;
}

/** Share of the newest value in the running means. */
const RATE = 0.1;
/** A single copy or computation counts at most so many times the mean: the rest is chance. */
const OUTLIER = 4;
/**
 * What an estimate is multiplied with for each layer whose misses were computed without the CPU, so
 * that one bad moment of the machine does not rule the CPU out for ever: the estimate halves in
 * 700 such layers, and is measured anew when it is low enough to be tried.
 */
const FORGETTING = 0.999;

/**
 * Moving estimates, by byte, so that experts of all sizes add to them. What was never measured is
 * taken to cost nothing: it is tried, and then known.
 */
export class MeasuredCosts implements MissCosts {
  #copyMsPerByte = 0;
  /** By number of experts: ms by byte of one expert. */
  readonly #cpuMsPerByte: Float64Array;

  /** @param usedMax  experts that a token uses of a layer at most */
  constructor(usedMax: number) {
    this.#cpuMsPerByte = new Float64Array(usedMax + 1);
  }

  copyMs(bytes: number): number {
    return this.#copyMsPerByte * bytes;
  }

  cpuMs(count: number, bytes: number): number {
    if (count === 0) return 0;
    const known = this.#cpuMsPerByte[count] ?? 0;
    if (known > 0) return known * bytes;
    // As if each took as long as in the number measured that is the nearest.
    const nearest = this.#nearest(count);
    return ((this.#cpuMsPerByte[nearest] ?? 0) / Math.max(1, nearest)) * count * bytes;
  }

  onCopy(bytes: number, ms: number): void {
    this.#copyMsPerByte = mix(this.#copyMsPerByte, ms / bytes);
  }

  onCpu(count: number, bytes: number, ms: number): void {
    const all = this.#cpuMsPerByte;
    if (count === 0) for (let i = 0; i < all.length; i++) all[i] = (all[i] ?? 0) * FORGETTING;
    else all[count] = mix(all[count] ?? 0, ms / bytes);
  }

  #nearest(count: number): number {
    const all = this.#cpuMsPerByte;
    for (let away = 1; away < all.length; away++) {
      if ((all[count - away] ?? 0) > 0) return count - away;
      if ((all[count + away] ?? 0) > 0) return count + away;
    }
    return 0;
  }
}

/** Times of the CPU as a probe has measured them; copies are measured as they end. */
export class StatedCosts implements MissCosts {
  readonly #cpu: CpuTimes;
  readonly #copies = new MeasuredCosts(0);

  constructor(cpu: CpuTimes) {
    this.#cpu = cpu;
  }

  copyMs(bytes: number): number {
    return this.#copies.copyMs(bytes);
  }

  cpuMs(count: number): number {
    return count === 0 ? 0 : this.#cpu.layerMs + count * this.#cpu.expertMs;
  }

  onCopy(bytes: number, ms: number): void {
    this.#copies.onCopy(bytes, ms);
  }

  onCpu(): void {}
}

/** How long the CPU takes for experts of one size. */
export interface CpuTimes {
  /** Each expert, ms. */
  readonly expertMs: number;
  /** Beside that, once for each layer in which it computes any, ms. */
  readonly layerMs: number;
}

/** A running mean that follows, and hardly heeds a single value; 0: nothing was measured yet. */
export function mix(mean: number, value: number): number {
  if (mean === 0) return value;
  return mean + RATE * (Math.min(value, OUTLIER * mean) - mean);
}
