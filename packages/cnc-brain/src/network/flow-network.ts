import type { ScheduledAction, Simulation } from "@fmlab/sim";
import { maxMinRates } from "./max-min.ts";

/** Bytes a link of 1 Mbit/s moves in a millisecond. */
const BYTES_PER_MS_PER_MBPS = 125;

interface Flow {
  path: Int32Array;
  leftBytes: number;
  bytesPerMs: number;
  /** When `leftBytes` was true. */
  sinceMs: number;
  finish: ScheduledAction | undefined;
  done: () => void;
}

/**
 * Transfers over shared links in virtual time: at every moment each flow has its max-min fair rate.
 *
 * When a flow starts or ends, only flows that share a link with it, directly or through others, can
 * change their rates; only those are computed again.
 */
export class FlowNetwork {
  readonly #simulation: Simulation;
  readonly #capacity: Float64Array;
  readonly #flowsOf: Set<Flow>[];
  #activeCount = 0;

  /** @param capacityMbps by directed link; Infinity for links that never limit */
  constructor(simulation: Simulation, capacityMbps: Float64Array) {
    this.#simulation = simulation;
    this.#capacity = capacityMbps.map((mbps) => mbps * BYTES_PER_MS_PER_MBPS);
    this.#flowsOf = Array.from(capacityMbps, () => new Set<Flow>());
  }

  /** How many transfers are under way. */
  get activeCount(): number {
    return this.#activeCount;
  }

  /** Rate of each active flow over a link, bytes per ms. */
  ratesOn(link: number): number[] {
    return [...(this.#flowsOf[link] ?? [])].map(({ bytesPerMs }) => bytesPerMs);
  }

  /** Starts a transfer; `done` runs when its last byte has left. At once for nothing to move. */
  start(path: Int32Array, sizeBytes: number, done: () => void): void {
    const nowMs = this.#simulation.nowMs();
    const limited = path.filter((link) => this.#capacity[link] !== Number.POSITIVE_INFINITY);
    if (limited.length === 0 || sizeBytes <= 0) {
      this.#simulation.scheduleAt(nowMs, done);
      return;
    }
    const flow: Flow = {
      path: limited,
      leftBytes: sizeBytes,
      bytesPerMs: 0,
      sinceMs: nowMs,
      finish: undefined,
      done,
    };
    for (const link of limited) this.#flowsOf[link]?.add(flow);
    this.#activeCount++;
    this.#share(limited);
  }

  #end(flow: Flow): void {
    for (const link of flow.path) this.#flowsOf[link]?.delete(flow);
    this.#activeCount--;
    this.#share(flow.path);
    flow.done();
  }

  /** Gives every flow its new rate that is connected with these links. */
  #share(links: Int32Array): void {
    const flows = this.#connected(links);
    if (flows.length === 0) return;
    const nowMs = this.#simulation.nowMs();
    const rates = maxMinRates(
      flows.map(({ path }) => path),
      this.#capacity,
    );
    flows.forEach((flow, i) => {
      const rate = rates[i] as number;
      if (rate === flow.bytesPerMs) return;
      flow.leftBytes = Math.max(0, flow.leftBytes - flow.bytesPerMs * (nowMs - flow.sinceMs));
      flow.sinceMs = nowMs;
      flow.bytesPerMs = rate;
      if (flow.finish !== undefined) this.#simulation.cancel(flow.finish);
      flow.finish = this.#simulation.scheduleAt(nowMs + flow.leftBytes / rate, () =>
        this.#end(flow),
      );
    });
  }

  #connected(links: Int32Array): Flow[] {
    const flows = new Set<Flow>();
    const seen = new Set<number>(links);
    const waiting = [...links];
    for (let link = waiting.pop(); link !== undefined; link = waiting.pop()) {
      for (const flow of this.#flowsOf[link] ?? []) {
        if (flows.has(flow)) continue;
        flows.add(flow);
        for (const other of flow.path) {
          if (seen.has(other)) continue;
          seen.add(other);
          waiting.push(other);
        }
      }
    }
    return [...flows];
  }
}
