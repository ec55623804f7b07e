import type { ClusterView } from "./cluster-view.ts";
import { type Migration, noMigrations, type RunningJob } from "./migrator.ts";
import type { NodeRuntime } from "./node-runtime.ts";
import type { Task } from "./task.ts";

/** What moves need of the cluster around them. */
export interface MigrationHost {
  readonly view: ClusterView;
  readonly nodes: readonly NodeRuntime[];
  nowMs(): number;
  after(delayMs: number, then: () => void): void;
  pullImage(node: number, functionIndex: number, done: () => void): void;
  /** Moves a job's state between two nodes. */
  transferState(from: number, to: number, sizeKb: number, done: () => void): void;
  /** Counts a request in (1) or out (-1) of what was sent to a node. */
  count(task: Task, node: number, by: 1 | -1): void;
  /** A request has come to its node, unless a failure made its attempt void. */
  arrive(task: Task, node: number, epoch: number): void;
  /** Something ended on a node: cores and memory are free. */
  onFreed(node: number): void;
}

/**
 * Executes moves. A job runs on while its image is fetched to the new node; then it stops, its
 * memory goes over the network, and it is started there with the work that is left: as long as a
 * cold start takes. Its state on arrival is a checkpoint. A container is started anew where it is
 * wanted, and its old one ends once the new one is ready.
 */
export class Migrations {
  readonly counts = noMigrations();
  readonly #host: MigrationHost;
  /** Jobs that are about to move or on their way. */
  readonly #moving = new Set<number>();

  constructor(host: MigrationHost) {
    this.#host = host;
  }

  /** Jobs at work that are not being moved already. */
  jobs(): RunningJob[] {
    return this.#host.nodes.flatMap((node) =>
      node.runningJobs().filter(({ id }) => !this.#moving.has(id)),
    );
  }

  /** Begins moves, in their order. */
  begin(moves: readonly Migration[]): void {
    for (const move of moves) {
      if (move.kind === "warm") this.#startElsewhere(move);
      else this.#moveJob(move);
    }
  }

  #startElsewhere(move: Extract<Migration, { kind: "warm" }>): void {
    const { functionIndex, from, to, keepMs } = move;
    const { view, nodes } = this.#host;
    this.#withImage(to, functionIndex, () => {
      if (nodes[to]?.startIdle(functionIndex, keepMs) !== true) {
        this.counts.refused++;
        return;
      }
      this.counts.containers++;
      this.#host.after(view.fn(functionIndex).coldStartMs, () => {
        nodes[from]?.endIdle(functionIndex);
        if (nodes[from] !== undefined) this.#host.onFreed(from);
      });
    });
  }

  #moveJob({ id, to }: Extract<Migration, { kind: "job" }>): void {
    const job = this.jobs().find((one) => one.id === id);
    const isPossible = job !== undefined && job.node !== to && this.#isOpen(job.functionIndex, to);
    if (!isPossible) {
      this.counts.refused++;
      return;
    }
    // As it is now: the job itself goes on meanwhile.
    const { node, functionIndex, executeMs } = job;
    this.#moving.add(id);
    this.#withImage(to, functionIndex, () => {
      const task = this.#host.nodes[node]?.runningJobs().find((one) => one.id === id);
      const isStill = task !== undefined && task.executeMs === executeMs;
      if (isStill && this.#isOpen(functionIndex, to)) this.#send(task, node, to);
      else {
        this.#moving.delete(id);
        this.counts.refused++;
      }
    });
  }

  /** Stops a job where it is and sends it on. */
  #send(task: Task, from: number, to: number): void {
    const { view, nodes } = this.#host;
    const { memoryMb } = view.fn(task.functionIndex);
    const stoppedAtMs = this.#host.nowMs();
    nodes[from]?.suspend(task);
    this.#host.count(task, from, -1);
    task.node = to;
    this.#host.count(task, to, 1);
    const { epoch } = task;
    this.counts.jobs++;
    this.counts.stateMb += memoryMb;
    this.#host.transferState(from, to, memoryMb * 1000, () => {
      this.#moving.delete(task.id);
      this.counts.stoppedMs += this.#host.nowMs() - stoppedAtMs;
      this.#host.arrive(task, to, epoch);
    });
    this.#host.onFreed(from);
  }

  #withImage(to: number, functionIndex: number, then: () => void): void {
    const { view } = this.#host;
    if (view.up[to] !== 1 || view.imageAt(to, functionIndex)) {
      then();
      return;
    }
    this.counts.pulls++;
    this.#host.pullImage(to, functionIndex, then);
  }

  #isOpen(functionIndex: number, to: number): boolean {
    const { view } = this.#host;
    return view.up[to] === 1 && view.fits(to, functionIndex);
  }
}
