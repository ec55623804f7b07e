import type { Simulation } from "@fmlab/sim";
import type { KeepAlivePolicy } from "../keep-alive/keep-alive-policy.ts";
import { Container } from "./container.ts";

/** What a pool tells its node. */
export interface PoolListener {
  /** Idle containers of the function: one more or one less. */
  onWarmChange(functionIndex: number, by: 1 | -1): void;
  /** Memory of all containers changed. */
  onMemoryChange(byMb: number): void;
}

/** What became of a pool's containers. */
export interface PoolCounts {
  created: number;
  prewarmed: number;
  evicted: number;
  expired: number;
  /** Memory x time of containers without work, megabyte-milliseconds. */
  idleMbMs: number;
}

/**
 * The containers of one node: idle ones are reused last in, first out; they leave when their plan
 * ends or when their memory is needed, lowest priority first.
 */
export class ContainerPool {
  readonly counts: PoolCounts = { created: 0, prewarmed: 0, evicted: 0, expired: 0, idleMbMs: 0 };
  readonly #simulation: Simulation;
  readonly #policy: KeepAlivePolicy;
  readonly #listener: PoolListener;
  readonly #memoryMb: number;
  readonly #idleOf: (Container[] | undefined)[];
  readonly #idle: Container[] = [];
  /** How often each function's containers were asked for; tells a pre-warm that it is late. */
  readonly #asked: Uint32Array;
  #usedMb = 0;
  #idleMb = 0;
  #serial = 0;
  #epoch = 0;

  constructor(
    simulation: Simulation,
    policy: KeepAlivePolicy,
    listener: PoolListener,
    size: { memoryMb: number; functionCount: number },
  ) {
    this.#simulation = simulation;
    this.#policy = policy;
    this.#listener = listener;
    this.#memoryMb = size.memoryMb;
    this.#idleOf = new Array(size.functionCount);
    this.#asked = new Uint32Array(size.functionCount);
  }

  /** Whether a request of the function can have a container now. */
  canAcquire(functionIndex: number, memoryMb: number): boolean {
    const idle = this.#idleOf[functionIndex];
    if (idle !== undefined && idle.length > 0) return true;
    return this.#usedMb - this.#idleMb + memoryMb <= this.#memoryMb;
  }

  /** A container for a request, idle or new; for a new one, others are evicted if they must. */
  acquire(functionIndex: number, memoryMb: number): { container: Container; isNew: boolean } {
    this.#asked[functionIndex] = (this.#asked[functionIndex] as number) + 1;
    const warm = this.#idleOf[functionIndex]?.pop();
    if (warm !== undefined) {
      this.#leaveIdle(warm);
      return { container: warm, isNew: false };
    }
    while (this.#usedMb + memoryMb > this.#memoryMb) this.#evictOne();
    const container = this.#create(functionIndex, memoryMb);
    this.#trim();
    return { container, isNew: true };
  }

  /** Evicts what is more than the policy's own limit. */
  #trim(): void {
    const { containersMb = Number.POSITIVE_INFINITY } = this.#policy;
    while (this.#usedMb > containersMb && this.#idle.length > 0) this.#evictOne();
  }

  /** The container's request is done. */
  release(container: Container, coldStartMs: number): void {
    const nowMs = this.#simulation.nowMs();
    container.idleSinceMs = nowMs;
    const plan = this.#policy.onIdle(container, nowMs);
    const isPrewarmed = plan.prewarmMs >= 0;
    container.coldStartMs = coldStartMs;
    container.prewarmAtMs = isPrewarmed ? nowMs + Math.max(0, plan.prewarmMs - coldStartMs) : -1;
    container.prewarmUntilMs = nowMs + plan.prewarmMs + plan.prewarmKeepMs;
    this.#enterIdle(container);
    if (plan.keepMs <= 0) this.#expire(container);
    else this.#expireAt(container, nowMs + plan.keepMs);
    this.#trim();
  }

  /** Starts a container ahead of need where memory is free; who asks early waits for the rest. */
  startIdle(wanted: {
    functionIndex: number;
    memoryMb: number;
    coldStartMs: number;
    keepMs: number;
  }): boolean {
    const { functionIndex, memoryMb, coldStartMs, keepMs } = wanted;
    if (this.#usedMb + memoryMb > this.#memoryMb) return false;
    const untilMs = this.#simulation.nowMs() + coldStartMs + keepMs;
    this.#prewarm(this.#create(functionIndex, memoryMb), coldStartMs, untilMs);
    return true;
  }

  /** Ends the container of a function that has been idle longest; false where none is idle. */
  endIdle(functionIndex: number): boolean {
    const oldest = this.#idleOf[functionIndex]?.[0];
    if (oldest === undefined) return false;
    this.#takeFromStack(oldest);
    this.#forget(oldest);
    return true;
  }

  /** The container ends with its request (a job's). */
  discard(container: Container): void {
    this.#forget(container);
  }

  /** Everything is gone, containers with requests too. */
  clear(): void {
    for (const container of this.#idle) {
      this.#stopIdleTime(container);
      if (container.timer !== undefined) this.#simulation.cancel(container.timer);
      this.#listener.onWarmChange(container.functionIndex, -1);
    }
    this.#idle.length = 0;
    this.#idleOf.fill(undefined);
    this.#listener.onMemoryChange(-this.#usedMb);
    this.#usedMb = 0;
    this.#idleMb = 0;
    this.#epoch++;
  }

  /** Memory-time of idle containers up to now. */
  idleMbMsUntilNow(): number {
    const nowMs = this.#simulation.nowMs();
    const open = this.#idle.reduce((sum, c) => sum + c.memoryMb * (nowMs - c.idleSinceMs), 0);
    return this.counts.idleMbMs + open;
  }

  #create(functionIndex: number, memoryMb: number): Container {
    const container = new Container(functionIndex, memoryMb, this.#serial++);
    this.counts.created++;
    this.#usedMb += memoryMb;
    this.#listener.onMemoryChange(memoryMb);
    this.#policy.onCreate?.(functionIndex);
    return container;
  }

  #enterIdle(container: Container): void {
    const { functionIndex } = container;
    container.isIdle = true;
    container.idleAt = this.#idle.length;
    this.#idle.push(container);
    let stack = this.#idleOf[functionIndex];
    if (stack === undefined) {
      stack = [];
      this.#idleOf[functionIndex] = stack;
    }
    stack.push(container);
    this.#idleMb += container.memoryMb;
    this.#listener.onWarmChange(functionIndex, 1);
  }

  /** The caller has taken it from its function's stack. */
  #leaveIdle(container: Container): void {
    const last = this.#idle.pop() as Container;
    if (last !== container) {
      this.#idle[container.idleAt] = last;
      last.idleAt = container.idleAt;
    }
    container.idleAt = -1;
    container.isIdle = false;
    container.prewarmAtMs = -1;
    this.#idleMb -= container.memoryMb;
    this.#stopIdleTime(container);
    this.#listener.onWarmChange(container.functionIndex, -1);
  }

  #stopIdleTime(container: Container): void {
    const idleMs = this.#simulation.nowMs() - container.idleSinceMs;
    this.counts.idleMbMs += container.memoryMb * idleMs;
  }

  /** Timers are left armed while a container is used again, and armed anew when they go off. */
  #expireAt(container: Container, atMs: number): void {
    container.expiresAtMs = atMs;
    if (container.timer !== undefined) {
      if (container.timer.atMs <= atMs) return;
      this.#simulation.cancel(container.timer);
      container.timer = undefined;
    }
    if (atMs === Number.POSITIVE_INFINITY) return;
    container.timer = this.#simulation.scheduleAt(atMs, () => {
      container.timer = undefined;
      if (!container.isIdle) return;
      if (container.expiresAtMs <= this.#simulation.nowMs()) this.#expire(container);
      else this.#expireAt(container, container.expiresAtMs);
    });
  }

  #expire(container: Container): void {
    const { prewarmAtMs, prewarmUntilMs } = container;
    this.counts.expired++;
    this.#takeFromStack(container);
    this.#forget(container);
    if (prewarmAtMs < 0) return;
    const { functionIndex, memoryMb, coldStartMs } = container;
    const asked = this.#asked[functionIndex];
    const epoch = this.#epoch;
    this.#simulation.scheduleAt(Math.max(prewarmAtMs, this.#simulation.nowMs()), () => {
      const isLate = this.#asked[functionIndex] !== asked || this.#epoch !== epoch;
      if (isLate || this.#usedMb + memoryMb > this.#memoryMb) return;
      this.#prewarm(this.#create(functionIndex, memoryMb), coldStartMs, prewarmUntilMs);
    });
  }

  /** Starts a container ahead of need; who asks before it is ready waits for the rest. */
  #prewarm(container: Container, coldStartMs: number, untilMs: number): void {
    const nowMs = this.#simulation.nowMs();
    this.counts.prewarmed++;
    container.idleSinceMs = nowMs;
    container.priority = nowMs;
    container.readyAtMs = nowMs + coldStartMs;
    this.#enterIdle(container);
    this.#expireAt(container, Math.max(untilMs, nowMs));
  }

  #evictOne(): void {
    let lowest: Container | undefined;
    for (const one of this.#idle) {
      if (
        lowest === undefined ||
        one.priority < lowest.priority ||
        (one.priority === lowest.priority && one.serial < lowest.serial)
      ) {
        lowest = one;
      }
    }
    if (lowest === undefined) throw new Error("evicting, but nothing is idle");
    this.counts.evicted++;
    this.#policy.onEvict?.(lowest, this.#simulation.nowMs());
    this.#takeFromStack(lowest);
    this.#forget(lowest);
  }

  #takeFromStack(container: Container): void {
    const stack = this.#idleOf[container.functionIndex] as Container[];
    stack.splice(stack.indexOf(container), 1);
    this.#leaveIdle(container);
  }

  #forget(container: Container): void {
    if (container.timer !== undefined) this.#simulation.cancel(container.timer);
    container.timer = undefined;
    this.#usedMb -= container.memoryMb;
    this.#listener.onMemoryChange(-container.memoryMb);
    this.#policy.onRemove?.(container.functionIndex);
  }
}
