import type { FunctionSpec } from "../simulator/specs.ts";

/** A container without work, as policies see it. */
export interface IdleContainer {
  readonly functionIndex: number;
  readonly memoryMb: number;
  readonly idleSinceMs: number;
  /** Unique on its node; grows with each container made. */
  readonly serial: number;
  /** Set by the policy when the container goes idle; the lowest is evicted first. */
  priority: number;
}

/** What to do with a container that has just gone idle; times from that moment on. */
export interface KeepPlan {
  /** Kept so long; Infinity: until its memory is needed. */
  keepMs: number;
  /** If it was let go: have a new one ready then; negative: never. */
  prewarmMs: number;
  /** How long the new one is kept from then on. */
  prewarmKeepMs: number;
}

/** The plan to keep a container for so long and no more. */
export function keepFor(keepMs: number): KeepPlan {
  return { keepMs, prewarmMs: -1, prewarmKeepMs: 0 };
}

/**
 * Decides how long idle containers live. One policy object serves one node, so that none sees more
 * than the node does.
 */
export interface KeepAlivePolicy {
  readonly name: string;
  /**
   * Memory of all the node's containers beyond which idle ones are evicted, although the node has
   * more: a cache's size. Requests never wait for it.
   */
  readonly containersMb?: number;
  /** A request of the function came to this node; before its container is looked for. */
  onArrival?(functionIndex: number, nowMs: number): void;
  /** A container finished its request. Sets `container.priority`. */
  onIdle(container: IdleContainer, nowMs: number): KeepPlan;
  /** Memory is needed and this container is taken for it. */
  onEvict?(container: IdleContainer, nowMs: number): void;
  /** A container of the function was made. */
  onCreate?(functionIndex: number): void;
  /** A container of the function is gone, for whatever reason. */
  onRemove?(functionIndex: number): void;
}

/** Makes a policy for one node. */
export type KeepAliveFactory = (
  functions: readonly FunctionSpec[],
  node: { index: number; memoryMb: number },
) => KeepAlivePolicy;
