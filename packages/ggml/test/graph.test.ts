import { describe, expect, it } from "vitest";
import { Arena } from "../src/arena.ts";
import { GgmlError } from "../src/errors.ts";
import { GraphAllocator } from "../src/graph-allocator.ts";
import * as ops from "../src/ops/index.ts";
import { RowWindow } from "../src/row-window.ts";
import type { Tensor } from "../src/tensor.ts";
import { TENSOR_TYPE } from "../src/tensor-types.ts";
import { ThreadPool } from "../src/thread-pool.ts";
import { library, noise, Workbench } from "./ops/workbench.ts";

const { F32, I32 } = TENSOR_TYPE;
const device = library.cpu;
/** Of `flags` in `struct ggml_tensor`, and `GGML_TENSOR_FLAG_OUTPUT`. */
const FLAGS_OFFSET = 148;
const FLAG_OUTPUT = 2;

/** The code of the GgmlError that `call` throws. */
function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof GgmlError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}

describe("Arena", () => {
  it("refuses one tensor more than it was made for", () => {
    const arena = new Arena(library, { tensorCountMax: 3 });
    const a = arena.tensor(F32, [4]);
    const b = ops.add(arena, a, a);
    expect(codeOf(() => ops.argsortTopK(arena, b, 2))).toBe("ARENA_FULL");
    ops.silu(arena, b);
    expect(codeOf(() => ops.silu(arena, b))).toBe("ARENA_FULL");
    expect(codeOf(() => arena.tensor(F32, [4]))).toBe("ARENA_FULL");
    arena.close();
  });

  it("holds as many tensors and nodes as it promises", () => {
    const arena = new Arena(library, { tensorCountMax: 300, graphNodeCountMax: 301 });
    let x = arena.tensor(F32, [4]);
    for (let i = 1; i < 300; i++) x = ops.scale(arena, x, 1);
    arena.graph.expand(x);
    expect(arena.graph.nodeCount).toBe(299);
    arena.close();
  });

  it("begins tensors at multiples of a larger alignment", () => {
    const arena = new Arena(library, { tensorCountMax: 3 });
    const all = [100, 3, 7].map((count) => arena.tensor(F32, [count]));
    arena.allocate(device, 4096);
    for (const tensor of all) expect(Number(tensor.memory().address % 4096n)).toBe(0);
    expect(codeOf(() => arena.allocate(device, 48))).toBe("INVALID_ARGUMENT");
    arena.close();
  });

  it("empties every view of its memory when it is closed", () => {
    const arena = new Arena(library, { tensorCountMax: 1 });
    const tensor = arena.tensor(F32, [1000]);
    arena.allocate(device);
    const view = tensor.float32();
    const part = tensor.bytes().subarray(8, 16);
    expect(view.length).toBe(1000);
    arena.close();
    arena.close();
    expect([view.length, part.length]).toEqual([0, 0]);
    expect(() => part.set([1])).toThrow();
  });

  it("refuses everything after it was closed", () => {
    const arena = new Arena(library, { tensorCountMax: 8, graphNodeCountMax: 8 });
    const a = arena.tensor(F32, [4]);
    const { graph } = arena;
    arena.allocate(device);
    arena.close();
    const other = new Arena(library, { tensorCountMax: 8, graphNodeCountMax: 8 });
    const backend = device.open();
    for (const call of [
      () => arena.tensor(F32, [1]),
      () => ops.add(arena, a, a),
      () => ops.add(other, other.tensor(F32, [4]), a),
      () => other.alias(a),
      () => a.float32(),
      () => a.write(new Float32Array(4)),
      () => a.read(new Float32Array(4)),
      () => graph.expand(a),
      () => backend.compute(graph),
      () => arena.pointer,
    ]) {
      expect(codeOf(call)).toBe("CLOSED");
    }
    backend.close();
    expect(codeOf(() => backend.setThreads(1))).toBe("CLOSED");
    other.close();
  });
});

describe("Graph", () => {
  it("refuses more nodes than it was made for, and stays usable", () => {
    const arena = new Arena(library, { tensorCountMax: 20, graphNodeCountMax: 4 });
    let x = arena.tensor(F32, [4]);
    for (let i = 0; i < 3; i++) x = ops.silu(arena, x);
    arena.graph.expand(x);
    const more = ops.silu(arena, x);
    expect(codeOf(() => arena.graph.expand(more))).toBe("GRAPH_FULL");
    expect(arena.graph.nodeCount).toBe(
      Number(library.native.ggml_graph_n_nodes(arena.graph.pointer)),
    );
    arena.close();
  });

  it("keeps a result that is read elsewhere from being computed into another's place", () => {
    const first = new Arena(library, { tensorCountMax: 3, graphNodeCountMax: 3 });
    const second = new Arena(library, { tensorCountMax: 1 });
    const a = first.tensor(F32, [4]);
    const sum = ops.add(first, a, a);
    const more = ops.add(first, sum, a);
    first.graph.expand(more);
    first.allocate(device);
    const isOutput = ({ pointer }: Tensor) =>
      (library.foreign.int32At(pointer, FLAGS_OFFSET) & FLAG_OUTPUT) !== 0;
    expect([a, sum, more].map(isOutput)).toEqual([false, false, false]);
    second.alias(more);
    expect([a, sum, more].map(isOutput)).toEqual([false, true, true]);
    second.close();
    first.close();
  });

  it("refuses to compute another graph's nodes again, and reads them through an alias", () => {
    const first = new Workbench();
    const x = noise(6, 1);
    const doubled = ops.scale(first.arena, first.f32([6], x), 2);
    first.compute(doubled, 1);
    const second = new Workbench();
    const direct = ops.scale(second.arena, doubled, 2);
    expect(codeOf(() => second.arena.graph.expand(direct))).toBe("FOREIGN_NODE");
    const result = ops.scale(second.arena, second.arena.alias(doubled), 2);
    second.compute(result, 1);
    expect(second.arena.graph.nodeCount).toBe(1);
    expect(result.float32()).toEqual(x.map((value) => value * 4));
    second.arena.close();
    first.arena.close();
  });

  it("refuses tensors without memory", () => {
    const arena = new Arena(library, { tensorCountMax: 4, graphNodeCountMax: 4 });
    const sum = ops.silu(arena, arena.tensor(F32, [4]));
    arena.graph.expand(sum);
    const backend = device.open();
    expect(codeOf(() => backend.compute(arena.graph))).toBe("NOT_ALLOCATED");
    expect(codeOf(() => sum.read(new Float32Array(4)))).toBe("NOT_ALLOCATED");
    backend.close();
    arena.close();
  });

  it("refuses data of the wrong size or kind", () => {
    const arena = new Arena(library, { tensorCountMax: 4 });
    const tensor = arena.tensor(F32, [4]);
    arena.allocate(device);
    expect(codeOf(() => tensor.write(new Float32Array(5)))).toBe("INVALID_ARGUMENT");
    expect(codeOf(() => tensor.write(new Int32Array(4)))).toBe("INVALID_ARGUMENT");
    expect(codeOf(() => tensor.read(new Float64Array(2)))).toBe("INVALID_ARGUMENT");
    expect(codeOf(() => tensor.int32())).toBe("INVALID_ARGUMENT");
    arena.close();
  });
});

describe("index tensors", () => {
  it.each([-1, 5, 2 ** 30, -(2 ** 31)])(
    "with the row %i of 5 are refused at each computation",
    (bad) => {
      const bench = new Workbench();
      const ids = bench.i32([3], Int32Array.from([0, 1, 4]));
      const table = bench.f32([2, 5], noise(10, 1));
      const rows = ops.getRows(bench.arena, table, ids);
      bench.compute(rows, 1);
      const backend = device.open();
      ids.int32()[1] = bad;
      expect(codeOf(() => backend.compute(bench.arena.graph))).toBe("INDEX_OUT_OF_RANGE");
      ids.int32()[1] = 2;
      backend.compute(bench.arena.graph);
      backend.close();
      bench.arena.close();
    },
  );

  it("are checked for experts and for cache rows, views included", () => {
    const bench = new Workbench();
    const { arena } = bench;
    const ids = bench.i32([4, 2], Int32Array.from([0, 2, 99, 99, 1, 0, 99, 99]));
    const used = ops.view(arena, ids, { shape: [2, 2], strides: [16] });
    const experts = bench.f32([4, 3, 3], noise(36, 1));
    const product = ops.mulMatId(arena, experts, bench.f32([4, 1, 2], noise(8, 2)), used);
    const cache = bench.f32([6, 4], noise(24, 3));
    const rows = bench.input(TENSOR_TYPE.I64, [1], BigInt64Array.from([3n]));
    const written = ops.setRows(arena, cache, bench.f32([6, 1], noise(6, 4)), rows);
    bench.compute(product, 1, [written]);
    const backend = device.open();
    ids.int32()[5] = 3;
    expect(codeOf(() => backend.compute(arena.graph))).toBe("INDEX_OUT_OF_RANGE");
    ids.int32()[5] = 2;
    rows.int64()[0] = 4n;
    expect(codeOf(() => backend.compute(arena.graph))).toBe("INDEX_OUT_OF_RANGE");
    rows.int64()[0] = 0n;
    backend.compute(arena.graph);
    backend.close();
    arena.close();
  });

  it("that are mapped in the graph are checked by the map's contents", () => {
    const bench = new Workbench();
    const { arena } = bench;
    const top = ops.argsortTopK(arena, bench.f32([4], noise(4, 1)), 2);
    const map = bench.i32([1, 4], Int32Array.from([0, 1, 2, 3]));
    const ids = ops.reshape(arena, ops.getRows(arena, map, ops.reshape(arena, top, [2])), [2, 1]);
    const experts = bench.f32([4, 3, 4], noise(48, 2));
    const product = ops.mulMatId(arena, experts, bench.f32([4, 1, 1], noise(4, 3)), ids);
    bench.compute(product, 1);
    const backend = device.open();
    map.int32()[3] = 4;
    expect(codeOf(() => backend.compute(arena.graph))).toBe("INDEX_OUT_OF_RANGE");
    backend.close();
    arena.close();
  });

  it("whose range nobody knows are refused", () => {
    const bench = new Workbench();
    const { arena } = bench;
    const sorted = ops.argsortTopK(arena, bench.f32([6], noise(6, 1)), 2);
    const rows = ops.getRows(
      arena,
      bench.f32([2, 5], noise(10, 2)),
      ops.reshape(arena, sorted, [2]),
    );
    expect(codeOf(() => bench.compute(rows, 1))).toBe("INVALID_ARGUMENT");
    arena.close();
  });
});

describe("Plan", () => {
  it("gives the same result again and again, also after the threads change", () => {
    const bench = new Workbench();
    const weight = bench.f32([64, 64], noise(4096, 1));
    const product = ops.mulMat(bench.arena, weight, bench.f32([64, 3], noise(192, 2)));
    bench.compute(product, 1);
    const expected = product.float32().slice();
    const backend = device.open();
    const plan = backend.plan(bench.arena.graph);
    const pool = new ThreadPool(library, { threads: 2 });
    for (const change of [
      () => {},
      () => backend.setThreads(2),
      () => backend.useThreadPool(pool),
      () => backend.setThreads(1),
      () => pool.close(),
    ]) {
      change();
      product.float32().fill(0);
      plan.compute();
      expect(product.float32()).toEqual(expected);
    }
    plan.close();
    expect(codeOf(() => plan.compute())).toBe("CLOSED");
    backend.close();
    bench.arena.close();
  });

  it("keeps its graph from growing", () => {
    const bench = new Workbench();
    const x = ops.silu(bench.arena, bench.f32([4], noise(4, 1)));
    const more = ops.silu(bench.arena, x);
    bench.compute(x, 1);
    const backend = device.open();
    const plan = backend.plan(bench.arena.graph);
    expect(codeOf(() => bench.arena.graph.expand(more))).toBe("INVALID_ARGUMENT");
    plan.close();
    backend.close();
    bench.arena.close();
  });
});

describe("GraphAllocator", () => {
  it("computes what own memory computes, with less of it", () => {
    const chain = (bench: Workbench) => {
      let x = bench.arena.tensor(F32, [1000, 16]);
      const input = x;
      for (let i = 0; i < 20; i++) x = ops.scale(bench.arena, x, 1.1);
      return { input, output: x };
    };
    const data = noise(16_000, 1);
    const own = new Workbench();
    const a = chain(own);
    own.arena.graph.expand(a.output);
    own.arena.allocate(device);
    a.input.write(data);
    const backend = device.open();
    backend.compute(own.arena.graph);
    const lent = new Workbench();
    const b = chain(lent);
    b.output.markOutput();
    lent.arena.graph.expand(b.output);
    const allocator = new GraphAllocator(device);
    allocator.allocate(lent.arena.graph);
    b.input.write(data);
    backend.compute(lent.arena.graph);
    expect(b.output.read(new Float32Array(16_000))).toEqual(a.output.float32());
    expect(allocator.sizeBytes).toBeLessThan(own.arena.allocatedBytes / 4);
    allocator.close();
    expect(codeOf(() => backend.compute(lent.arena.graph))).toBe("CLOSED");
    expect(codeOf(() => b.output.read(new Float32Array(16_000)))).toBe("CLOSED");
    backend.close();
    own.arena.close();
    lent.arena.close();
  });

  it("gives a graph its memory back while that has not moved, and the same results", () => {
    const allocator = new GraphAllocator(device);
    const backend = device.open();
    const make = (elements: number) => {
      const bench = new Workbench();
      const input = bench.arena.tensor(F32, [elements]);
      const output = ops.silu(bench.arena, input);
      output.markOutput();
      bench.arena.graph.expand(output);
      return { bench, input, output };
    };
    const large = make(4096);
    const small = make(64);
    const results = (one: ReturnType<typeof make>, seed: number) => {
      one.input.write(noise(one.input.elements, seed));
      backend.compute(one.bench.arena.graph);
      return one.output.read(new Float32Array(one.output.elements));
    };
    expect(allocator.resume(large.bench.arena.graph)).toBe(false);
    allocator.allocate(large.bench.arena.graph);
    const expected = results(large, 3);
    allocator.allocate(small.bench.arena.graph);
    results(small, 4);
    expect(codeOf(() => backend.compute(large.bench.arena.graph))).toBe("CLOSED");
    expect(allocator.resume(large.bench.arena.graph)).toBe(true);
    expect(results(large, 3)).toEqual(expected);
    expect(codeOf(() => backend.compute(small.bench.arena.graph))).toBe("CLOSED");
    // A larger graph moves the memory: what was built before is useless.
    const larger = make(1 << 20);
    allocator.allocate(larger.bench.arena.graph);
    expect(allocator.resume(large.bench.arena.graph)).toBe(false);
    allocator.close();
    expect(allocator.resume(larger.bench.arena.graph)).toBe(false);
    backend.close();
    for (const { bench } of [large, small, larger]) bench.arena.close();
  });

  it("takes the memory of one graph away when it serves the next", () => {
    const allocator = new GraphAllocator(device);
    const [first, second] = [1, 2].map((seed) => {
      const bench = new Workbench();
      const x = ops.silu(bench.arena, bench.arena.tensor(F32, [seed * 8]));
      bench.arena.graph.expand(x);
      allocator.allocate(bench.arena.graph);
      return bench;
    });
    const backend = device.open();
    expect(codeOf(() => backend.compute(first?.arena.graph as never))).toBe("CLOSED");
    backend.compute(second?.arena.graph as never);
    backend.close();
    allocator.close();
    first?.arena.close();
    second?.arena.close();
  });
});

describe("RowWindow", () => {
  it("changes how many rows a built graph sees", () => {
    const bench = new Workbench();
    const { arena } = bench;
    const q = bench.f32([32, 1, 1], noise(32, 1));
    const cache = bench.f32([32, 10, 1], noise(320, 2));
    const k = ops.view(arena, cache, { shape: [32, 10, 1] });
    const attended = ops.flashAttention(arena, { q, k, v: k, scale: 1 });
    const window = new RowWindow(k);
    bench.compute(attended, 1);
    const backend = device.open();
    const results = [10, 1, 7].map((rows) => {
      window.setRows(rows);
      backend.compute(arena.graph);
      return Array.from(attended.float32());
    });
    expect(results[1]).not.toEqual(results[0]);
    // One row seen means that row's value is the answer.
    const [, one = []] = results;
    one.forEach((value, i) => {
      expect(value).toBeCloseTo(noise(320, 2)[i] ?? 0, 3);
    });
    for (const rows of [0, 11, 1.5, Number.NaN]) {
      expect(codeOf(() => window.setRows(rows))).toBe("INVALID_ARGUMENT");
    }
    expect(codeOf(() => new RowWindow(cache))).toBe("INVALID_ARGUMENT");
    backend.close();
    arena.close();
    expect(codeOf(() => window.setRows(3))).toBe("INVALID_ARGUMENT");
  });
});

describe("ThreadPool", () => {
  it("refuses absurd numbers", () => {
    for (const threads of [0, -1, 1.5, 513]) {
      expect(codeOf(() => new ThreadPool(library, { threads }))).toBe("INVALID_ARGUMENT");
    }
    const options = { threads: 1, pollLevel: 101 };
    expect(codeOf(() => new ThreadPool(library, options))).toBe("INVALID_ARGUMENT");
  });

  it("does not let a backend use more threads than it has", () => {
    const pool = new ThreadPool(library, { threads: 2, pollLevel: 0 });
    const backend = device.open();
    backend.useThreadPool(pool);
    expect(codeOf(() => backend.setThreads(3))).toBe("INVALID_ARGUMENT");
    backend.close();
    pool.close();
    pool.close();
    expect(codeOf(() => pool.pointer)).toBe("CLOSED");
  });
});

it("I32 leaves can be read and written in place", () => {
  const arena = new Arena(library, { tensorCountMax: 1 });
  const tensor = arena.tensor(I32, [3]);
  arena.allocate(device);
  tensor.write(Int32Array.from([1, 2, 3]));
  expect(Array.from(tensor.int32())).toEqual([1, 2, 3]);
  arena.close();
});
