import type { PodObject } from "./objects.ts";

/** A pod that waits for a node. */
export interface QueuedPod {
  pod: PodObject;
  /** Order of first sight, for pods of equal priority. */
  order: number;
  sinceMs: number;
  attempts: number;
  /** Not tried before. */
  notBeforeMs: number;
  /** Whether it was found unschedulable: then a change of the cluster may help. */
  isParked: boolean;
  /** What its owner was told last, so that the same is not told again. */
  told: string;
  /** A binding to this node was sent and not answered: no other node may be tried. */
  pinnedTo: string | undefined;
  /** The pod was deleted while it was being bound. */
  isGone: boolean;
}

/** Kubernetes' own back-off of pods: 1 s, doubling to 10 s; parked ones at least every minute. */
export interface BackOff {
  firstMs: number;
  maxMs: number;
  parkedMs: number;
}

/**
 * Pods that wait, by priority and then by first sight. A pod is in it once, whatever the watch
 * repeats; what the watch says later replaces what it said before.
 */
export class PodQueue {
  readonly #pods = new Map<string, QueuedPod>();
  readonly #backOff: BackOff;
  #order = 0;

  constructor(backOff: BackOff) {
    this.#backOff = backOff;
  }

  get size(): number {
    return this.#pods.size;
  }

  has(uid: string): boolean {
    return this.#pods.has(uid);
  }

  uids(): string[] {
    return [...this.#pods.keys()];
  }

  /** A pending pod was seen. */
  offer(pod: PodObject, nowMs: number): void {
    const { uid } = pod.metadata;
    const known = this.#pods.get(uid);
    if (known !== undefined) {
      // The status that we patch ourselves changes the version only; a changed spec may help.
      const isChanged = JSON.stringify(known.pod.spec) !== JSON.stringify(pod.spec);
      known.pod = pod;
      if (isChanged) known.notBeforeMs = Math.min(known.notBeforeMs, nowMs);
      return;
    }
    this.#pods.set(uid, {
      pod,
      order: this.#order++,
      sinceMs: nowMs,
      attempts: 0,
      notBeforeMs: nowMs,
      isParked: false,
      told: "",
      pinnedTo: undefined,
      isGone: false,
    });
  }

  /** Takes the next pod that may be tried now. */
  take(nowMs: number): QueuedPod | undefined {
    let best: QueuedPod | undefined;
    for (const one of this.#pods.values()) {
      if (one.notBeforeMs > nowMs) continue;
      if (best === undefined || isBefore(one, best)) best = one;
    }
    if (best !== undefined) this.#pods.delete(best.pod.metadata.uid);
    return best;
  }

  /** Puts a pod back after an attempt that failed. */
  putBack(entry: QueuedPod, nowMs: number, isParked: boolean): void {
    const { firstMs, maxMs, parkedMs } = this.#backOff;
    entry.attempts++;
    const waitMs = Math.min(maxMs, firstMs * 2 ** Math.min(20, entry.attempts - 1));
    entry.isParked = isParked;
    entry.notBeforeMs = nowMs + (isParked ? Math.max(parkedMs, waitMs) : waitMs);
    this.#pods.set(entry.pod.metadata.uid, entry);
  }

  /** The pod is gone, or has a node. */
  remove(uid: string): void {
    this.#pods.delete(uid);
  }

  /** The cluster changed: pods that found no node may be tried after their back-off. */
  wake(nowMs: number): void {
    for (const one of this.#pods.values()) {
      if (!one.isParked) continue;
      one.isParked = false;
      const { firstMs, maxMs } = this.#backOff;
      const waitMs = Math.min(maxMs, firstMs * 2 ** Math.min(20, one.attempts - 1));
      one.notBeforeMs = Math.min(one.notBeforeMs, nowMs + waitMs);
    }
  }

  /** When the next pod may be tried; Infinity: none waits. */
  nextAtMs(): number {
    let next = Number.POSITIVE_INFINITY;
    for (const one of this.#pods.values()) next = Math.min(next, one.notBeforeMs);
    return next;
  }
}

function isBefore(a: QueuedPod, b: QueuedPod): boolean {
  const byPriority = (b.pod.spec.priority ?? 0) - (a.pod.spec.priority ?? 0);
  return byPriority === 0 ? a.order < b.order : byPriority < 0;
}
