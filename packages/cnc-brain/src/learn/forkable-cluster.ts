import { type Decision, type PlacementRequest, QUEUE } from "../scheduling/scheduler.ts";
import { ClusterView, transferMs } from "../simulator/cluster-view.ts";
import { costOf } from "../simulator/summary.ts";
import { type ForkSetting, forkSettingOf, timesOf } from "./fork-setting.ts";
import { KEEP_MS, type Scenario } from "./scenario.ts";
import { TimedHeap } from "./timed-heap.ts";

/** Kinds of events; a value is `KINDS x subject + kind`. */
const KINDS = 5;
const [ARRIVE, FINISH, ROUND, EXPIRE, IMAGE] = [0, 1, 2, 3, 4] as const;

/** Decides a whole round; what a scheduler with `roundMs` and `placeBatch` is. */
export type RoundPolicy = (
  requests: readonly PlacementRequest[],
  view: ClusterView,
) => readonly Decision[];

/**
 * The simulator again, for one kind of scenario, but such that a state can be copied in
 * microseconds: what would have followed from another decision is then simulated, not guessed.
 *
 * The same events at the same times as `simulate` as long as requests are only sent to nodes with
 * room: every node starts what it is sent at once, so that a request's end is known when it starts.
 *
 * @throws CncError `BAD_SETTING` for nodes that share cores and for jobs
 */
export class ForkableCluster {
  readonly view: ClusterView;
  /** Response of each request that has started, ms; NaN before. */
  readonly responseMs: Float64Array;
  nowMs = 0;
  /** Requests that have arrived. */
  arrived = 0;
  /** Sum of the costs of all requests that have started since the state was copied. */
  startedCost = 0;
  /** At the gateway, by arrival. */
  waiting: PlacementRequest[] = [];
  readonly #shared: ForkSetting;
  readonly #events = new TimedHeap();
  /** Since when each function's idle containers are idle, `[node][function]`; never changed. */
  #idle: (readonly number[] | undefined)[];
  /** When each image is there, `[node][image]`. */
  readonly #imageAtMs: Float64Array;
  #isRoundDue = false;

  constructor(
    scenario: Scenario,
    readonly roundMs = 1,
    shared = forkSettingOf(scenario),
  ) {
    const { cluster, workload } = scenario;
    this.#shared = shared;
    this.view = new ClusterView(cluster.nodes, workload.functions, cluster.network);
    this.responseMs = new Float64Array(workload.trace.count).fill(Number.NaN);
    this.#idle = new Array(cluster.nodes.length * workload.functions.length);
    this.#imageAtMs = new Float64Array(cluster.nodes.length * shared.imageCount);
    this.#imageAtMs.fill(Number.POSITIVE_INFINITY);
  }

  /** Requests of the scenario, all of them. */
  get requests(): readonly PlacementRequest[] {
    return this.#shared.requests;
  }

  /** An empty cluster of the same scenario, to be given states by `copyFrom`. */
  another(): ForkableCluster {
    return new ForkableCluster(this.#shared.scenario, this.roundMs, this.#shared);
  }

  /** Takes over another's state; what its requests have cost so far is left behind. */
  copyFrom(other: ForkableCluster): void {
    this.startedCost = 0;
    this.view.copyFrom(other.view);
    this.view.nowMs = other.view.nowMs;
    this.nowMs = other.nowMs;
    this.arrived = other.arrived;
    this.waiting = other.waiting.slice();
    this.#events.copyFrom(other.#events);
    this.#idle = other.#idle.slice();
    this.#imageAtMs.set(other.#imageAtMs);
    this.#isRoundDue = other.#isRoundDue;
  }

  /**
   * Runs until `untilMs`, or to the end.
   *
   * @param policy asked at each round that has requests
   */
  run(policy: RoundPolicy, untilMs = Number.POSITIVE_INFINITY): void {
    const { trace } = this.#shared.scenario.workload;
    for (;;) {
      const arrivalMs = trace.arrivalMs[this.arrived] ?? Number.POSITIVE_INFINITY;
      const nextMs = Math.min(arrivalMs, this.#events.nextAtMs);
      if (nextMs > untilMs || nextMs === Number.POSITIVE_INFINITY) return;
      this.nowMs = nextMs;
      if (this.#events.nextAtMs <= arrivalMs) {
        const value = this.#events.pop();
        this.#happen(value % KINDS, Math.floor(value / KINDS), policy);
      } else {
        this.waiting.push(this.#shared.requests[this.arrived++] as PlacementRequest);
        this.#requestRound();
      }
    }
  }

  /** Mean cost of the requests after the warm-up, once all have been answered. */
  countedCost(): number {
    const { warmupMs, workload } = this.#shared.scenario;
    const { trace, functions } = workload;
    let sum = 0;
    let count = 0;
    for (let id = 0; id < trace.count; id++) {
      if ((trace.arrivalMs[id] as number) < warmupMs) continue;
      const { sloMs } = functions[trace.functionIndex[id] as number] as { sloMs: number };
      sum += costOf(this.responseMs[id] as number, sloMs);
      count++;
    }
    return sum / count;
  }

  /** Requests leave the gateway as decided; the others go on waiting. */
  apply(requests: readonly PlacementRequest[], decisions: readonly Decision[]): void {
    this.waiting = [];
    requests.forEach((request, i) => {
      const decision = decisions[i] ?? QUEUE;
      if (decision === QUEUE) this.waiting.push(request);
      else this.#dispatch(request, decision as number);
    });
  }

  #happen(kind: number, subject: number, policy: RoundPolicy): void {
    if (kind === ARRIVE) this.#start(subject);
    else if (kind === FINISH) this.#finish(subject);
    else if (kind === EXPIRE) this.#expire(subject);
    else if (kind === IMAGE) this.#haveImage(subject);
    else if (kind === ROUND) this.#runRound(policy);
  }

  #runRound(policy: RoundPolicy): void {
    this.#isRoundDue = false;
    if (this.waiting.length === 0) return;
    this.view.nowMs = this.nowMs;
    this.view.takenAtMs = this.nowMs;
    const asked = this.waiting;
    this.apply(asked, policy(asked, this.view));
  }

  #requestRound(): void {
    if (this.#isRoundDue) return;
    this.#isRoundDue = true;
    const { roundMs } = this;
    this.#push((Math.floor(this.nowMs / roundMs) + 1) * roundMs, ROUND, 0);
  }

  #dispatch({ id, functionIndex, site }: PlacementRequest, node: number): void {
    this.#count(functionIndex, node, 1);
    const { queued } = this.view;
    queued[node] = (queued[node] as number) + 1;
    const times = timesOf(this.#shared, functionIndex, site);
    this.#push(this.nowMs + (times.inMs[node] as number), ARRIVE, this.#subject(id, node));
  }

  #start(subject: number): void {
    const { view, nowMs } = this;
    const { id, node } = this.#who(subject);
    const { functionIndex, site, arrivalMs } = this.#shared.requests[id] as PlacementRequest;
    const fn = view.fn(functionIndex);
    const spec = view.node(node);
    view.queued[node] = (view.queued[node] as number) - 1;
    view.running[node] = (view.running[node] as number) + 1;
    let readyMs = nowMs;
    const idle = this.#idle[this.#at(node, functionIndex)];
    if (idle !== undefined && idle.length > 0) {
      this.#setIdle(node, functionIndex, idle.slice(0, -1));
    } else {
      this.#makeRoom(node, fn.memoryMb);
      view.memoryUsedMb[node] = (view.memoryUsedMb[node] as number) + fn.memoryMb;
      readyMs = this.#imageReadyMs(node, functionIndex) + fn.coldStartMs;
    }
    this.#change(node);
    if (fn.dataSite !== undefined) {
      const { transfers } = this.#shared;
      readyMs += transfers.halfRttMs(fn.dataSite, node);
      readyMs += transfers.aloneMs(fn.dataSite, node, fn.dataKb);
    }
    const workMs = this.#shared.scenario.workload.trace.durationMs[id] as number;
    const speed = fn.accelerators > 0 ? spec.acceleratorSpeed : spec.speed;
    const endMs = readyMs + workMs / speed;
    const outMs = timesOf(this.#shared, functionIndex, site).outMs[node] as number;
    this.responseMs[id] = endMs + outMs - arrivalMs;
    this.startedCost += costOf(this.responseMs[id] as number, fn.sloMs);
    this.#push(endMs, FINISH, subject);
  }

  #finish(subject: number): void {
    const { view, nowMs } = this;
    const { id, node } = this.#who(subject);
    const { functionIndex } = this.#shared.requests[id] as PlacementRequest;
    const idle = this.#idle[this.#at(node, functionIndex)] ?? [];
    this.#setIdle(node, functionIndex, [...idle, nowMs]);
    this.#push(nowMs + KEEP_MS, EXPIRE, this.#at(node, functionIndex));
    view.running[node] = (view.running[node] as number) - 1;
    this.#count(functionIndex, node, -1);
    if (this.waiting.length > 0) this.#requestRound();
  }

  #expire(pair: number): void {
    const idle = this.#idle[pair];
    const since = idle?.[0];
    if (idle === undefined || since === undefined || since + KEEP_MS > this.nowMs) return;
    const node = Math.floor(pair / this.view.functionCount);
    this.#discard(node, pair % this.view.functionCount);
  }

  /** The longest idle containers go until the node has so much memory. */
  #makeRoom(node: number, memoryMb: number): void {
    const { view } = this;
    while ((view.memoryUsedMb[node] as number) + memoryMb > view.node(node).memoryMb) {
      let oldest = -1;
      let since = Number.POSITIVE_INFINITY;
      for (let fn = 0; fn < view.functionCount; fn++) {
        const first = this.#idle[this.#at(node, fn)]?.[0];
        if (first === undefined || first >= since) continue;
        since = first;
        oldest = fn;
      }
      if (oldest < 0) return;
      this.#discard(node, oldest);
    }
  }

  #discard(node: number, functionIndex: number): void {
    const { view } = this;
    const idle = this.#idle[this.#at(node, functionIndex)] as readonly number[];
    this.#setIdle(node, functionIndex, idle.slice(1));
    const { memoryMb } = view.fn(functionIndex);
    view.memoryUsedMb[node] = (view.memoryUsedMb[node] as number) - memoryMb;
    this.#change(node);
  }

  #setIdle(node: number, functionIndex: number, idle: readonly number[]): void {
    const at = this.#at(node, functionIndex);
    this.#idle[at] = idle;
    this.view.warm[at] = idle.length;
  }

  /** When the function's image will be there; begins to fetch it if nobody has. */
  #imageReadyMs(node: number, functionIndex: number): number {
    const { imageOf, imageCount } = this.#shared;
    const at = node * imageCount + (imageOf[functionIndex] as number);
    const known = this.#imageAtMs[at] as number;
    if (known < Number.POSITIVE_INFINITY) return Math.max(this.nowMs, known);
    const { imageMb } = this.view.fn(functionIndex);
    const atMs = this.nowMs + transferMs(imageMb, this.view.node(node).pullMbps);
    this.#imageAtMs[at] = atMs;
    if (atMs === this.nowMs) this.#haveImage(at);
    else this.#push(atMs, IMAGE, at);
    return atMs;
  }

  #haveImage(at: number): void {
    const { imageOf, imageCount } = this.#shared;
    const { hasImage, functionCount } = this.view;
    const [node, image] = [Math.floor(at / imageCount), at % imageCount];
    for (let fn = 0; fn < functionCount; fn++) {
      if (imageOf[fn] === image) hasImage[node * functionCount + fn] = 1;
    }
  }

  #count(functionIndex: number, node: number, by: 1 | -1): void {
    const { view } = this;
    const { cores, memoryMb, accelerators, meanDurationMs } = view.fn(functionIndex);
    const expectedMs = (meanDurationMs * cores) / view.node(node).speed;
    view.coresRequested[node] = (view.coresRequested[node] as number) + by * cores;
    view.memoryRequestedMb[node] = (view.memoryRequestedMb[node] as number) + by * memoryMb;
    view.acceleratorsRequested[node] =
      (view.acceleratorsRequested[node] as number) + by * accelerators;
    view.backlogMs[node] = Math.max(0, (view.backlogMs[node] as number) + by * expectedMs);
    this.#change(node);
  }

  #change(node: number): void {
    this.view.version[node] = (this.view.version[node] as number) + 1;
  }

  #at(node: number, functionIndex: number): number {
    return node * this.view.functionCount + functionIndex;
  }

  #subject(id: number, node: number): number {
    return id * this.view.nodeCount + node;
  }

  #who(subject: number): { id: number; node: number } {
    const { nodeCount } = this.view;
    return { id: Math.floor(subject / nodeCount), node: subject % nodeCount };
  }

  #push(atMs: number, kind: number, subject: number): void {
    this.#events.push(atMs, subject * KINDS + kind);
  }
}
