import { Simulation } from "@fmlab/sim";
import { requireSetting } from "../errors.ts";
import { quantileOf } from "../simulator/summary.ts";
import type { Autoscaler } from "./autoscaler.ts";

/** One function behind an autoscaler. */
export interface ReplicaOptions {
  arrivalMs: ArrayLike<number>;
  durationMs: ArrayLike<number>;
  autoscaler: Autoscaler;
  /** Requests a replica works on at once. */
  concurrency: number;
  /** From the decision to a replica that takes requests. */
  startMs: number;
  replicasMax: number;
  initialReplicas?: number;
}

/** What the autoscaler achieved. */
export interface ReplicaResult {
  responseMs: Float64Array;
  responseMsMean: number;
  responseMsP95: number;
  /** Time of all replicas, ready or starting, until the last answer. */
  replicaSeconds: number;
  replicasMost: number;
  /** Decisions that changed the number. */
  changes: number;
}

/**
 * Requests of one function, first come first served, by as many replicas as its autoscaler wants.
 * From zero, an arrival makes one replica wanted at once (the activator's part). Replicas that are
 * no longer wanted finish what they work on.
 */
export function simulateReplicas(options: ReplicaOptions): ReplicaResult {
  requireSetting(options.concurrency >= 1, "concurrency", options.concurrency, "at least 1");
  requireSetting(options.replicasMax >= 1, "replicasMax", options.replicasMax, "at least 1");
  return new ReplicaSimulation(options).run();
}

class ReplicaSimulation {
  readonly #options: ReplicaOptions;
  readonly #simulation = new Simulation();
  readonly #responseMs: Float64Array;
  readonly #waiting: number[] = [];
  #ready: number;
  #starting = 0;
  #running = 0;
  #wanted: number;
  #done = 0;
  #integratedMs = 0;
  #replicaMs = 0;
  /** Since the last tick. */
  #tick = { atMs: 0, concurrencyMs: 0, busyMs: 0, capacityMs: 0, arrivals: 0 };
  #replicasMost: number;
  #changes = 0;

  constructor(options: ReplicaOptions) {
    this.#options = options;
    this.#responseMs = new Float64Array(options.arrivalMs.length);
    this.#ready = options.initialReplicas ?? 1;
    this.#wanted = this.#ready;
    this.#replicasMost = this.#ready;
  }

  run(): ReplicaResult {
    const { arrivalMs, autoscaler } = this.#options;
    const count = arrivalMs.length;
    this.#simulation.scheduleAfter(autoscaler.tickMs, () => this.#decide());
    for (let id = 0; id < count; id++) {
      this.#simulation.runUntil(arrivalMs[id] as number);
      this.#arrive(id);
    }
    while (this.#done < count && this.#simulation.runNext());
    const sorted = this.#responseMs.slice().sort();
    return {
      responseMs: this.#responseMs,
      responseMsMean: sorted.reduce((a, b) => a + b, 0) / count,
      responseMsP95: quantileOf(sorted, 0.95),
      replicaSeconds: this.#replicaMs / 1000,
      replicasMost: this.#replicasMost,
      changes: this.#changes,
    };
  }

  #arrive(id: number): void {
    this.#integrate();
    this.#tick.arrivals++;
    this.#waiting.push(id);
    if (this.#wanted === 0) this.#scaleTo(1);
    this.#work();
  }

  #work(): void {
    while (this.#waiting.length > 0 && this.#running < this.#ready * this.#options.concurrency) {
      const id = this.#waiting.shift() as number;
      this.#running++;
      this.#simulation.scheduleAfter(this.#options.durationMs[id] as number, () => {
        this.#integrate();
        this.#running--;
        this.#done++;
        const arrivedMs = this.#options.arrivalMs[id] as number;
        this.#responseMs[id] = this.#simulation.nowMs() - arrivedMs;
        this.#work();
      });
    }
  }

  #decide(): void {
    this.#integrate();
    const { autoscaler, replicasMax } = this.#options;
    const nowMs = this.#simulation.nowMs();
    const passedMs = nowMs - this.#tick.atMs;
    const wish = autoscaler.desired({
      nowMs,
      ready: this.#ready,
      wanted: this.#wanted,
      concurrency: this.#tick.concurrencyMs / passedMs,
      ratePerSecond: (this.#tick.arrivals * 1000) / passedMs,
      utilisation: this.#tick.capacityMs === 0 ? 0 : this.#tick.busyMs / this.#tick.capacityMs,
    });
    this.#tick = { atMs: nowMs, concurrencyMs: 0, busyMs: 0, capacityMs: 0, arrivals: 0 };
    this.#scaleTo(Math.min(replicasMax, Math.max(0, wish)));
    // The autoscaler ticks while anything is left to serve.
    if (this.#done < this.#options.arrivalMs.length) {
      this.#simulation.scheduleAfter(autoscaler.tickMs, () => this.#decide());
    }
  }

  #scaleTo(wanted: number): void {
    if (wanted !== this.#wanted) this.#changes++;
    this.#wanted = wanted;
    // Starting replicas come too late to be stopped; what is ready goes at once.
    for (let more = wanted - this.#ready - this.#starting; more > 0; more--) {
      this.#starting++;
      this.#simulation.scheduleAfter(this.#options.startMs, () => {
        this.#integrate();
        this.#starting--;
        if (this.#ready < this.#wanted) this.#ready++;
        this.#work();
      });
    }
    this.#ready = Math.min(this.#ready, wanted);
    this.#replicasMost = Math.max(this.#replicasMost, this.#ready + this.#starting);
  }

  #integrate(): void {
    const nowMs = this.#simulation.nowMs();
    const passedMs = nowMs - this.#integratedMs;
    this.#integratedMs = nowMs;
    const finishing = Math.ceil(this.#running / this.#options.concurrency);
    this.#replicaMs += (Math.max(this.#ready, finishing) + this.#starting) * passedMs;
    this.#tick.concurrencyMs += (this.#running + this.#waiting.length) * passedMs;
    this.#tick.busyMs += this.#running * passedMs;
    this.#tick.capacityMs += this.#ready * this.#options.concurrency * passedMs;
  }
}
