import { describe, expect, it } from "vitest";
import {
  Arena,
  GgmlLibrary,
  HostMemory,
  ops,
  PointedTensor,
  quantise,
  TENSOR_TYPE,
  type Tensor,
} from "../src/index.ts";

const library = GgmlLibrary.load();
const COLUMNS = 64;
const ROWS = 5;

/** Numbers without a pattern that a wrong address would keep. */
const numbers = (count: number, salt: number) =>
  Float32Array.from({ length: count }, (_, i) => Math.sin(salt + 1.7 * i * i));

/** `W x` by a graph of its own, the plain way. */
function product(weights: Uint8Array, x: Float32Array): Float32Array {
  const arena = new Arena(library, { tensorCountMax: 4, graphNodeCountMax: 4 });
  const matrix = arena.tensor(TENSOR_TYPE.Q8_0, [COLUMNS, ROWS]);
  const vector = arena.tensor(TENSOR_TYPE.F32, [COLUMNS]);
  const result = ops.mulMat(arena, matrix, vector);
  arena.graph.expand(result);
  arena.allocate(library.cpu);
  matrix.write(weights);
  vector.write(x);
  const backend = library.cpu.open();
  backend.compute(arena.graph);
  const values = result.float32().slice();
  backend.close();
  arena.close();
  return values;
}

describe("a tensor that is pointed to memory", () => {
  it("is multiplied with where it points, however often that changes under a plan", () => {
    const matrices = [1, 2, 3].map((salt) =>
      quantise(library, TENSOR_TYPE.Q8_0, numbers(COLUMNS * ROWS, salt), COLUMNS),
    );
    const sizeBytes = matrices[0]?.length ?? 0;
    // Matrices lie at even places that no alignment of ggml's asks for, as in packed weights.
    const stride = sizeBytes + 2;
    const memory = new HostMemory(library.foreign, matrices.length * stride, "matrices");
    matrices.forEach((matrix, i) => {
      memory.bytes(i * stride, sizeBytes).set(matrix);
    });
    const home = library.cpu.allocate(sizeBytes);
    const arena = new Arena(library, { tensorCountMax: 4, graphNodeCountMax: 4 });
    const pointed = new PointedTensor(arena, home, TENSOR_TYPE.Q8_0, [COLUMNS, ROWS]);
    const vector: Tensor = arena.tensor(TENSOR_TYPE.F32, [COLUMNS]);
    const result = ops.mulMat(arena, pointed.tensor, vector);
    arena.graph.expand(result);
    arena.allocate(library.cpu);
    const backend = library.cpu.open();
    const plan = backend.plan(arena.graph);
    for (const [turn, index] of [0, 2, 1, 2, 0].entries()) {
      const x = numbers(COLUMNS, 10 + turn);
      vector.write(x);
      pointed.pointTo(memory.address + BigInt(index * stride));
      plan.compute();
      expect(result.float32()).toEqual(product(matrices[index] ?? new Uint8Array(0), x));
    }
    plan.close();
    backend.close();
    arena.close();
    home.close();
    memory.free();
  });
});
