import type { ExpertKey } from "../offload/routing.ts";

/** Which of ARC's four lists an expert is in. */
const NOWHERE = 0;
const T1 = 1;
const T2 = 2;
const B1 = 3;
const B2 = 4;

/** Where published variants of ARC differ. */
export interface ArcRules {
  /** How far the target size of T1 moves when a ghost of B1 (or of B2) returns. */
  stepUp(sizes: Readonly<ArcSizes>): number;
  stepDown(sizes: Readonly<ArcSizes>): number;
  /** Evict from T1 also when it has just its target size and the newcomer is a ghost of B2. */
  readonly evictsAtTarget: boolean;
  /** When the directory is full, forget a ghost of B1 if there is one, else of B2. */
  readonly forgetsB1First: boolean;
  /** An expert that was admitted before it was used counts as used once. */
  readonly countsAdmission: boolean;
}

/** Lengths of the four lists. */
export interface ArcSizes {
  t1: number;
  t2: number;
  b1: number;
  b2: number;
}

/**
 * One adaptive replacement cache over the experts of one region: T1 holds experts used once
 * recently, T2 those used more often, B1 and B2 remember whom T1 and T2 evicted. Lists are stamps
 * and scans instead of chains: a region has at most a few hundred experts. Nothing is allocated
 * after construction.
 *
 * @see Megiddo and Modha 2003, "ARC: a self-tuning, low overhead replacement cache", figure 4
 */
export class ArcCache {
  #capacity: number;
  #rules: ArcRules;
  #firstKey: ExpertKey;
  #list: Uint8Array;
  /** By expert: when it entered its list or was moved to its recent end. */
  #stamp: Float64Array;
  /** By expert: chosen by the current token, not admitted yet. */
  #isAwaited: Uint8Array;
  /** By expert: in T1 since it was prefetched, not used yet. */
  #isUnused: Uint8Array;
  #sizes: ArcSizes = { t1: 0, t2: 0, b1: 0, b2: 0 };
  #target = 0;
  #now = 0;

  /** @param firstKey  key of the region's first expert; the region has `expertCount` of them */
  constructor(capacity: number, firstKey: ExpertKey, expertCount: number, rules: ArcRules) {
    this.#capacity = capacity;
    this.#rules = rules;
    this.#firstKey = firstKey;
    this.#list = new Uint8Array(expertCount);
    this.#stamp = new Float64Array(expertCount);
    this.#isAwaited = new Uint8Array(expertCount);
    this.#isUnused = new Uint8Array(expertCount);
  }

  /** A hit moves to the recent end of T2; a miss is awaited. */
  use(key: ExpertKey): void {
    const expert = key - this.#firstKey;
    const list = this.#list[expert];
    if (list !== T1 && list !== T2) {
      this.#isAwaited[expert] = 1;
      return;
    }
    this.#move(expert, this.#isUnused[expert] === 1 ? T1 : T2);
    this.#isUnused[expert] = 0;
  }

  /** The expert has a slot now. */
  admit(key: ExpertKey): void {
    const expert = key - this.#firstKey;
    const wasUsed = this.#isAwaited[expert] === 1 || this.#rules.countsAdmission;
    const isGhost = (this.#list[expert] ?? 0) >= B1;
    this.#isAwaited[expert] = 0;
    this.#isUnused[expert] = wasUsed ? 0 : 1;
    this.#move(expert, wasUsed && isGhost ? T2 : T1);
    // |T1| + |B1| <= capacity: an expert that leaves a full T1 leaves no ghost.
    while (this.#sizes.t1 + this.#sizes.b1 > this.#capacity && this.#sizes.b1 > 0) {
      this.#forget(B1);
    }
    while (this.#total() > 2 * this.#capacity && this.#sizes.b2 > 0) this.#forget(B2);
  }

  /** The expert has lost its slot: it becomes a ghost, unless it was never used. */
  evict(key: ExpertKey): void {
    const expert = key - this.#firstKey;
    const ghost = this.#list[expert] === T2 ? B2 : B1;
    this.#move(expert, this.#isUnused[expert] === 1 ? NOWHERE : ghost);
    this.#isUnused[expert] = 0;
  }

  /**
   * Index of the candidate that makes room; for a used `incoming` the lists adapt to it.
   *
   * @param incoming  -1 for none
   */
  victim(incoming: ExpertKey, candidates: Int32Array, count: number, isPrefetch: boolean): number {
    const list = this.#list[incoming - this.#firstKey] ?? NOWHERE;
    if (!isPrefetch && incoming >= 0) this.#adapt(list);
    const { t1 } = this.#sizes;
    const isAtTarget = this.#rules.evictsAtTarget && list === B2 && t1 === this.#target;
    const isFullT1 = list < B1 && t1 === this.#capacity;
    const fromT1 = isFullT1 || t1 > this.#target || isAtTarget;
    const preferred = this.#oldest(candidates, count, fromT1 ? T1 : T2);
    return preferred >= 0 ? preferred : this.#oldest(candidates, count, fromT1 ? T2 : T1);
  }

  #adapt(list: number): void {
    const { b1, b2, t1 } = this.#sizes;
    if (list === B1) {
      const raised = this.#target + this.#rules.stepUp(this.#sizes);
      this.#target = Math.min(this.#capacity, raised);
    } else if (list === B2) {
      this.#target = Math.max(0, this.#target - this.#rules.stepDown(this.#sizes));
    } else if (t1 + b1 === this.#capacity) {
      if (t1 < this.#capacity) this.#forget(B1);
    } else if (this.#total() >= 2 * this.#capacity) {
      this.#forget(b2 === 0 || (this.#rules.forgetsB1First && b1 > 0) ? B1 : B2);
    }
  }

  #total(): number {
    const { b1, b2, t1, t2 } = this.#sizes;
    return t1 + t2 + b1 + b2;
  }

  /** Index of the candidate longest in `list`, -1 when none is in it. */
  #oldest(candidates: Int32Array, count: number, list: number): number {
    let best = -1;
    let oldest = Number.POSITIVE_INFINITY;
    for (let i = 0; i < count; i++) {
      const expert = (candidates[i] ?? 0) - this.#firstKey;
      const stamp = this.#stamp[expert] ?? 0;
      if (this.#list[expert] === list && stamp < oldest) {
        best = i;
        oldest = stamp;
      }
    }
    return best;
  }

  /** Drops the ghost that has been longest in `list`. */
  #forget(list: number): void {
    let best = -1;
    for (let expert = 0; expert < this.#list.length; expert++) {
      if (this.#list[expert] !== list) continue;
      if (best < 0 || (this.#stamp[expert] ?? 0) < (this.#stamp[best] ?? 0)) best = expert;
    }
    if (best >= 0) this.#move(best, NOWHERE);
  }

  #move(expert: number, list: number): void {
    this.#count(this.#list[expert] ?? NOWHERE, -1);
    this.#count(list, 1);
    this.#list[expert] = list;
    this.#stamp[expert] = ++this.#now;
  }

  #count(list: number, change: number): void {
    if (list === T1) this.#sizes.t1 += change;
    else if (list === T2) this.#sizes.t2 += change;
    else if (list === B1) this.#sizes.b1 += change;
    else if (list === B2) this.#sizes.b2 += change;
  }
}
