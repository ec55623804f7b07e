import type { Address } from "../ledger/address.ts";

/** Two accounts that dealt with each other, once. */
export type Deal = readonly [one: Address, other: Address];

/**
 * Who dealt with whom how often: an undirected graph without loops, in typed arrays. Vertices are
 * numbered by rising address, so that nothing depends on the order of the deals.
 */
export interface TransferGraph {
  readonly addresses: readonly Address[];
  /** Neighbours of vertex v: `neighbours[starts[v] .. starts[v + 1])`. */
  readonly starts: Int32Array;
  readonly neighbours: Int32Array;
  /** How often each pair dealt, in the order of `neighbours`. */
  readonly weights: Int32Array;
  /** Sum of the weights at each vertex. */
  readonly degrees: Int32Array;
}

/** Builds the graph. O(deals + accounts log accounts). Deals with oneself are left out. */
export function buildTransferGraph(deals: Iterable<Deal>): TransferGraph {
  const adjacency = new Map<Address, Map<Address, number>>();
  const meet = (from: Address, to: Address) => {
    const known = adjacency.get(from) ?? new Map<Address, number>();
    adjacency.set(from, known.set(to, (known.get(to) ?? 0) + 1));
  };
  for (const [one, other] of deals) {
    if (one === other) continue;
    meet(one, other);
    meet(other, one);
  }
  const addresses = [...adjacency.keys()].sort();
  const numbers = new Map(addresses.map((address, number) => [address, number]));
  const starts = new Int32Array(addresses.length + 1);
  const degrees = new Int32Array(addresses.length);
  const neighbours: number[] = [];
  const weights: number[] = [];
  addresses.forEach((address, v) => {
    const known = Array.from(adjacency.get(address) ?? [], ([to, weight]) => {
      return { neighbour: numbers.get(to) ?? 0, weight };
    });
    for (const { neighbour, weight } of known.sort((a, b) => a.neighbour - b.neighbour)) {
      neighbours.push(neighbour);
      weights.push(weight);
      degrees[v] = (degrees[v] as number) + weight;
    }
    starts[v + 1] = neighbours.length;
  });
  return {
    addresses,
    starts,
    neighbours: Int32Array.from(neighbours),
    weights: Int32Array.from(weights),
    degrees,
  };
}
