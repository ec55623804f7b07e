import { describe, expect, it } from "vitest";
import { encodeGguf, encodeGgufHeader, type GgufTensorPlan, ggufPadded } from "../../src/index.ts";
import { seededRandom } from "./mutate.ts";

type Scalar =
  | { readonly type: "string"; readonly value: string }
  | { readonly type: "uint32" | "float32"; readonly value: number };

/** As the format's description reads, number by number. */
function naiveHeader(
  metadata: readonly (readonly [string, Scalar])[],
  tensors: readonly GgufTensorPlan[],
  alignment: number,
): Buffer {
  const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
  const u64 = (value: number) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
  const f32 = (value: number) => Buffer.from(Float32Array.of(value).buffer);
  const text = (value: string) => [u64(Buffer.byteLength(value)), Buffer.from(value)];
  const pieces = [Buffer.from("GGUF"), u32(3), u64(tensors.length), u64(metadata.length)];
  for (const [key, value] of metadata) {
    pieces.push(...text(key), u32({ uint32: 4, float32: 6, string: 8 }[value.type]));
    if (value.type === "string") pieces.push(...text(value.value));
    else pieces.push(value.type === "uint32" ? u32(value.value) : f32(value.value));
  }
  let offset = 0;
  for (const { name, shape, sizeBytes, type } of tensors) {
    pieces.push(...text(name), u32(shape.length), ...shape.map(u64), u32(type), u64(offset));
    offset += sizeBytes;
    while (offset % alignment !== 0) offset++;
  }
  const header = Buffer.concat(pieces);
  const over = header.length % alignment;
  return Buffer.concat([header, Buffer.alloc(over === 0 ? 0 : alignment - over)]);
}

function randomTensors(random: () => number, count = Math.floor(random() * 6)): GgufTensorPlan[] {
  return Array.from({ length: count }, (_, index) => {
    const shape = Array.from(
      { length: 1 + Math.floor(random() * 4) },
      () => 1 + Math.floor(random() * 5),
    );
    const sizeBytes = 4 * shape.reduce((product, size) => product * size, 1);
    return { name: `blk.${index}.grün`, type: 0, shape, sizeBytes };
  });
}

function randomMetadata(random: () => number): (readonly [string, Scalar])[] {
  return Array.from({ length: Math.floor(random() * 8) }, (_, index) => {
    const value = (
      [
        { type: "string", value: "é".repeat(Math.floor(random() * 40)) },
        { type: "uint32", value: Math.floor(random() * 2 ** 31) },
        { type: "float32", value: Math.fround(random()) },
      ] as const
    )[Math.floor(random() * 3)];
    return [`key.${index}`, value ?? { type: "uint32", value: 0 }] as const;
  });
}

describe("the header of a GGUF file", () => {
  it("has the bytes that the format's description says, whatever is in it", () => {
    for (let seed = 0; seed < 200; seed++) {
      const random = seededRandom(seed);
      const [metadata, tensors] = [randomMetadata(random), randomTensors(random)];
      const alignment = [8, 32, 64, 4096][Math.floor(random() * 4)] ?? 32;
      const header = Buffer.from(encodeGgufHeader(metadata, tensors, { alignment }));
      expect(header.equals(naiveHeader(metadata, tensors, alignment)), `seed ${seed}`).toBe(true);
    }
  });

  it("comes before the padded tensors in a file that is made in one piece", () => {
    const random = seededRandom(3);
    const tensors = randomTensors(random, 3).map((tensor) => ({
      ...tensor,
      bytes: new Uint8Array(tensor.sizeBytes).fill(1 + Math.floor(random() * 255)),
    }));
    const metadata = randomMetadata(random);
    const padded = tensors.map(({ bytes }) =>
      Buffer.concat([bytes, Buffer.alloc(ggufPadded(bytes.length) - bytes.length)]),
    );
    const expected = Buffer.concat([naiveHeader(metadata, tensors, 32), ...padded]);
    expect(Buffer.from(encodeGguf({ metadata, tensors })).equals(expected)).toBe(true);
  });

  it("names its version, which readers of older ones can be tried with", () => {
    const versionOf = (bytes: Uint8Array) => Buffer.from(bytes).readUInt32LE(4);
    expect(versionOf(encodeGgufHeader([], [], { version: 2 }))).toBe(2);
    expect(versionOf(encodeGgufHeader([], []))).toBe(3);
  });
});
