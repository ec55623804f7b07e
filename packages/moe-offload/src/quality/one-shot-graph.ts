import { Arena, type GraphAllocator, ops, TENSOR_TYPE, type Tensor } from "@fmlab/ggml";
import { LayerGraph } from "../engine/layer-graph.ts";
import { nodeCountMax } from "../engine/machine.ts";
import { type BatchMachine, visibleTokens } from "../prefill/batch-machine.ts";
import { causalMask } from "./causal-mask.ts";

/** Where the tokens of a graph are. */
export interface GraphPlace {
  readonly tokenCount: number;
  /** Place of the first in its window; undefined for graphs without attention. */
  readonly position?: number;
}

/** Makes a leaf that holds `values` when the graph is computed; `shape` in ne order. */
export type GraphInput = (shape: readonly number[], values: Float32Array | Int32Array) => Tensor;

/** Builds a graph and names what is wanted of it. */
export type GraphBuild = (graph: LayerGraph, arena: Arena, input: GraphInput) => Tensor[];

/**
 * Builds a graph, computes it once, and frees it.
 *
 * @returns copies of the tensors `build` named, F32 or I32, in their order
 * @throws GgmlError when memory is short
 */
export function computeOnce(
  machine: BatchMachine,
  allocator: GraphAllocator,
  { tokenCount, position }: GraphPlace,
  build: GraphBuild,
): (Float32Array | Int32Array)[] {
  const { backend, context, device, model, weights } = machine;
  // Several precisions of one layer's experts take less than a second layer's nodes.
  const size = nodeCountMax(model, 2);
  const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
  try {
    const values: [Tensor, Float32Array | Int32Array | Uint16Array][] = [];
    const input: GraphInput = (shape, data) => {
      const leaf = arena.tensor(
        data instanceof Float32Array ? TENSOR_TYPE.F32 : TENSOR_TYPE.I32,
        shape,
      );
      values.push([leaf, data]);
      return leaf;
    };
    let inputs: { tokenCount: number; visible: number; mask?: Tensor } = {
      tokenCount,
      visible: tokenCount,
    };
    if (position !== undefined) {
      const visible = visibleTokens(machine, position + tokenCount);
      const rows = ops.paddedMaskRows(tokenCount);
      const mask = arena.tensor(TENSOR_TYPE.F16, [visible, rows]);
      values.push([mask, causalMask(position, tokenCount, rows, visible)]);
      inputs = { tokenCount, visible, mask };
    }
    const wanted = build(new LayerGraph(arena, model, weights, context, inputs), arena, input);
    for (const tensor of wanted) {
      tensor.root.markOutput();
      arena.graph.expand(tensor);
    }
    allocator.allocate(arena.graph);
    for (const [leaf, data] of values) leaf.write(data);
    backend.compute(arena.graph);
    return wanted.map(copyOf);
  } finally {
    arena.close();
  }
}

function copyOf(tensor: Tensor): Float32Array | Int32Array {
  const count = tensor.shape.reduce((product, size) => product * size, 1);
  return tensor.read(
    tensor.type === TENSOR_TYPE.I32 ? new Int32Array(count) : new Float32Array(count),
  );
}
