import type { Routing, RoutingShape } from "../../src/offload/routing.ts";

/** Mean over layers of the cosine between the rows of two activation matrices. */
function similarity(a: readonly number[], b: readonly number[], shape: RoutingShape): number {
  let sum = 0;
  for (let layer = 0; layer < shape.layerCount; layer++) {
    const [from, to] = [layer * shape.expertCount, (layer + 1) * shape.expertCount];
    const [row, other] = [a.slice(from, to), b.slice(from, to)];
    const dot = row.reduce((total, x, i) => total + x * (other[i] ?? 0), 0);
    const length = (r: number[]) => Math.sqrt(r.reduce((total, x) => total + x * x, 0));
    if (dot > 0) sum += dot / (length(row) * length(other));
  }
  return sum / shape.layerCount;
}

/**
 * The activation matrix that MoE-Infinity expects after `trace`, everything recomputed: the most
 * similar of the given and the finished sequences, or what the running one did so far.
 */
export function naiveExpected(
  shape: RoutingShape,
  trace: readonly Routing[],
  given: readonly (readonly number[])[],
): readonly number[] {
  const empty = () => new Array<number>(shape.layerCount * shape.expertCount).fill(0);
  const collection = [...given];
  let running = empty();
  trace.forEach(({ experts, layer, position }, i) => {
    if (position === 0 && layer === shape.moeLayers[0] && i > 0) {
      collection.push(running);
      running = empty();
    }
    for (const expert of experts) {
      const key = layer * shape.expertCount + expert;
      running[key] = (running[key] ?? 0) + 1;
    }
  });
  const scores = collection.map((matrix) => similarity(running, matrix, shape));
  const best = scores.findIndex((score) => score > Math.max(...scores) - 1e-12);
  return collection[best] ?? running;
}
