import type { Cluster } from "../cluster/cluster.ts";
import type { ClusterConfig } from "../definitions/cluster.ts";
import type { NodeId } from "../node/host.ts";

/** A time in which some validators were gone or cut off; the cluster's ms. */
export interface FaultSpan {
  readonly node: NodeId;
  readonly what: "killed" | "catching up" | "cut off";
  readonly startMs: number;
  readonly endMs: number;
}

type FaultTimes = Pick<
  ClusterConfig,
  "killAtSeconds" | "restartAtSeconds" | "partitionAtSeconds" | "healAtSeconds"
>;

/** How often a waiting fault looks, ms. */
const LOOK_MS = 50;
/** A validator is up with its chain when it misses no more blocks than may be on their way. */
const BLOCKS_BEHIND_MAX = 1;

/** What happens to a cluster's validators and when: kills and restarts, one partition. */
export class FaultPlan {
  readonly spans: FaultSpan[] = [];
  /** Blocks of the slowest chain while one of its validators was dead. */
  blocksDuringOutage: number | undefined;
  /** Slowest catching up after a restart, ms. */
  catchUpMs: number | undefined;
  readonly #cluster: Cluster;
  readonly #times: FaultTimes;
  #signal: AbortSignal | undefined;
  /** Since when validators are dead that have not come back, by node. */
  readonly #deadSinceMs = new Map<NodeId, number>();

  constructor(cluster: Cluster, times: FaultTimes) {
    this.#cluster = cluster;
    this.#times = times;
  }

  /**
   * Acts it all out; resolves when every restarted validator has caught up.
   *
   * @throws ShardChainError `VALIDATOR_FAILED` when one cannot start again
   */
  async act(startMs: number, signal: AbortSignal): Promise<void> {
    this.#signal = signal;
    await Promise.all([this.#killAndRestart(startMs), this.#partition(startMs)]);
  }

  /** The run is over: whoever has not come back never will. */
  end(nowMs: number): void {
    for (const [node, startMs] of this.#deadSinceMs) {
      this.spans.push({ node, what: "killed", startMs, endMs: nowMs });
    }
    this.#deadSinceMs.clear();
  }

  /** Waits until every validator has the blocks that some validator of its chain has now. */
  async waitForAll(untilMs: number, pace: () => Promise<void>): Promise<void> {
    const wanted = this.#chains().map((nodes) => this.#highest(nodes));
    const isMissing = () =>
      this.#chains().some((nodes, chain) =>
        nodes.some(
          (node) => this.#isUp(node) && this.#cluster.heightOf(node) < (wanted[chain] ?? 0),
        ),
      );
    while (isMissing() && this.#cluster.nowMs() < untilMs) await pace();
  }

  async #killAndRestart(startMs: number): Promise<void> {
    const { killAtSeconds, restartAtSeconds } = this.#times;
    if (killAtSeconds === 0) return;
    if (!(await this.#until(startMs + 1_000 * killAtSeconds))) return;
    const victims = this.#chains().map((nodes, chain) => nodes[chain % nodes.length] as NodeId);
    await Promise.all(victims.map((node) => this.#cluster.kill(node)));
    const killedMs = this.#cluster.nowMs();
    for (const node of victims) this.#deadSinceMs.set(node, killedMs);
    const before = this.#chains().map((nodes) => this.#highest(nodes));
    if (restartAtSeconds === 0) return;
    if (!(await this.#until(startMs + 1_000 * restartAtSeconds))) return;
    const grown = this.#chains().map((nodes, i) => this.#highest(nodes) - (before[i] ?? 0));
    this.blocksDuringOutage = Math.min(...grown);
    await Promise.all(victims.map((node, chain) => this.#bringBack(node, chain, killedMs)));
  }

  async #bringBack(node: NodeId, chain: number, killedMs: number): Promise<void> {
    const { openedMs } = await this.#cluster.restart(node);
    this.#deadSinceMs.delete(node);
    this.spans.push({ node, what: "killed", startMs: killedMs, endMs: openedMs });
    const nodes = this.#chains()[chain] ?? [];
    const isBehind = () => this.#cluster.heightOf(node) < this.#highest(nodes) - BLOCKS_BEHIND_MAX;
    while (isBehind() && !this.#signal?.aborted) await this.#cluster.sleep(LOOK_MS);
    const nowMs = this.#cluster.nowMs();
    this.spans.push({ node, what: "catching up", startMs: openedMs, endMs: nowMs });
    this.catchUpMs = Math.max(this.catchUpMs ?? 0, nowMs - openedMs);
  }

  /** Two halves of every committee: none has a quorum, so no chain can go on until it heals. */
  async #partition(startMs: number): Promise<void> {
    const { partitionAtSeconds, healAtSeconds } = this.#times;
    if (partitionAtSeconds === 0 || healAtSeconds <= partitionAtSeconds) return;
    if (!(await this.#until(startMs + 1_000 * partitionAtSeconds))) return;
    const halves = [0, 1].map((half) =>
      this.#chains().flatMap((nodes) => nodes.filter((_, i) => i % 2 === half)),
    );
    this.#cluster.partition(halves);
    const cutMs = this.#cluster.nowMs();
    await this.#until(startMs + 1_000 * healAtSeconds);
    this.#cluster.partition([]);
    const endMs = this.#cluster.nowMs();
    for (const node of halves.flat()) {
      this.spans.push({ node, what: "cut off", startMs: cutMs, endMs });
    }
  }

  /** False when the run was cancelled before. */
  async #until(atMs: number): Promise<boolean> {
    while (this.#cluster.nowMs() < atMs && !this.#signal?.aborted) {
      await this.#cluster.sleep(LOOK_MS);
    }
    return this.#signal?.aborted !== true;
  }

  #chains(): NodeId[][] {
    const { topology, directory } = this.#cluster.site;
    return topology.chains.map(({ id }) => directory.nodesOf(id));
  }

  #highest(nodes: readonly NodeId[]): number {
    return Math.max(...nodes.map((node) => this.#cluster.heightOf(node)));
  }

  #isUp(node: NodeId): boolean {
    return this.#cluster.pidOf(node) !== undefined;
  }
}
