import { type Clock, Simulation } from "@fmlab/sim";
import { CncError, requireSetting } from "../errors.ts";
import { type Decision, QUEUE, type Scheduler } from "../scheduling/scheduler.ts";
import { type Admission, everythingAllowed } from "./admission.ts";
import { CandidateTable } from "./candidate-table.ts";
import { ClusterView, transferMs } from "./cluster-view.ts";
import { GatewayQueue } from "./gateway-queue.ts";
import { ImagePulls } from "./image-pulls.ts";
import { Migrations } from "./migrations.ts";
import { type NodeHost, NodeRuntime } from "./node-runtime.ts";
import type { SimulationResult } from "./result.ts";
import { collectResult, ResultColumns } from "./result-columns.ts";
import type { SimulationOptions } from "./simulate.ts";
import type { NodeFailure } from "./specs.ts";
import { Task } from "./task.ts";
import { Transfers } from "./transfers.ts";

/** Every how many decisions one is timed: the clock itself costs time. */
const TIMED_DECISION_EVERY = 8;

/**
 * The gateway and all nodes over one virtual clock. `simulate` is the way in.
 *
 * Outline: requests arrive (run, receive), are admitted, placed and dispatched; images, data and
 * answers on their way; what waits at the gateway and rounds; failures; moves.
 */
export class ClusterSimulation implements NodeHost {
  readonly #options: SimulationOptions;
  readonly #simulation = new Simulation();
  /** What is true, and what the scheduler sees; the same object unless snapshots grow stale. */
  readonly #live: ClusterView;
  readonly #seen: ClusterView;
  readonly #nodes: NodeRuntime[];
  readonly #transfers: Transfers;
  readonly #scheduler: Scheduler;
  readonly #admission: Admission;
  readonly #candidates: CandidateTable;
  readonly #gateway = new GatewayQueue();
  readonly #pulls = new ImagePulls();
  readonly #columns: ResultColumns;
  readonly #migrations: Migrations | undefined;
  readonly #clock: Clock | undefined;
  #isRoundDue = false;
  #nextSnapshotMs = 0;

  constructor(options: SimulationOptions) {
    const { nodes, functions, network, trace, keepAlive } = options;
    this.#options = options;
    this.#scheduler = options.scheduler;
    this.#admission = options.admission ?? everythingAllowed();
    this.#clock = options.decisionClock;
    this.#live = new ClusterView(nodes, functions, network);
    const every = options.snapshotEveryMs ?? 0;
    requireSetting(every >= 0, "snapshotEveryMs", every, "at least 0");
    this.#seen = every === 0 ? this.#live : new ClusterView(nodes, functions, network);
    this.#transfers = new Transfers(this.#simulation, network, nodes, options.transfers ?? "fixed");
    const used = new Set(trace.functionIndex);
    this.#candidates = new CandidateTable(this.#live, this.#admission, used);
    this.#nodes = nodes.map(({ memoryMb }, index) => {
      const policy = keepAlive(functions, { index, memoryMb });
      return new NodeRuntime(index, this.#live, this.#simulation, policy, this);
    });
    this.#columns = new ResultColumns(trace, options.warmupMs ?? 0);
    if (options.migrator !== undefined) this.#migrations = this.#openMigrations();
    for (const failure of options.failures ?? []) this.#plan(failure);
  }

  /** Runs the trace and everything it causes. */
  run(): SimulationResult {
    this.#begin();
    for (let id = 0; id < this.#options.trace.count; id++) this.#receive(id);
    return this.#finish();
  }

  /** The same, waiting after each request for what `pause` gives; virtual time stands still. */
  async runPausing(pause: () => Promise<void> | undefined): Promise<SimulationResult> {
    this.#begin();
    for (let id = 0; id < this.#options.trace.count; id++) {
      this.#receive(id);
      const paused = pause();
      if (paused !== undefined) await paused;
    }
    return this.#finish();
  }

  #begin(): void {
    const { warmupMs = 0, migrator } = this.#options;
    this.#simulation.scheduleAt(warmupMs, () => this.#columns.startMeasuring(this.#nodes));
    if (migrator !== undefined) this.#migrateEvery(migrator.everyMs);
  }

  /** Lets the time pass until a request arrives, and takes it in. */
  #receive(id: number): void {
    const { trace, snapshotEveryMs = 0 } = this.#options;
    const atMs = trace.arrivalMs[id] as number;
    this.#simulation.runUntil(atMs);
    if (snapshotEveryMs > 0 && atMs >= this.#nextSnapshotMs) {
      this.#live.nowMs = Math.floor(atMs / snapshotEveryMs) * snapshotEveryMs;
      this.#seen.copyFrom(this.#live);
      this.#columns.onSnapshot(this.#seen.snapshotBytes);
      this.#nextSnapshotMs = this.#live.nowMs + snapshotEveryMs;
    }
    const kind = trace.functionIndex[id] as number;
    const site = trace.site[id] as number;
    const workMs = trace.durationMs[id] as number;
    this.#admit(new Task(id, kind, site, atMs, workMs, this.#candidates.of(kind)));
  }

  #finish(): SimulationResult {
    const simulation = this.#simulation;
    const columns = this.#columns;
    const { count } = this.#options.trace;
    // Until the last answer; timers of idle containers beyond it change nothing that is counted.
    while (columns.answeredCount + columns.lostCount < count && simulation.runNext());
    const result = collectResult(this.#options, columns, this.#nodes, simulation.nowMs());
    const migrations = this.#migrations?.counts;
    return migrations === undefined ? result : { ...result, migrations };
  }

  /** While requests arrive: jobs that are still at work after that stay where they are. */
  #migrateEvery(everyMs: number): void {
    requireSetting(everyMs > 0, "migrator.everyMs", everyMs, "above 0");
    const lastMs = this.#options.trace.arrivalMs.at(-1) ?? 0;
    this.#simulation.scheduleAfter(everyMs, () => {
      this.#migrate();
      if (this.#simulation.nowMs() < lastMs) this.#migrateEvery(everyMs);
    });
  }

  #admit(task: Task): void {
    if (this.#admission.acquire(task.functionIndex)) this.#place(task);
    else this.#gateway.waitForQuota(task);
  }

  /** Asks the scheduler, now or at the end of its round. */
  #place(task: Task): void {
    if (this.#scheduler.roundMs !== undefined) {
      this.#gateway.wait(task);
      this.#requestRound(this.#scheduler.roundMs);
      return;
    }
    // What waits longer goes first.
    if (this.#gateway.hasWaiting(task.functionIndex)) {
      this.#gateway.wait(task);
      return;
    }
    const decision = this.#ask(task);
    if (decision === QUEUE) this.#gateway.wait(task);
    else this.#dispatch(task, decision);
  }

  #ask(task: Task): Decision {
    task.candidates = this.#candidates.of(task.functionIndex);
    return task.candidates.nodes.length === 0 ? QUEUE : this.#decide(task);
  }

  #decide(task: Task): Decision {
    const seen = this.#seen;
    const nowMs = this.#simulation.nowMs();
    seen.nowMs = nowMs;
    if (seen === this.#live) seen.takenAtMs = nowMs;
    const columns = this.#columns;
    columns.onDecision(nowMs - seen.takenAtMs);
    const clock = columns.decisionCount % TIMED_DECISION_EVERY === 0 ? this.#clock : undefined;
    const startMs = clock?.nowMs() ?? 0;
    const decision = this.#scheduler.place(task, seen);
    if (clock !== undefined) columns.decisionUs.push((clock.nowMs() - startMs) * 1000);
    this.#options.onDecision?.(task, decision, seen);
    return decision;
  }

  #dispatch(task: Task, decision: Decision): void {
    const chosen = typeof decision === "number" ? [decision] : decision;
    for (const node of chosen) {
      if (task.candidates.mask[node] !== 1) throw this.#badDecision(task, node);
      this.#count(task, node, 1);
    }
    task.isStarted = false;
    task.node = chosen.length === 1 && typeof decision === "number" ? decision : -1;
    task.reserved = typeof decision === "number" ? undefined : [...chosen];
    const { requestKb } = this.#live.fn(task.functionIndex);
    const { epoch } = task;
    for (const node of chosen) {
      // A place in a queue is a small message; the request itself follows when it is bound.
      const sizeKb = task.reserved === undefined ? requestKb : 0;
      this.#transfers.toNode(task.site, node, sizeKb, () => this.#arrive(task, node, epoch));
    }
  }

  #arrive(task: Task, node: number, epoch: number): void {
    if (task.epoch !== epoch) return;
    if (this.#live.up[node] === 0) {
      this.#loseAt(task, node);
      return;
    }
    task.unsavedMs = 0;
    (this.#nodes[node] as NodeRuntime).enqueue(task);
  }

  /** Adds to (or takes from) what the gateway knows it has sent to a node. */
  #count(task: Task, node: number, by: 1 | -1): void {
    const view = this.#live;
    const spec = view.fn(task.functionIndex);
    const expectedMs = (spec.meanDurationMs * spec.cores) / view.node(node).speed;
    if (by === 1) view.queued[node] = (view.queued[node] as number) + 1;
    view.coresRequested[node] = (view.coresRequested[node] as number) + by * spec.cores;
    view.memoryRequestedMb[node] = (view.memoryRequestedMb[node] as number) + by * spec.memoryMb;
    view.acceleratorsRequested[node] =
      (view.acceleratorsRequested[node] as number) + by * spec.accelerators;
    view.backlogMs[node] = Math.max(0, (view.backlogMs[node] as number) + by * expectedMs);
    view.version[node] = (view.version[node] as number) + 1;
  }

  pullImage(node: number, functionIndex: number, done: () => void): void {
    const { image } = this.#live.fn(functionIndex);
    this.#pulls.request(node, image || `function ${functionIndex}`, done, (arrived) => {
      this.#startPull(node, functionIndex, arrived);
    });
  }

  #startPull(node: number, functionIndex: number, arrived: () => void): void {
    const { imageMb, image } = this.#live.fn(functionIndex);
    const finish = () => {
      this.#live.functions.forEach((other, i) => {
        const isSame = i === functionIndex || (image !== "" && other.image === image);
        if (isSame) this.#live.hasImage[node * this.#live.functionCount + i] = 1;
      });
      arrived();
    };
    const { registrySite, transfers = "fixed" } = this.#options;
    if (transfers === "shared" && registrySite !== undefined) {
      this.#transfers.toNode(registrySite, node, imageMb * 1000, finish);
      return;
    }
    const takesMs = transferMs(imageMb, this.#live.node(node).pullMbps);
    if (takesMs === 0) finish();
    else this.#simulation.scheduleAfter(takesMs, finish);
  }

  fetchData(task: Task, done: () => void): void {
    const { dataSite = 0, dataKb } = this.#live.fn(task.functionIndex);
    const { node, epoch } = task;
    const back = this.#transfers.halfRttMs(dataSite, node);
    const ask = () => {
      // The node may have failed while its question was on the way.
      if (task.epoch === epoch) this.#transfers.toNode(dataSite, node, dataKb, done);
    };
    if (back === 0) ask();
    else this.#simulation.scheduleAfter(back, ask);
  }

  bind(task: Task, node: number, done: () => void): void {
    for (const other of task.reserved ?? []) {
      if (other === node) continue;
      this.#count(task, other, -1);
      this.#live.queued[other] = (this.#live.queued[other] as number) - 1;
    }
    task.reserved = undefined;
    task.node = node;
    // The node asks for the request (half a round trip), and the request comes.
    const { requestKb } = this.#live.fn(task.functionIndex);
    const send = () => this.#transfers.toNode(task.site, node, requestKb, done);
    const halfMs = this.#transfers.halfRttMs(task.site, node);
    if (halfMs === 0) send();
    else this.#simulation.scheduleAfter(halfMs, send);
  }

  onDone(task: Task): void {
    const { node } = task;
    this.#live.running[node] = (this.#live.running[node] as number) - 1;
    this.#count(task, node, -1);
    this.#columns.onExecuted(task);
    this.#releaseQuota(task);
    const { responseKb } = this.#live.fn(task.functionIndex);
    this.#transfers.fromNode(node, task.site, responseKb, () => this.#answer(task));
    this.#pumpGateway();
  }

  #answer(task: Task): void {
    const responseMs = this.#simulation.nowMs() - task.arrivalMs;
    this.#columns.onAnswered(task, responseMs);
    const { node, isCold } = task;
    this.#scheduler.onFinished?.({ request: task, node, responseMs, isCold });
  }

  #releaseQuota(task: Task): void {
    this.#admission.release(task.functionIndex);
    for (const next of this.#gateway.inTurn((kind) => this.#admission.turn(kind))) {
      if (!this.#admission.acquire(next.functionIndex)) continue;
      this.#gateway.takeFromQuota(next);
      this.#place(next);
    }
  }

  /**
   * Something is free: those that wait at the gateway are tried again, first come first; once one
   * finds no place, the others of its function are not asked for.
   */
  #pumpGateway(): void {
    if (this.#gateway.isEmpty) return;
    if (this.#scheduler.roundMs !== undefined) {
      this.#requestRound(this.#scheduler.roundMs);
      return;
    }
    const refused = new Set<number>();
    for (let task = this.#gateway.first(refused); task !== undefined; ) {
      const decision = this.#ask(task);
      if (decision === QUEUE) {
        refused.add(task.functionIndex);
      } else {
        this.#gateway.take(task);
        this.#dispatch(task, decision);
      }
      task = this.#gateway.first(refused);
    }
  }

  #requestRound(roundMs: number): void {
    if (this.#isRoundDue) return;
    this.#isRoundDue = true;
    const nowMs = this.#simulation.nowMs();
    const atMs = (Math.floor(nowMs / roundMs) + 1) * roundMs;
    this.#simulation.scheduleAt(atMs, () => {
      this.#isRoundDue = false;
      this.#runRound();
    });
  }

  #runRound(): void {
    const waiting = this.#gateway.takeAll();
    for (const task of waiting) task.candidates = this.#candidates.of(task.functionIndex);
    const nowMs = this.#simulation.nowMs();
    this.#seen.nowMs = nowMs;
    const startMs = this.#clock?.nowMs() ?? 0;
    const decisions = this.#scheduler.placeBatch?.(waiting, this.#seen) ?? [];
    if (this.#clock !== undefined && waiting.length > 0) {
      const eachUs = ((this.#clock.nowMs() - startMs) * 1000) / waiting.length;
      this.#columns.decisionUs.push(eachUs);
    }
    waiting.forEach((task, i) => {
      this.#columns.onDecision(nowMs - this.#seen.takenAtMs);
      const decision = decisions[i] ?? QUEUE;
      this.#options.onDecision?.(task, decision, this.#seen);
      if (decision === QUEUE) this.#gateway.wait(task);
      else this.#dispatch(task, decision);
    });
  }

  #plan({ node, atMs, forMs }: NodeFailure): void {
    requireSetting(node in this.#nodes, "failures.node", node, "the index of a node");
    this.#simulation.scheduleAt(atMs, () => this.#failNode(node));
    this.#simulation.scheduleAt(atMs + forMs, () => {
      this.#nodes[node]?.recover();
      this.#candidates.invalidate();
      this.#pumpGateway();
      this.#migrate();
    });
  }

  /** Asks the migrator, and makes its moves. */
  #migrate(): void {
    const { migrator } = this.#options;
    const migrations = this.#migrations;
    if (migrator === undefined || migrations === undefined) return;
    this.#live.nowMs = this.#simulation.nowMs();
    migrations.begin(migrator.plan(this.#live, migrations.jobs()));
  }

  #openMigrations(): Migrations {
    const simulation = this.#simulation;
    return new Migrations({
      view: this.#live,
      nodes: this.#nodes,
      nowMs: () => simulation.nowMs(),
      after: (delayMs, then) => simulation.scheduleAfter(delayMs, then),
      pullImage: (node, functionIndex, done) => this.pullImage(node, functionIndex, done),
      transferState: (from, to, sizeKb, done) =>
        this.#transfers.betweenNodes(from, to, sizeKb, done),
      count: (task, node, by) => this.#count(task, node, by),
      arrive: (task, node, epoch) => this.#arrive(task, node, epoch),
      onFreed: (node) => {
        this.#nodes[node]?.pump();
        this.#pumpGateway();
      },
    });
  }

  #failNode(node: number): void {
    const runtime = this.#nodes[node] as NodeRuntime;
    if (this.#live.up[node] === 0) return;
    const lost = runtime.fail();
    this.#candidates.invalidate();
    for (const task of lost) this.#loseAt(task, node);
    this.#migrate();
  }

  /** The node is gone under a request that was on it or on its way to it. */
  #loseAt(task: Task, node: number): void {
    const view = this.#live;
    if (task.reserved !== undefined) {
      if (!task.reserved.includes(node)) return;
      // Only a place is lost; the request still has the others, if any.
      this.#count(task, node, -1);
      view.queued[node] = (view.queued[node] as number) - 1;
      task.reserved = task.reserved.filter((other) => other !== node);
      if (task.reserved.length > 0) return;
    } else if (task.node === node) {
      this.#count(task, node, -1);
      const from = task.isStarted ? view.running : view.queued;
      from[node] = (from[node] as number) - 1;
      if (task.isStarted) {
        task.workMs -= (this.#nodes[node] as NodeRuntime).checkpointedMs(task);
      } else {
        task.workMs += task.unsavedMs;
        task.unsavedMs = 0;
      }
    } else {
      return;
    }
    task.epoch++;
    task.attempt++;
    task.reserved = undefined;
    task.node = -1;
    task.isStarted = false;
    task.container = undefined;
    if (task.attempt <= (this.#options.retriesMax ?? 3)) {
      this.#columns.retryCount++;
      this.#place(task);
    } else {
      this.#columns.lostCount++;
      this.#releaseQuota(task);
    }
  }

  #badDecision(task: Task, node: number): CncError {
    const scheduler = this.#scheduler.name;
    const { name } = this.#live.fn(task.functionIndex);
    const problem = `node ${node} is not a candidate of ${name} (request ${task.id})`;
    return new CncError(`scheduler ${scheduler} broke the mask: ${problem}`, {
      code: "BAD_DECISION",
      scheduler,
      node,
      problem,
    });
  }
}
