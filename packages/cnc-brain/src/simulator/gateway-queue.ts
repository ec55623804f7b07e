import type { Task } from "./task.ts";
import { TaskQueue } from "./task-queue.ts";

/**
 * Requests at the gateway: those without a place, and those whose tenant has no quota left. Within
 * a function they keep their order; a function that finds no place does not hold up the others.
 */
export class GatewayQueue {
  readonly #waiting = new Map<number, TaskQueue>();
  readonly #withoutQuota = new Map<number, TaskQueue>();

  get isEmpty(): boolean {
    return this.#waiting.size === 0;
  }

  /** Whether a request of the function waits for a place. */
  hasWaiting(functionIndex: number): boolean {
    return this.#waiting.has(functionIndex);
  }

  wait(task: Task): void {
    enqueue(this.#waiting, task);
  }

  /** The earliest of all that wait for a place, functions in `without` left out. */
  first(without: ReadonlySet<number>): Task | undefined {
    let earliest: Task | undefined;
    for (const [functionIndex, queue] of this.#waiting) {
      if (without.has(functionIndex)) continue;
      const task = queue.peek() as Task;
      if (earliest === undefined || task.id < earliest.id) earliest = task;
    }
    return earliest;
  }

  /** Takes out the first request of a task's function, which is the task. */
  take(task: Task): void {
    dequeue(this.#waiting, task);
  }

  /** All that wait for a place, by arrival. */
  takeAll(): Task[] {
    const all = [...this.#waiting.values()].flatMap((queue) => queue.drain());
    this.#waiting.clear();
    return all.sort((a, b) => a.id - b.id);
  }

  waitForQuota(task: Task): void {
    enqueue(this.#withoutQuota, task);
  }

  /** The first request of each function that waits for quota, by turn, then by arrival. */
  inTurn(turn: (functionIndex: number) => number): Task[] {
    if (this.#withoutQuota.size === 0) return [];
    const firsts = [...this.#withoutQuota.values()].flatMap((queue) => queue.peek() ?? []);
    return firsts.sort((a, b) => turn(a.functionIndex) - turn(b.functionIndex) || a.id - b.id);
  }

  takeFromQuota(task: Task): void {
    dequeue(this.#withoutQuota, task);
  }
}

function enqueue(queues: Map<number, TaskQueue>, task: Task): void {
  let queue = queues.get(task.functionIndex);
  if (queue === undefined) {
    queue = new TaskQueue();
    queues.set(task.functionIndex, queue);
  }
  queue.push(task);
}

function dequeue(queues: Map<number, TaskQueue>, task: Task): void {
  const queue = queues.get(task.functionIndex);
  queue?.shift();
  if (queue?.size === 0) queues.delete(task.functionIndex);
}
