import type { Prng } from "@fmlab/sim";
import type { ClusterView } from "../simulator/cluster-view.ts";
import { QUEUE, type Scheduler } from "./scheduler.ts";

/**
 * OpenWhisk's sharding balancer: a function has a home node by its hash and a step that is coprime
 * to the number of nodes; nodes are probed in steps from home until one has memory for it. When
 * none has, any is taken at random.
 *
 * @see apache/openwhisk ShardingContainerPoolBalancer.scala (paper notes, 3.3)
 */
export function openWhisk(prng: Prng): Scheduler {
  return {
    name: "openwhisk",
    place({ functionIndex, candidates: { nodes } }, view) {
      if (nodes.length === 0) return QUEUE;
      const hash = hashOfName(view.fn(functionIndex).name);
      for (const at of probeOrder(hash, nodes.length)) {
        const node = nodes[at] as number;
        if (hasMemory(view, node, functionIndex)) return node;
      }
      return nodes[prng.nextInt(nodes.length)] as number;
    },
  };
}

function hasMemory(view: ClusterView, node: number, functionIndex: number): boolean {
  const used = view.memoryRequestedMb[node] as number;
  return used + view.fn(functionIndex).memoryMb <= view.node(node).memoryMb;
}

/** The order in which a function's nodes are probed. */
export function* probeOrder(hash: number, nodeCount: number): Generator<number> {
  const steps = coprimesOf(nodeCount);
  const step = steps[hash % steps.length] ?? 1;
  let at = hash % nodeCount;
  for (let k = 0; k < nodeCount; k++) {
    yield at;
    at = (at + step) % nodeCount;
  }
}

const coprimes = new Map<number, number[]>();

/** Numbers up to `count` that share no factor with it nor with any taken before, from 1 on. */
export function coprimesOf(count: number): number[] {
  const known = coprimes.get(count);
  if (known !== undefined) return known;
  const found: number[] = [];
  for (let step = 1; step <= count; step++) {
    const isNew = found.every((other) => divisor(other, step) === 1);
    if (divisor(step, count) === 1 && isNew) found.push(step);
  }
  coprimes.set(count, found);
  return found;
}

function divisor(a: number, b: number): number {
  return b === 0 ? a : divisor(b, a % b);
}

/** FNV-1a, 32 bits: a hash that every machine has alike. */
export function hashOfName(name: string): number {
  let hash = 0x811c9dc5;
  for (const byte of new TextEncoder().encode(name)) {
    hash = Math.imul(hash ^ byte, 0x01000193) >>> 0;
  }
  return hash;
}
