import { int32Column } from "../measurement/number-column.ts";

/** Kinds of dependencies, as numbers in a column. */
export const DEPENDENCY = { writeWrite: 0, writeRead: 1, readWrite: 2 } as const;

/** Who must come before whom, and on account of which key. Edges are numbered from 0. */
export class DependencyGraph {
  readonly nodeCount: number;
  readonly from = int32Column();
  readonly to = int32Column();
  readonly kind = int32Column();
  readonly key = int32Column();
  #starts: Int32Array | undefined;
  #edges: Int32Array = new Int32Array(0);

  constructor(nodeCount: number) {
    this.nodeCount = nodeCount;
  }

  /** Adds an edge; none to itself, and none from or to negative numbers (genesis). */
  add(from: number, to: number, kind: number, key: number): void {
    if (from < 0 || to < 0 || from === to) return;
    this.from.push(from);
    this.to.push(to);
    this.kind.push(kind);
    this.key.push(key);
    this.#starts = undefined;
  }

  /** Edges by the node they leave: those of node v are `edges[starts[v] .. starts[v + 1])`. */
  outgoing(): { starts: Int32Array; edges: Int32Array } {
    if (this.#starts === undefined) {
      const starts = new Int32Array(this.nodeCount + 1);
      const from = this.from.view();
      for (const node of from) starts[node + 1] = (starts[node + 1] as number) + 1;
      for (let v = 0; v < this.nodeCount; v++) {
        starts[v + 1] = (starts[v + 1] as number) + (starts[v] as number);
      }
      const filled = starts.slice();
      this.#edges = new Int32Array(from.length);
      from.forEach((node, edge) => {
        const place = filled[node] as number;
        this.#edges[place] = edge;
        filled[node] = place + 1;
      });
      this.#starts = starts;
    }
    return { starts: this.#starts, edges: this.#edges };
  }
}

/**
 * The strongly connected components of two nodes or more: sets of transactions that each wait, over
 * others, for themselves. Empty exactly when the graph has no cycle.
 *
 * @see Tarjan 1972, Depth-first search and linear graph algorithms; here without recursion
 */
export function findTangles(graph: DependencyGraph): number[][] {
  const { starts, edges } = graph.outgoing();
  const to = graph.to.view();
  const order = new Int32Array(graph.nodeCount).fill(-1);
  const low = new Int32Array(graph.nodeCount);
  const nextEdge = starts.slice(0, graph.nodeCount);
  const isOpen = new Uint8Array(graph.nodeCount);
  const open: number[] = [];
  const way: number[] = [];
  const tangles: number[][] = [];
  let visited = 0;
  const enter = (node: number) => {
    order[node] = visited;
    low[node] = visited++;
    isOpen[node] = 1;
    open.push(node);
    way.push(node);
  };
  const leave = (node: number) => {
    way.pop();
    const parent = way.at(-1);
    if (parent !== undefined) low[parent] = Math.min(low[parent] as number, low[node] as number);
    if (low[node] !== order[node]) return;
    const members: number[] = [];
    for (let member = -1; member !== node; ) {
      member = open.pop() as number;
      isOpen[member] = 0;
      members.push(member);
    }
    if (members.length > 1) tangles.push(members.reverse());
  };
  for (let root = 0; root < graph.nodeCount; root++) {
    if (order[root] !== -1) continue;
    enter(root);
    while (way.length > 0) {
      const node = way.at(-1) as number;
      const at = nextEdge[node] as number;
      if (at === starts[node + 1]) {
        leave(node);
        continue;
      }
      nextEdge[node] = at + 1;
      const next = to[edges[at] as number] as number;
      if (order[next] === -1) enter(next);
      else if (isOpen[next] === 1) {
        low[node] = Math.min(low[node] as number, order[next] as number);
      }
    }
  }
  return tangles;
}

/** The edges, in order, of a shortest cycle through the first member of a tangle. */
export function findShortCycle(graph: DependencyGraph, members: readonly number[]): number[] {
  const { starts, edges } = graph.outgoing();
  const inside = new Set(members);
  const start = members[0] as number;
  const reachedBy = new Map<number, number>();
  let front = [start];
  while (!reachedBy.has(start)) {
    const next: number[] = [];
    for (const node of front) {
      for (let at = starts[node] as number; at < (starts[node + 1] as number); at++) {
        const edge = edges[at] as number;
        const target = graph.to.at(edge);
        if (!inside.has(target) || reachedBy.has(target)) continue;
        reachedBy.set(target, edge);
        next.push(target);
      }
    }
    front = next;
  }
  const cycle: number[] = [];
  let node = start;
  do {
    const edge = reachedBy.get(node) as number;
    cycle.unshift(edge);
    node = graph.from.at(edge);
  } while (node !== start);
  return cycle;
}
