import { dequantise, GgmlLibrary, quantise, TENSOR_TYPE } from "@fmlab/ggml";
import { createPrng, type Prng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { CpuExperts } from "../../src/engine/device/cpu-experts.ts";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import type { ExpertClass, ExpertMatrix } from "../../src/model/expert-layout.ts";
import { HostArena } from "../../src/tiers/host-arena.ts";
import { NativeMemory } from "../../src/tiers/native-memory.ts";

const library = GgmlLibrary.load();
const WIDTH = 96;
const INNER = 64;
const USED = 4;
const { F32, Q4_0, Q8_0 } = TENSOR_TYPE;

/** An expert's matrices as numbers, `[rows][columns]` flat. */
interface Numbers {
  readonly gate: Float32Array;
  readonly up: Float32Array;
  readonly down: Float32Array;
}

const noise = (prng: Prng, count: number) =>
  Float32Array.from({ length: count }, () => prng.nextFloat() - 0.5);

/** Matrices of a class with types of gate, up and down. */
function classOf(index: number, types: readonly [number, number, number]): ExpertClass {
  const parts = EXPERT_PARTS.map((name, i): ExpertMatrix => {
    const [columns, rows] = name === "down" ? [INNER, WIDTH] : [WIDTH, INNER];
    const type = types[i] ?? F32;
    const sizeBytes = encode(type, new Float32Array(columns * rows), columns).length;
    return { name, type, columns, rows, sizeBytes };
  });
  const expertBytes = parts.reduce((sum, part) => sum + part.sizeBytes, 0);
  return { index, layers: [index], parts, expertBytes };
}

function encode(type: number, values: Float32Array, columns: number): Uint8Array {
  return type === F32
    ? new Uint8Array(values.buffer, 0, values.byteLength)
    : quantise(library, type, values, columns);
}

/** `down (silu(gate x) * up x)` in double precision, one number after the other. */
function naive({ gate, up, down }: Numbers, x: Float32Array): number[] {
  const times = (matrix: Float32Array, vector: ArrayLike<number>, rows: number) =>
    Array.from({ length: rows }, (_, row) => {
      let sum = 0;
      for (let i = 0; i < vector.length; i++) {
        sum += (matrix[row * vector.length + i] ?? 0) * (vector[i] ?? 0);
      }
      return sum;
    });
  const ups = times(up, x, INNER);
  const hidden = times(gate, x, INNER).map((g, i) => (g / (1 + Math.exp(-g))) * (ups[i] ?? 0));
  return times(down, hidden, WIDTH);
}

const classes = [
  classOf(0, [F32, F32, F32]),
  classOf(1, [Q8_0, Q8_0, Q4_0]),
  classOf(2, [Q8_0, Q4_0, F32]),
];
const slotBytes = Math.ceil(Math.max(...classes.map((one) => one.expertBytes)) / 64) * 64;
const arena = new HostArena(classes.length * USED, slotBytes);
const memory = new NativeMemory(arena.map);
afterAll(() => arena.free());

/** Puts a made-up expert into host memory. */
function place(prng: Prng, slot: number, { parts }: ExpertClass) {
  let offset = 0;
  const numbers = parts.map(({ columns, rows, sizeBytes, type }) => {
    const bytes = encode(type, noise(prng, columns * rows), columns);
    memory.bytes(slot, offset, sizeBytes).set(bytes);
    offset += sizeBytes;
    return type === F32 ? new Float32Array(bytes.buffer) : dequantise(library, type, bytes);
  });
  const [gate, up, down] = numbers as [Float32Array, Float32Array, Float32Array];
  const block = arena.map.blocks[arena.map.block[slot] ?? -1];
  const address = (block?.address ?? 0n) + BigInt(arena.map.offset[slot] ?? 0);
  return { address, numbers: { gate, up, down } };
}

describe("experts on the CPU", () => {
  it.each([1, 2])(
    "are computed from host memory as their formula says, on %i threads",
    (threads) => {
      const experts = new CpuExperts(library, classes, USED, threads);
      const prng = createPrng(threads, "cpu-experts");
      const placed = classes.map((one) =>
        Array.from({ length: USED }, (_, i) => place(prng, one.index * USED + i, one)),
      );
      for (let round = 0; round < 24; round++) {
        const classIndex = prng.nextInt(classes.length);
        const count = 1 + prng.nextInt(USED);
        const chosen = Array.from(
          { length: count },
          () => placed[classIndex]?.[prng.nextInt(USED)],
        );
        const input = noise(prng, WIDTH);
        const addresses = BigInt64Array.from(chosen, (one) => one?.address ?? 0n);
        experts.compute({ classIndex, count, addresses, input });
        chosen.forEach((one, i) => {
          if (!one) throw new Error("an expert was placed");
          const expected = naive(one.numbers, input);
          const size = Math.max(...expected.map(Math.abs));
          // Exact but for the order of sums; quantised types round the input to 8 bits as well.
          const tolerance = (classIndex === 0 ? 1e-5 : 0.03) * size;
          const row = experts.rows.subarray(i * experts.rowStride, i * experts.rowStride + WIDTH);
          expected.forEach((value, k) => {
            expect(Math.abs((row[k] ?? Number.NaN) - value)).toBeLessThanOrEqual(tolerance);
          });
        });
      }
      experts.close();
    },
  );

  it("are refused beyond the number that was asked for", () => {
    const experts = new CpuExperts(library, classes, 2, 1);
    const addresses = new BigInt64Array(3);
    const input = new Float32Array(WIDTH);
    const tooMany = () => experts.compute({ classIndex: 0, count: 3, addresses, input });
    expect(tooMany).toThrow(/3 experts of class 0 are too many/);
    experts.close();
  });
});
