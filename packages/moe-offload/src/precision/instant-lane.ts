import type { FinishedLoad, Lane, Urgency } from "../offload/lane.ts";
import type { ExpertKey } from "../offload/routing.ts";

/**
 * A lane on which every load ends when it is submitted and no time passes: for questions that only
 * ask who is resident, such as hit rates.
 */
export class InstantLane implements Lane {
  readonly prefetchesPending = 0;
  readonly pending = 0;
  #finished: FinishedLoad[] = [];

  nowMs(): number {
    return 0;
  }

  submit(key: ExpertKey, slot: number, urgency: Urgency): void {
    this.#finished.push({ key, slot, bytes: 0, urgency, submittedMs: 0, startMs: 0, endMs: 0 });
  }

  promote(): void {}

  withdraw(): boolean {
    return false;
  }

  isReady(): boolean {
    return true;
  }

  waitFor(): void {}

  drain(take: (load: FinishedLoad) => void): void {
    const finished = this.#finished;
    this.#finished = [];
    for (const load of finished) take(load);
  }
}
