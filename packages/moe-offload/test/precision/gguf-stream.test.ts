import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { encodeGguf, type GgufTensorInput } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, expect, it } from "vitest";
import { GgufStream } from "../../src/precision/gguf-stream.ts";
import { temporaryFolder } from "./small-moe.ts";

const { path: folder, remove } = temporaryFolder();
afterAll(remove);

const random = createPrng(3, "stream");
/** F32 tensors of 1 to 40 values, most not ending on the alignment. */
const tensors = Array.from({ length: 12 }, (_, i): GgufTensorInput => {
  const count = 1 + random.nextInt(40);
  const bytes = Uint8Array.from({ length: 4 * count }, () => random.nextInt(256));
  return { name: `tensor.${i}`, type: 0, shape: [count], bytes };
});
const metadata = new Map<string, string | number>([
  ["general.architecture", "tësts"],
  ["version", 4_000_000_000],
]);
const planned = tensors.map(({ bytes, ...rest }) => ({ ...rest, sizeBytes: bytes.length }));

it("writes what the writer that holds everything in memory writes", () => {
  const path = join(folder, "whole.gguf");
  const stream = new GgufStream(path, metadata, planned);
  for (const { bytes } of tensors) {
    const half = random.nextInt(bytes.length);
    stream.write(bytes.subarray(0, half));
    stream.write(bytes.subarray(half));
  }
  expect(readdirSync(folder)).not.toContain("whole.gguf");
  stream.finish();
  stream.discard();
  const expected = encodeGguf({
    metadata: [
      ["general.architecture", { type: "string", value: "tësts" }],
      ["version", { type: "uint32", value: 4_000_000_000 }],
    ],
    tensors,
  });
  expect(readFileSync(path).equals(expected)).toBe(true);
  expect(stream.sizeBytes).toBe(expected.length);
  expect(readdirSync(folder)).toEqual(["whole.gguf"]);
});

it("takes neither too many bytes nor too few", () => {
  const stream = new GgufStream(join(folder, "partial.gguf"), metadata, planned);
  expect(() => stream.finish()).toThrow(RangeError);
  expect(() => stream.write(new Uint8Array(1000))).toThrow("takes no more than");
  stream.discard();
  stream.discard();
  expect(readdirSync(folder)).toEqual(["whole.gguf"]);
});
