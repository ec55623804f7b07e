import type { LayerPhase } from "../engine/interfaces.ts";
import type { FinishedLoad } from "../offload/lane.ts";

/** A stretch of time, ms of the lane's clock. */
interface Stretch {
  readonly startMs: number;
  readonly endMs: number;
}

/**
 * How much of the time in which experts were copied was hidden behind computing: not a moment of
 * it in which the computation waited for experts. Copies that a layer demanded cannot be hidden,
 * since nothing else is there to compute; those made ahead of it can.
 */
export class Overlap {
  #copies: Stretch[] = [];
  #ahead: Stretch[] = [];
  #waits: Stretch[] = [];
  #waitSinceMs = Number.NaN;
  #copyMs = 0;
  #exposedMs = 0;
  #aheadMs = 0;
  #aheadExposedMs = 0;

  /** A load has ended. */
  load({ startMs, endMs, urgency }: FinishedLoad): void {
    this.#copies.push({ startMs, endMs });
    if (urgency === "prefetch") this.#ahead.push({ startMs, endMs });
  }

  /** A phase of a token begins. */
  phase(phase: LayerPhase, nowMs: number): void {
    if (!Number.isNaN(this.#waitSinceMs)) {
      this.#waits.push({ startMs: this.#waitSinceMs, endMs: nowMs });
    }
    this.#waitSinceMs = phase === "wait" ? nowMs : Number.NaN;
  }

  /** From here on it counts. */
  begin(): void {
    this.#copies = [];
    this.#ahead = [];
    this.#waits = [];
  }

  /** Up to here. */
  end(): void {
    const copies = merged(this.#copies);
    const ahead = merged(this.#ahead);
    const waits = merged(this.#waits);
    this.#copyMs += lengthOf(copies);
    this.#exposedMs += common(copies, waits);
    this.#aheadMs += lengthOf(ahead);
    this.#aheadExposedMs += common(ahead, waits);
    this.begin();
  }

  /** Time in which something was copied, ms. */
  get copyMs(): number {
    return this.#copyMs;
  }

  /** Share of it in which something was computed; 1 where nothing was copied. */
  get hiddenShare(): number {
    return this.#copyMs === 0 ? 1 : 1 - this.#exposedMs / this.#copyMs;
  }

  /** The same of copies made ahead of demand. */
  get hiddenAheadShare(): number {
    return this.#aheadMs === 0 ? 1 : 1 - this.#aheadExposedMs / this.#aheadMs;
  }
}

/** Stretches that overlap made one, by time. */
function merged(stretches: readonly Stretch[]): Stretch[] {
  const sorted = [...stretches].sort((a, b) => a.startMs - b.startMs);
  const result: { startMs: number; endMs: number }[] = [];
  for (const { startMs, endMs } of sorted) {
    const last = result.at(-1);
    if (last && startMs <= last.endMs) last.endMs = Math.max(last.endMs, endMs);
    else result.push({ startMs, endMs });
  }
  return result;
}

function lengthOf(stretches: readonly Stretch[]): number {
  return stretches.reduce((sum, { startMs, endMs }) => sum + endMs - startMs, 0);
}

/** Time that lies in stretches of both lists, each merged. */
function common(a: readonly Stretch[], b: readonly Stretch[]): number {
  let sum = 0;
  let j = 0;
  for (const { startMs, endMs } of a) {
    while ((b[j]?.endMs ?? Number.POSITIVE_INFINITY) <= startMs) j++;
    for (let k = j; k < b.length; k++) {
      const other = b[k];
      if (!other || other.startMs >= endMs) break;
      sum += Math.min(endMs, other.endMs) - Math.max(startMs, other.startMs);
    }
  }
  return sum;
}
