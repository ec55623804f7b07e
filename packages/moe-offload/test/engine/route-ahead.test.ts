import { Arena, dequantise, getTensor, openGguf } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { LayerGraph } from "../../src/engine/layer-graph.ts";
import { nodeCountMax } from "../../src/engine/machine.ts";
import { tokensOf, withFile } from "./every-way.ts";
import { type GraphMachine, openMachine } from "./graph-machine.ts";
import { haveSameBits } from "./open.ts";
import { type RandomModel, randomModelFile } from "./random-model.ts";

const PLAIN = {
  seed: 3,
  layers: 5,
  width: 96,
  heads: 4,
  kvHeads: 2,
  experts: 7,
  used: 2,
  inner: 64,
  context: 16,
  ropeBase: 10_000,
  epsilon: 1e-6,
} as const;

const MODELS: readonly [string, RandomModel][] = [
  ["gated shared experts", { ...PLAIN, architecture: "qwen2moe", sharedInner: 64 }],
  [
    "two dense layers first",
    { ...PLAIN, architecture: "deepseek", denseLead: 2, denseInner: 64, sharedCount: 1 },
  ],
];

interface Seen {
  normed: Float32Array;
  logits: Float32Array[];
  separate: Float32Array[];
  weights: Float32Array;
  sorted: Int32Array;
}

/** What `layer`'s router says of some tokens, looking `depth` layers ahead. */
function routeOnce(machine: GraphMachine, layer: number, tokens: number[], depth: number): Seen {
  const { device, backend, model, weights, context } = machine;
  const size = nodeCountMax(model, 2);
  const arena = new Arena(device.library, { tensorCountMax: size, graphNodeCountMax: size });
  const tokenCount = tokens.length;
  const graph = new LayerGraph(arena, model, weights, context, { tokenCount, visible: tokenCount });
  context.enter(tokens, 0, tokenCount, 0);
  const normed = graph.embed();
  const routed = graph.route(layer, normed, depth);
  const separate = graph.routeAhead(layer, normed, depth);
  for (const tensor of [routed.weights, ...routed.ahead, ...separate]) arena.graph.expand(tensor);
  arena.allocate(device);
  backend.compute(arena.graph);
  const seen = {
    normed: normed.float32().slice(),
    logits: routed.ahead.map((tensor) => tensor.float32().slice()),
    separate: separate.map((tensor) => tensor.float32().slice()),
    weights: routed.weights.float32().slice(),
    sorted: routed.sorted.int32().slice(),
  };
  arena.close();
  return seen;
}

describe.each(MODELS)("looking ahead in a model with %s", (_, model) => {
  it("gives the following routers' products, whatever else is in the product", () => {
    withFile(randomModelFile(model), (modelPath) => {
      const machine = openMachine(modelPath);
      const { moeLayers, expertCount, embeddingLength: width } = machine.model;
      const file = openGguf(modelPath);
      const routerOf = (layer: number) => {
        const tensor = getTensor(file, `blk.${layer}.ffn_gate_inp.weight`);
        const bytes = new Uint8Array(tensor.sizeBytes);
        file.read(tensor.offset, bytes);
        return dequantise(machine.device.library, tensor.type, bytes);
      };
      for (const tokens of [[5], tokensOf(model).slice(0, 6)]) {
        for (const layer of moeLayers) {
          const alone = routeOnce(machine, layer, tokens, 0);
          for (const depth of [1, 2, 3]) {
            const seen = routeOnce(machine, layer, tokens, depth);
            const layers = moeLayers.filter((next) => next > layer && next <= layer + depth);
            expect(seen.logits.length).toBe(layers.length);
            layers.forEach((next, index) => {
              const expected = product(routerOf(next), seen.normed, width, expertCount);
              const got = seen.logits[index] ?? new Float32Array(0);
              expect(largestDifference(got, expected)).toBeLessThan(1e-5);
              expect(haveSameBits(got, seen.separate[index] ?? got.subarray(1))).toBe(true);
            });
            // The layer's own routing has the bits it has without looking ahead.
            expect(haveSameBits(seen.weights, alone.weights)).toBe(true);
            expect(seen.sorted).toEqual(alone.sorted);
          }
        }
      }
      expect(() => routeOnce(machine, moeLayers.length + 9, [1], 1)).toThrow(/no experts/);
      file.close();
      machine.close();
    });
  });
});

/** `[experts, tokens]` in double precision. */
function product(weight: Float32Array, x: Float32Array, width: number, rows: number) {
  const tokens = x.length / width;
  return Float64Array.from({ length: rows * tokens }, (_, place) => {
    const [row, token] = [place % rows, Math.floor(place / rows)];
    let sum = 0;
    for (let i = 0; i < width; i++) {
      sum += (weight[row * width + i] ?? 0) * (x[token * width + i] ?? 0);
    }
    return sum;
  });
}

function largestDifference(a: Float32Array, b: Float64Array): number {
  if (a.length !== b.length) return Number.POSITIVE_INFINITY;
  return a.reduce((worst, value, i) => Math.max(worst, Math.abs(value - (b[i] ?? 0))), 0);
}
