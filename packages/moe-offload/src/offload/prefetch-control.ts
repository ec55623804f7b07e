import type { RoutingShape } from "./routing.ts";
import type { PrefetchControlName } from "./strategy-names.ts";

/** What a prefetch control is told of a layer once the next one has asked for its experts. */
export interface LayerTimes {
  layer: number;
  /** From asking for the layer's experts to asking for the next layer's. */
  totalMs: number;
  /** Part of it in which the computation waited for experts. */
  stallMs: number;
  /**
   * Part of it after the last demanded transfer had ended: what prefetches could use of the link.
   */
  windowMs: number;
  /** The layer had to load at least one expert. */
  hadDemand: boolean;
}

/**
 * Decides how many predicted experts are loaded ahead. All times are measured by the caller, so the
 * same control works in real and in virtual time.
 */
export interface PrefetchControl {
  /** Prefetches are queued before the layer's own demanded loads (Fate), not after them. */
  readonly beforeDemand: boolean;
  /** Most predictions per target layer that it will ever look at. */
  readonly widthMax: number;
  /**
   * True when the expert predicted at `rank` for layer `target` is worth loading now, as the
   * `queued`-th prefetch on its way (from 0).
   */
  wants(target: number, rank: number, queued: number): boolean;
  /**
   * The router of `target` chose; `wasChosen[rank]` says whether the prediction of that rank did.
   */
  onOutcome(target: number, wasChosen: Uint8Array, count: number): void;
  /** A layer is over. */
  onLayer(times: LayerTimes): void;
  /** A transfer of an expert took so long, queueing not counted. */
  onTransfer(durationMs: number): void;
}

/** Never prefetches. */
export class NoPrefetch implements PrefetchControl {
  readonly beforeDemand = false;
  readonly widthMax = 0;
  wants(): boolean {
    return false;
  }
  onOutcome(): void {}
  onLayer(): void {}
  onTransfer(): void {}
}

/** The `width` likeliest experts of each next layer, whatever that costs. */
export class FixedPrefetch implements PrefetchControl {
  readonly beforeDemand = false;
  readonly widthMax: number;

  constructor(width: number) {
    this.widthMax = width;
  }
  wants(_target: number, rank: number): boolean {
    return rank < this.widthMax;
  }
  onOutcome(): void {}
  onLayer(): void {}
  onTransfer(): void {}
}

/** Share of the newest value in the running means of times. */
const RATE = 0.02;

/**
 * Fate's transfer budget: as many candidates as expert transfers fit into the time of a decoder
 * layer, `floor(layer time / transfer time)`, queued before the layer's own loads.
 * @see Fate, section 1.3 of the survey in docs/papers: `prefetch_k`
 */
export class FatePrefetch implements PrefetchControl {
  readonly beforeDemand = true;
  readonly widthMax: number;
  #layerMs = 0;
  #transferMs = Number.POSITIVE_INFINITY;

  /** @param widthMax  candidates per layer that staging has room for */
  constructor(widthMax: number) {
    this.widthMax = widthMax;
  }

  /** Candidates per layer at the times measured so far. */
  get width(): number {
    return Math.min(this.widthMax, Math.floor(this.#layerMs / this.#transferMs));
  }

  wants(_target: number, rank: number): boolean {
    return rank < this.width;
  }
  onOutcome(): void {}

  onLayer({ totalMs, stallMs }: LayerTimes): void {
    const computeMs = totalMs - stallMs;
    this.#layerMs = this.#layerMs === 0 ? computeMs : mix(this.#layerMs, computeMs);
  }

  onTransfer(durationMs: number): void {
    const known = Number.isFinite(this.#transferMs);
    this.#transferMs = known ? mix(this.#transferMs, durationMs) : durationMs;
  }
}

/** Share of the newest outcome in a prediction's measured precision. */
const PRECISION_RATE = 0.01;

/**
 * Loads a predicted expert when what that saves, by measured times and measured precision, is more
 * than what it costs. A prefetch uses the link between the last demanded transfer of a layer and
 * the demand of the next (the window). If it is right, it saves what fits of it into the window; if
 * it is wrong and still under way when the window ends, the next demand waits for it. Precision is
 * measured for every layer and rank whether the prediction was acted on or not, so that a control
 * that has switched itself off switches itself on again when predictions or times change.
 */
export class AdaptivePrefetch implements PrefetchControl {
  readonly beforeDemand = false;
  readonly widthMax: number;
  /** `[layer][rank]`: measured share of right predictions. */
  readonly #precision: Float64Array;
  readonly #windowMs: Float64Array;
  /** By layer: share of its visits that demand at least one transfer. */
  readonly #missShare: Float64Array;
  #transferMs = 0;

  constructor(layerCount: number, widthMax: number) {
    this.widthMax = widthMax;
    this.#precision = new Float64Array(layerCount * widthMax).fill(0.5);
    this.#windowMs = new Float64Array(layerCount);
    this.#missShare = new Float64Array(layerCount).fill(0.5);
  }

  wants(target: number, rank: number, queued: number): boolean {
    if (rank >= this.widthMax || this.#transferMs === 0) return false;
    const right = this.#precision[target * this.widthMax + rank] ?? 0;
    const leftMs = (this.#windowMs[target] ?? 0) - queued * this.#transferMs;
    if (leftMs <= 0) return false;
    const savedMs = right * Math.min(leftMs, this.#transferMs);
    const delayMs = Math.max(0, this.#transferMs - leftMs);
    const costMs = (1 - right) * delayMs * (this.#missShare[target] ?? 1);
    return savedMs > costMs;
  }

  onOutcome(target: number, wasChosen: Uint8Array, count: number): void {
    for (let rank = 0; rank < count; rank++) {
      const at = target * this.widthMax + rank;
      const before = this.#precision[at] ?? 0;
      this.#precision[at] = before + PRECISION_RATE * ((wasChosen[rank] ?? 0) - before);
    }
  }

  onLayer({ layer, windowMs, hadDemand }: LayerTimes): void {
    // What is measured while `layer` computes is the window for loads of the layer after it.
    const target = layer + 1;
    if (target < this.#windowMs.length) {
      const before = this.#windowMs[target] ?? 0;
      this.#windowMs[target] = before === 0 ? windowMs : mix(before, windowMs);
    }
    const share = this.#missShare[layer] ?? 0;
    this.#missShare[layer] = mix(share, hadDemand ? 1 : 0);
  }

  onTransfer(durationMs: number): void {
    this.#transferMs = this.#transferMs === 0 ? durationMs : mix(this.#transferMs, durationMs);
  }
}

function mix(mean: number, value: number): number {
  return mean + RATE * (value - mean);
}

/** What a config says of prefetching. */
export interface PrefetchOptions {
  readonly control: PrefetchControlName;
  readonly width: number;
}

/** The control that a config names. */
export function createControl(options: PrefetchOptions, shape: RoutingShape): PrefetchControl {
  const width = Math.min(options.width, shape.expertCount);
  switch (options.control) {
    case "off":
      return new NoPrefetch();
    case "fixed":
      return new FixedPrefetch(width);
    case "fate":
      return new FatePrefetch(width);
    case "adaptive":
      return new AdaptivePrefetch(shape.layerCount, width);
  }
}
