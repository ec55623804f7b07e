import type { Simulation } from "@fmlab/sim";
import type { KeepAlivePolicy } from "../keep-alive/keep-alive-policy.ts";
import type { ClusterView } from "./cluster-view.ts";
import { ContainerPool } from "./container-pool.ts";
import { ProcessorSharing } from "./processor-sharing.ts";
import type { NodeSpec } from "./specs.ts";
import type { Task } from "./task.ts";
import { TaskQueue } from "./task-queue.ts";

/** What a node asks of the cluster around it. */
export interface NodeHost {
  /** Fetches the function's image to the node, then calls back. */
  pullImage(node: number, functionIndex: number, done: () => void): void;
  /** Brings the invocation's data to the node, then calls back. */
  fetchData(task: Task, done: () => void): void;
  /** A request that held places in several queues is bound here; calls back when it has arrived. */
  bind(task: Task, node: number, done: () => void): void;
  /** The invocation is done; its container and cores are free again. */
  onDone(task: Task): void;
}

/** Time integrals of a node since the last reset. */
export interface NodeUse {
  /** Core-milliseconds held by requests. */
  coreMs: number;
  /** Megabyte-milliseconds of all containers. */
  memoryMbMs: number;
  upMs: number;
}

/**
 * One node: a queue, containers, cores. Requests start in the order of their arrival; the first one
 * that cannot have its container, cores and accelerators holds up those behind it.
 */
export class NodeRuntime {
  readonly pool: ContainerPool;
  readonly spec: NodeSpec;
  readonly #queue = new TaskQueue();
  readonly #sharing: ProcessorSharing | undefined;
  readonly #policy: KeepAlivePolicy;
  readonly #running: Task[] = [];
  #coresFree: number;
  #acceleratorsFree: number;
  readonly #use: NodeUse = { coreMs: 0, memoryMbMs: 0, upMs: 0 };
  #useSinceMs = 0;

  constructor(
    readonly index: number,
    readonly view: ClusterView,
    readonly simulation: Simulation,
    policy: KeepAlivePolicy,
    readonly host: NodeHost,
  ) {
    this.spec = view.node(index);
    this.#policy = policy;
    this.#coresFree = this.spec.cores;
    this.#acceleratorsFree = this.spec.accelerators;
    if (this.spec.discipline === "ps") {
      this.#sharing = new ProcessorSharing(simulation, this.spec.cores);
    }
    const size = { memoryMb: this.spec.memoryMb, functionCount: view.functionCount };
    const warmRow = index * view.functionCount;
    const listener = {
      onWarmChange: (functionIndex: number, by: 1 | -1) => {
        view.warm[warmRow + functionIndex] = (view.warm[warmRow + functionIndex] as number) + by;
        this.#changed();
      },
      onMemoryChange: (byMb: number) => {
        this.#integrate();
        view.memoryUsedMb[index] = (view.memoryUsedMb[index] as number) + byMb;
        this.#changed();
      },
    };
    this.pool = new ContainerPool(simulation, policy, listener, size);
  }

  /** Integrals up to now. */
  use(): NodeUse {
    this.#integrate();
    return { ...this.#use };
  }

  /** A request has come over the network, or a place in the queue for it. */
  enqueue(task: Task): void {
    this.#policy.onArrival?.(task.functionIndex, this.simulation.nowMs());
    this.#queue.push(task);
    this.pump();
  }

  /** Starts what can be started. */
  pump(): void {
    for (let task = this.#queue.peek(); task !== undefined; task = this.#queue.peek()) {
      if (!this.#isPlaceValid(task)) {
        this.#queue.shift();
        continue;
      }
      if (!this.#canStart(task)) return;
      this.#queue.shift();
      this.#start(task);
    }
  }

  /** The node is gone. Returns what was here, in the order of arrival. */
  fail(): Task[] {
    this.#integrate();
    this.view.up[this.index] = 0;
    const queued = new Set(this.#queue.drain().filter((task) => this.#isPlaceValid(task)));
    const running = this.#running.splice(0);
    for (const task of running) task.runningAt = -1;
    this.#sharing?.clear();
    this.pool.clear();
    this.#coresFree = this.spec.cores;
    this.#acceleratorsFree = this.spec.accelerators;
    this.#changed();
    return [...running, ...queued].sort((a, b) => a.id - b.id);
  }

  /** The node is back, empty; its images are still there. */
  recover(): void {
    this.#integrate();
    this.view.up[this.index] = 1;
    this.#changed();
  }

  /** Work of a running task that is done by now and survives, at speed 1. */
  checkpointedMs(task: Task): number {
    const { kind, checkpointMs } = this.view.fn(task.functionIndex);
    if (kind !== "job" || checkpointMs === 0 || task.executeMs < 0) return 0;
    return Math.floor(this.#doneMs(task) / checkpointMs) * checkpointMs;
  }

  /** Work of a running task that is done by now, at speed 1. */
  #doneMs(task: Task): number {
    const speed = this.#speedFor(task);
    const done =
      task.shared === undefined || this.#sharing === undefined
        ? (this.simulation.nowMs() - task.executeMs) * speed
        : task.workMs - this.#sharing.leftMs(task.shared) * speed;
    return Math.min(task.workMs, Math.max(0, done));
  }

  /** Long jobs whose code runs here. */
  runningJobs(): Task[] {
    return this.#running.filter(
      (task) => task.executeMs >= 0 && this.view.fn(task.functionIndex).kind === "job",
    );
  }

  /** Stops a running job, which keeps what it has done; its container ends. */
  suspend(task: Task): void {
    const savedMs = this.checkpointedMs(task);
    const doneMs = this.#doneMs(task);
    if (task.shared !== undefined) this.#sharing?.remove(task.shared);
    this.#leave(task);
    if (task.container !== undefined) this.pool.discard(task.container);
    task.container = undefined;
    task.workMs -= doneMs;
    task.unsavedMs = doneMs - savedMs;
    task.isStarted = false;
    task.epoch++;
    this.view.running[this.index] = (this.view.running[this.index] as number) - 1;
    this.#changed();
  }

  /** Starts a container ahead of need; false where there is no memory for it. */
  startIdle(functionIndex: number, keepMs: number): boolean {
    const { memoryMb, coldStartMs } = this.view.fn(functionIndex);
    const isUp = this.view.up[this.index] !== 0;
    return isUp && this.pool.startIdle({ functionIndex, memoryMb, coldStartMs, keepMs });
  }

  /** Ends the container of a function that has been idle longest, if one is. */
  endIdle(functionIndex: number): void {
    this.pool.endIdle(functionIndex);
  }

  /** Not the place of a request that another node has taken, or that was here before. */
  #isPlaceValid(task: Task): boolean {
    if (task.isStarted) return false;
    return task.reserved?.includes(this.index) ?? task.node === this.index;
  }

  #canStart(task: Task): boolean {
    const { cores, accelerators, memoryMb } = this.view.fn(task.functionIndex);
    return (
      (this.#sharing !== undefined || cores <= this.#coresFree) &&
      accelerators <= this.#acceleratorsFree &&
      this.pool.canAcquire(task.functionIndex, memoryMb)
    );
  }

  #start(task: Task): void {
    const { view, index } = this;
    const { cores, accelerators, memoryMb } = view.fn(task.functionIndex);
    const nowMs = this.simulation.nowMs();
    this.#integrate();
    this.#coresFree -= cores;
    this.#acceleratorsFree -= accelerators;
    const { container, isNew } = this.pool.acquire(task.functionIndex, memoryMb);
    task.container = container;
    task.isStarted = true;
    task.startMs = nowMs;
    task.executeMs = -1;
    task.runningAt = this.#running.length;
    this.#running.push(task);
    view.queued[index] = (view.queued[index] as number) - 1;
    view.running[index] = (view.running[index] as number) + 1;
    this.#changed();
    task.isCold = isNew || container.readyAtMs > nowMs;
    // The usual way first, without closures: it is taken a million times a second.
    if (task.reserved === undefined && !task.isCold) this.#load(task);
    else this.#startSlowly(task, isNew);
  }

  /** By way of binding, a cold start or the rest of one. */
  #startSlowly(task: Task, isNew: boolean): void {
    const { epoch, functionIndex } = task;
    const load = () => {
      if (task.epoch === epoch) this.#load(task);
    };
    const begin = () => {
      if (task.epoch !== epoch) return;
      const readyAtMs = task.container?.readyAtMs ?? 0;
      if (isNew) this.#startCold(functionIndex, load);
      else if (readyAtMs > this.simulation.nowMs()) this.simulation.scheduleAt(readyAtMs, load);
      else this.#load(task);
    };
    if (task.reserved === undefined) begin();
    else this.host.bind(task, this.index, begin);
  }

  #startCold(functionIndex: number, next: () => void): void {
    const { coldStartMs } = this.view.fn(functionIndex);
    const boot = () => this.simulation.scheduleAfter(coldStartMs, next);
    if (this.view.imageAt(this.index, functionIndex)) boot();
    else this.host.pullImage(this.index, functionIndex, boot);
  }

  #load(task: Task): void {
    if (this.view.fn(task.functionIndex).dataSite === undefined) {
      this.#execute(task);
      return;
    }
    const epoch = task.epoch;
    this.host.fetchData(task, () => {
      if (task.epoch === epoch) this.#execute(task);
    });
  }

  #execute(task: Task): void {
    task.executeMs = this.simulation.nowMs();
    const timeMs = task.workMs / this.#speedFor(task);
    const { epoch } = task;
    if (this.#sharing === undefined) {
      this.simulation.scheduleAfter(timeMs, () => this.#finish(task, epoch));
    } else {
      this.#integrate();
      const { cores } = this.view.fn(task.functionIndex);
      task.shared = this.#sharing.add(timeMs, cores, () => this.#finish(task, epoch));
    }
  }

  /** @param epoch the attempt that was executing; void after a failure */
  #finish(task: Task, epoch: number): void {
    if (task.epoch !== epoch) return;
    const { coldStartMs, kind } = this.view.fn(task.functionIndex);
    this.#leave(task);
    if (task.container !== undefined) {
      if (kind === "job") this.pool.discard(task.container);
      else this.pool.release(task.container, coldStartMs);
      task.container = undefined;
    }
    this.#changed();
    this.host.onDone(task);
    this.pump();
  }

  /** The task's cores are free, and it is not among those that run. */
  #leave(task: Task): void {
    const { cores, accelerators } = this.view.fn(task.functionIndex);
    this.#integrate();
    this.#coresFree += cores;
    this.#acceleratorsFree += accelerators;
    const last = this.#running.pop() as Task;
    if (last !== task) {
      this.#running[task.runningAt] = last;
      last.runningAt = task.runningAt;
    }
    task.runningAt = -1;
    task.shared = undefined;
  }

  #speedFor(task: Task): number {
    const usesAccelerator = this.view.fn(task.functionIndex).accelerators > 0;
    return usesAccelerator ? this.spec.acceleratorSpeed : this.spec.speed;
  }

  /** Adds what has passed since the last change to the integrals. */
  #integrate(): void {
    const nowMs = this.simulation.nowMs();
    const passedMs = nowMs - this.#useSinceMs;
    if (passedMs === 0) return;
    this.#useSinceMs = nowMs;
    if (this.view.up[this.index] === 0) return;
    const busy = this.#sharing?.coresBusy ?? this.spec.cores - this.#coresFree;
    this.#use.coreMs += busy * passedMs;
    this.#use.memoryMbMs += (this.view.memoryUsedMb[this.index] as number) * passedMs;
    this.#use.upMs += passedMs;
  }

  #changed(): void {
    this.view.version[this.index] = (this.view.version[this.index] as number) + 1;
  }
}
