import type { CpuShare, ExpertSource } from "../engine/interfaces.ts";
import type { Routing } from "./routing.ts";
import type { Scheduler } from "./scheduler.ts";

/** The engine's source of experts: what a scheduler brings over its lane. */
export class OffloadSource implements ExpertSource {
  readonly allResident: boolean;
  readonly readyFirst: boolean;
  readonly scheduler: Scheduler;

  /** @param allResident  the policy keeps every expert where `pool.residentSlot` says */
  constructor(scheduler: Scheduler, options: { allResident: boolean; readyFirst: boolean }) {
    this.scheduler = scheduler;
    this.allResident = options.allResident;
    this.readyFirst = options.readyFirst;
  }

  get cpuShare(): CpuShare | undefined {
    return this.scheduler.cpuShare;
  }

  request(routing: Routing, slots: Int32Array): void {
    this.scheduler.demand(routing);
    slots.set(this.scheduler.slots);
  }

  lookAhead(): void {
    this.scheduler.lookAhead();
  }

  isReady(index: number): boolean {
    return this.scheduler.isReady(index);
  }

  waitFor(index: number): void {
    this.scheduler.waitFor(index);
  }

  release(): void {
    this.scheduler.release();
  }
}
