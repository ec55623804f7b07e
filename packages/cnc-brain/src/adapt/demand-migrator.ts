import { requireSetting } from "../errors.ts";
import { DemandTracker } from "../perception/demand.ts";
import type { PlacementRequest } from "../scheduling/scheduler.ts";
import type { ClusterView } from "../simulator/cluster-view.ts";
import type { Migration, Migrator, RunningJob } from "../simulator/migrator.ts";
import { planJobMoves, planMigration, type SiteDemand } from "./migration.ts";

/** How moves are planned. */
export interface DemandMigratorOptions {
  everyMs: number;
  /** How long the demand is expected to last. */
  horizonMs: number;
  /** At most so many moves of each kind at a time. */
  movesMax: number;
  /** How long a container that was started ahead is kept unused. */
  keepMs: number;
  allows: (functionIndex: number, node: number) => boolean;
}

/** Less demand than one request in the horizon is none. */
const LEAST_REQUESTS = 1;

/**
 * Moves what the demand of the last minutes wants elsewhere: when a node is lost or comes back,
 * warm containers are started where their users are served best; long jobs go to where they end
 * sooner, moving included, whenever such a place is free. What was warm on a node that is lost is
 * known from the time before.
 */
export class DemandMigrator implements Migrator {
  readonly everyMs: number;
  readonly #options: DemandMigratorOptions;
  #demand: DemandTracker | undefined;
  #sites = 0;
  /** Warm containers when the node was last seen up, `[node][function]`. */
  #warm = new Uint16Array(0);
  /** Nodes that were up at the last plan; empty: there was none. */
  #up = new Uint8Array(0);
  readonly #known = new Set<number>();

  /** @throws CncError `BAD_SETTING` */
  constructor(options: DemandMigratorOptions) {
    requireSetting(options.everyMs > 0, "everyMs", options.everyMs, "above 0");
    this.everyMs = options.everyMs;
    this.#options = options;
  }

  /** A request was placed: demand is what arrives, retries are not. */
  observe({ functionIndex, site, attempt, arrivalMs }: PlacementRequest, view: ClusterView): void {
    if (attempt > 0) return;
    this.#open(view).observe(functionIndex * this.#sites + site, arrivalMs);
    this.#known.add(functionIndex * this.#sites + site);
  }

  plan(view: ClusterView, jobs: readonly RunningJob[]): readonly Migration[] {
    const { keepMs, movesMax, allows } = this.#options;
    const isSame = this.#up.length === view.nodeCount && this.#up.every((x, i) => x === view.up[i]);
    this.#up = view.up.slice();
    const warmAt = (node: number, functionIndex: number) =>
      this.#warm[node * view.functionCount + functionIndex] as number;
    const containers = isSame
      ? []
      : planMigration(view, this.#demandOf(view), { ...this.#options, warmAt });
    // What a lost node had is asked for once.
    this.#warm.set(view.warm);
    return [
      ...containers.map(
        ({ functionIndex, from, to }): Migration => ({
          kind: "warm",
          functionIndex,
          from,
          to,
          keepMs,
        }),
      ),
      ...planJobMoves(view, jobs, { movesMax, allows }).map(
        ({ id, to }): Migration => ({ kind: "job", id, to }),
      ),
    ];
  }

  #demandOf(view: ClusterView): SiteDemand[] {
    const tracker = this.#open(view);
    return [...this.#known].flatMap((at) => {
      const ratePerSecond = tracker.rates(at, view.nowMs).lastFiveMinutes;
      if (ratePerSecond * this.#options.horizonMs < LEAST_REQUESTS * 1000) return [];
      const site = at % this.#sites;
      return [{ functionIndex: (at - site) / this.#sites, site, ratePerSecond }];
    });
  }

  #open(view: ClusterView): DemandTracker {
    this.#sites = view.network.siteNames.length;
    if (this.#warm.length === 0) this.#warm = view.warm.slice();
    this.#demand ??= new DemandTracker(view.functionCount * this.#sites);
    return this.#demand;
  }
}
