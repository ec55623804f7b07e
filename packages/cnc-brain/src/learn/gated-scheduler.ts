import { createPrng } from "@fmlab/sim";
import { createScheduler } from "../scheduling/registry.ts";
import type { Decision, PlacementRequest, Scheduler } from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import { capacityOf } from "../workload/build-cluster.ts";
import { meanRttMs, nearestCell, type PolicyGate } from "./gate.ts";
import type { RoundMemory, RoundScheduler } from "./learned-scheduler.ts";

/** What arrived so long ago counts 1/e in the load; a load is known after a part of it. */
const MEMORY_MS = 120_000;
const KNOWN_AFTER_MS = 20_000;

/**
 * A learned policy that acts only where its gate lets it; elsewhere the cell's best baseline does.
 * The cell is told by the network's round trips and the load that is seen: expected work of the
 * requests that arrived lately over the cluster's capacity. Until a load is known the policy acts
 * only if no cell of the network is closed.
 */
export class GatedScheduler implements RoundScheduler {
  readonly name: string;
  readonly #learned: RoundScheduler;
  readonly #gate: PolicyGate;
  readonly #baselines = new Map<string, Scheduler>();
  #acting: Scheduler;
  #view: ClusterView | undefined;
  #rttMs = 0;
  #capacity = 1;
  /** Expected core time of what arrived, fading; since when, and up to which request. */
  #workMs = 0;
  #sinceMs = 0;
  #lastMs = 0;
  #lastId = -1;

  constructor(learned: RoundScheduler, gate: PolicyGate) {
    this.name = learned.name;
    this.#learned = learned;
    this.#gate = gate;
    this.#acting = learned;
  }

  /** Of whoever acts; the simulator and adapters ask each time. */
  get roundMs(): number {
    return this.#acting.roundMs ?? this.#learned.roundMs;
  }

  /** Of the learned policy. */
  get memory(): RoundMemory {
    return this.#learned.memory;
  }

  /** Whether the learned policy acts now. */
  get isLearned(): boolean {
    return this.#acting === this.#learned;
  }

  place(request: PlacementRequest, view: ClusterView): Decision {
    this.#decideWhoActs([request], view);
    return this.#acting.place(request, view);
  }

  placeBatch(requests: readonly PlacementRequest[], view: ClusterView): Decision[] {
    this.#decideWhoActs(requests, view);
    const acting = this.#acting;
    if (acting.placeBatch !== undefined) return acting.placeBatch(requests, view);
    return requests.map((request) => acting.place(request, view));
  }

  #decideWhoActs(requests: readonly PlacementRequest[], view: ClusterView): void {
    if (view !== this.#view) this.#meet(view);
    for (const { id, functionIndex } of requests) {
      if (id <= this.#lastId) continue;
      this.#lastId = id;
      const { meanDurationMs, cores } = view.fn(functionIndex);
      this.#fade(view.nowMs);
      this.#workMs += meanDurationMs * cores;
    }
    this.#fade(view.nowMs);
    const cell = nearestCell(this.#gate, { rttMs: this.#rttMs, load: this.#loadAt(view.nowMs) });
    const isOpen = cell?.isLearned ?? true;
    this.#acting = isOpen || cell === undefined ? this.#learned : this.#baseline(cell.fallback);
  }

  #meet(view: ClusterView): void {
    this.#view = view;
    this.#rttMs = meanRttMs(view);
    this.#capacity = Math.max(1e-9, capacityOf(view.nodes));
    this.#workMs = 0;
    this.#sinceMs = view.nowMs;
    this.#lastMs = view.nowMs;
    this.#lastId = -1;
  }

  #fade(nowMs: number): void {
    this.#workMs *= Math.exp(-(nowMs - this.#lastMs) / MEMORY_MS);
    this.#lastMs = nowMs;
  }

  #loadAt(nowMs: number): number {
    const seenMs = nowMs - this.#sinceMs;
    if (seenMs >= KNOWN_AFTER_MS) {
      // A memory that is not full yet has less to fade from.
      const fullMs = MEMORY_MS * (1 - Math.exp(-seenMs / MEMORY_MS));
      return this.#workMs / fullMs / this.#capacity;
    }
    return this.#loadOfClosed() ?? 1;
  }

  /** Load of the first closed cell of this network, if it has one. */
  #loadOfClosed(): number | undefined {
    const loads = this.#gate.map(({ load }) => load);
    return loads.find((load) => {
      const cell = nearestCell(this.#gate, { rttMs: this.#rttMs, load });
      return cell !== undefined && !cell.isLearned;
    });
  }

  #baseline(name: string): Scheduler {
    let baseline = this.#baselines.get(name);
    if (baseline === undefined) {
      baseline = createScheduler(name, createPrng(1, "fall-back"));
      this.#baselines.set(name, baseline);
    }
    return baseline;
  }
}
