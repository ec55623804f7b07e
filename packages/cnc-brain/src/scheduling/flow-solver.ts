import { EventQueue } from "@fmlab/sim";

interface Arc {
  to: number;
  capacity: number;
  cost: number;
  /** Index of the opposite arc in `arcs`. */
  back: number;
}

/** A flow and what it costs. */
export interface FlowResult {
  amount: number;
  cost: number;
}

/**
 * Cheapest largest flow by successive shortest paths with potentials (Dijkstra on reduced costs).
 *
 * @see Ahuja, Magnanti, Orlin 1993, Network Flows, 9.7
 * Cost: O(augmentations x arcs x log nodes).
 */
export class MinCostFlow {
  readonly #arcs: Arc[] = [];
  readonly #out: number[][];

  constructor(nodeCount: number) {
    this.#out = Array.from({ length: nodeCount }, () => []);
  }

  /** @param cost of one unit, at least 0. Returns the arc's number, for `flowOn`. */
  addArc(from: number, to: number, capacity: number, cost: number): number {
    const index = this.#arcs.length;
    this.#arcs.push({ to, capacity, cost, back: index + 1 });
    this.#arcs.push({ to: from, capacity: 0, cost: -cost, back: index });
    this.#out[from]?.push(index);
    this.#out[to]?.push(index + 1);
    return index;
  }

  /** Units sent over an arc. */
  flowOn(arc: number): number {
    return this.#arcs[arc + 1]?.capacity ?? 0;
  }

  /** Sends as much as fits from one node to another, at the least cost. */
  solve(source: number, sink: number): FlowResult {
    const potential = new Float64Array(this.#out.length);
    const result = { amount: 0, cost: 0 };
    for (;;) {
      const path = this.#shortest(source, sink, potential);
      if (path === undefined) return result;
      const amount = Math.min(...path.map((arc) => (this.#arcs[arc] as Arc).capacity));
      for (const index of path) {
        const arc = this.#arcs[index] as Arc;
        arc.capacity -= amount;
        (this.#arcs[arc.back] as Arc).capacity += amount;
        result.cost += amount * arc.cost;
      }
      result.amount += amount;
    }
  }

  /** Arcs of a cheapest path with room, from source to sink; raises the potentials by distance. */
  #shortest(source: number, sink: number, potential: Float64Array): number[] | undefined {
    const distance = new Float64Array(this.#out.length).fill(Number.POSITIVE_INFINITY);
    const through = new Int32Array(this.#out.length).fill(-1);
    const queue = new EventQueue<number>();
    distance[source] = 0;
    queue.push(0, source);
    for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
      const at = next.value;
      if (next.atMs > (distance[at] as number)) continue;
      for (const index of this.#out[at] ?? []) {
        const { to, capacity, cost } = this.#arcs[index] as Arc;
        if (capacity === 0) continue;
        // Rounding may leave a reduced cost just below 0.
        const reduced = cost + (potential[at] as number) - (potential[to] as number);
        const total = next.atMs + Math.max(0, reduced);
        if (total >= (distance[to] as number)) continue;
        distance[to] = total;
        through[to] = index;
        queue.push(total, to);
      }
    }
    if (through[sink] === -1) return undefined;
    distance.forEach((d, i) => {
      const farthest = Math.min(d, distance[sink] as number);
      potential[i] = (potential[i] as number) + farthest;
    });
    const path: number[] = [];
    for (let at = sink; at !== source; ) {
      const index = through[at] as number;
      path.push(index);
      at = this.#arcs[(this.#arcs[index] as Arc).back]?.to ?? source;
    }
    return path;
  }
}
