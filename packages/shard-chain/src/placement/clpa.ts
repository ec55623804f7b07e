import type { Address, ShardId } from "../ledger/address.ts";
import type { Placement } from "./placement.ts";
import type { TransferGraph } from "./transfer-graph.ts";

/** CLPA's constants, with the values of BlockEmulator. */
export interface ClpaOptions {
  /** How much a loaded shard repels, 0.5. */
  readonly beta?: number;
  /** Rounds over all accounts, 100. */
  readonly iterations?: number;
  /** An account moves at most so often, 50. */
  readonly movesMax?: number;
  /**
   * Our variant: an account also weighs staying, and moves only where it scores higher. In
   * BlockEmulator it scores the other shards only and always moves, so that accounts go to and
   * fro. Default false.
   */
  readonly mayStay?: boolean;
}

/** A new placement, and what it took. */
export interface ClpaResult {
  readonly placement: Placement;
  /** Accounts whose shard has changed, with the new one: what an epoch has to migrate. */
  readonly moved: ReadonlyMap<Address, ShardId>;
  /** Deals that cross shards now. */
  readonly crossDeals: number;
}

/**
 * Constrained label propagation: accounts move next to those they deal with, away from loaded
 * shards. An account v scores shard k among its neighbours' shards (other than its own) by
 *
 *     |E(v,k)| / |E(v)| x (1 - beta W_k / min_j W_j)
 *
 * where E are deals and W_k counts the deals within k and those that leave it, and moves to the
 * best (of equals, the lowest number), never leaving a shard empty. Accounts take their turns by
 * rising address: the result is a function of the graph and the placement, unlike BlockEmulator's,
 * which follows the random order of Go's maps. A load of 0 counts as 1 in the quotient.
 *
 * @see CLPA (SRDS 2022), by the implementation in HuangLab-SYSU/block-emulator
 */
export function runClpa(
  graph: TransferGraph,
  before: Placement,
  { beta = 0.5, iterations = 100, movesMax = 50, mayStay = false }: ClpaOptions = {},
): ClpaResult {
  const partition = new Partition(graph, before);
  const moves = new Int32Array(graph.addresses.length);
  for (let iteration = 0; iteration < iterations; iteration++) {
    let movedCount = 0;
    for (let v = 0; v < graph.addresses.length; v++) {
      if ((moves[v] as number) >= movesMax) continue;
      const target = partition.bestShardFor(v, beta, mayStay);
      if (target === undefined || !partition.move(v, target)) continue;
      moves[v] = (moves[v] as number) + 1;
      movedCount++;
    }
    // Nothing depends on the round's number: once nobody moves, nobody will.
    if (movedCount === 0) break;
  }
  return partition.result();
}

/** Which shard each account is in, and the loads that follow. */
class Partition {
  readonly #graph: TransferGraph;
  readonly #before: Placement;
  readonly #shards: Int32Array;
  readonly #sizes: Int32Array;
  /** W_k. */
  readonly #loads: Float64Array;
  /** Deals of the account at hand with each shard. */
  readonly #deals: Int32Array;

  constructor(graph: TransferGraph, before: Placement) {
    this.#graph = graph;
    this.#before = before;
    this.#shards = Int32Array.from(graph.addresses, (address) => before.shardOf(address));
    this.#sizes = new Int32Array(before.shardCount);
    this.#loads = new Float64Array(before.shardCount);
    this.#deals = new Int32Array(before.shardCount);
    this.#shards.forEach((shard, v) => {
      this.#sizes[shard] = (this.#sizes[shard] as number) + 1;
      this.#eachNeighbour(v, (other, weight) => {
        // Each deal comes twice, once from either side: one within a shard counts half each time.
        this.#addLoad(shard, this.#shards[other] === shard ? weight / 2 : weight);
      });
    });
  }

  bestShardFor(v: number, beta: number, mayStay: boolean): ShardId | undefined {
    const own = this.#shards[v] as number;
    this.#deals.fill(0);
    this.#eachNeighbour(v, (other, weight) => {
      const shard = this.#shards[other] as number;
      this.#deals[shard] = (this.#deals[shard] as number) + weight;
    });
    const least = Math.max(1, Math.min(...this.#loads));
    let best: ShardId | undefined;
    let bestScore = Number.NEGATIVE_INFINITY;
    const consider = (shard: ShardId) => {
      const share = (this.#deals[shard] as number) / (this.#graph.degrees[v] as number);
      const score = share * (1 - (beta * (this.#loads[shard] as number)) / least);
      if (score > bestScore) [best, bestScore] = [shard, score];
    };
    // Its own shard comes first, so that of equals it wins.
    if (mayStay) consider(own);
    for (let shard = 0; shard < this.#deals.length; shard++) {
      if (shard !== own && (this.#deals[shard] as number) > 0) consider(shard);
    }
    return best === own ? undefined : best;
  }

  /** Moves an account unless it is the last of its shard. */
  move(v: number, target: ShardId): boolean {
    const own = this.#shards[v] as number;
    if ((this.#sizes[own] as number) <= 1) return false;
    this.#sizes[own] = (this.#sizes[own] as number) - 1;
    this.#sizes[target] = (this.#sizes[target] as number) + 1;
    this.#eachNeighbour(v, (other, weight) => {
      const shard = this.#shards[other] as number;
      if (shard !== own) this.#addLoad(own, -weight);
      if (shard !== target) this.#addLoad(target, weight);
    });
    this.#shards[v] = target;
    return true;
  }

  result(): ClpaResult {
    const { addresses } = this.#graph;
    const moved = new Map<Address, ShardId>();
    let crossDeals = 0;
    addresses.forEach((address, v) => {
      const shard = this.#shards[v] as number;
      if (shard !== this.#before.shardOf(address)) moved.set(address, shard);
      this.#eachNeighbour(v, (other, weight) => {
        if (other > v && this.#shards[other] !== shard) crossDeals += weight;
      });
    });
    return { placement: reallocated(this.#before, moved), moved, crossDeals };
  }

  #addLoad(shard: ShardId, weight: number): void {
    this.#loads[shard] = (this.#loads[shard] as number) + weight;
  }

  #eachNeighbour(v: number, visit: (other: number, weight: number) => void): void {
    const { starts, neighbours, weights } = this.#graph;
    const end = starts[v + 1] as number;
    for (let at = starts[v] as number; at < end; at++) {
      visit(neighbours[at] as number, weights[at] as number);
    }
  }
}

/** A placement with some accounts elsewhere. */
export function reallocated(before: Placement, moved: ReadonlyMap<Address, ShardId>): Placement {
  return {
    shardCount: before.shardCount,
    shardOf: (address) => moved.get(address) ?? before.shardOf(address),
  };
}
