import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import {
  dequantise,
  GgmlLibrary,
  type GgufFile,
  getTensor,
  hasFiniteBlocks,
  openGguf,
  tensorTypeInfo,
} from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readHyperParameters } from "../../src/engine/hyper-parameters.ts";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { modelIdentity } from "../../src/precision/model-identity.ts";
import { openShape } from "../../src/shapes/shape-file.ts";
import { shapeLabel } from "../../src/shapes/shape-label.ts";
import { SHAPE_MODELS, SHAPE_NAMES, type ShapeModel } from "../../src/shapes/shape-model.ts";
import { SHAPE_TYPES } from "../../src/shapes/shape-types.ts";
import { shrinkShape } from "../../src/shapes/shrink.ts";
import { writeShape } from "../../src/shapes/write-shape.ts";
import { MODEL_SHAPES } from "../../src/traces/model-shapes.ts";
import { SMALL_SHAPES, smallShape } from "./small-shapes.ts";

function readAll(file: GgufFile, offset = 0, length = file.sizeBytes): Uint8Array {
  const bytes = new Uint8Array(length);
  file.read(offset, bytes);
  return bytes;
}

function valuesOf(file: GgufFile, name: string): Float32Array {
  const { offset, sizeBytes, type } = getTensor(file, name);
  return dequantise(GgmlLibrary.load(), type, readAll(file, offset, sizeBytes));
}

describe.each(SHAPE_NAMES)("%s at its true size", (name) => {
  const file = openShape(name);
  const model = readHyperParameters(file);
  const layout = expertLayout(file, model);

  it("is read as a model of the published counts", () => {
    const { embeddingLength, expertLength, routing, sharedLength } = MODEL_SHAPES[name];
    const { expertCount, expertUsedCount, layerCount, moeLayers } = layout;
    expect({ expertCount, expertUsedCount, layerCount, moeLayers }).toEqual(routing);
    expect(model.embeddingLength).toBe(embeddingLength);
    expect(model.expertFeedForwardLength).toBe(expertLength);
    expect(model.sharedFeedForwardLength).toBe(sharedLength);
    expect(model.scales).toMatchObject({ expertWeights: 1, embedding: 1, residual: 1 });
  });

  it("gives every expert bytes of its own, at once wherever they lie", () => {
    const last = layout.moeLayers.at(-1) ?? 0;
    const seen = new Set<string>();
    for (const expert of [0, 1, layout.expertCount - 1]) {
      const { offset, sizeBytes } = layout.range(last, expert, "down");
      expect(sizeBytes).toBe(layout.parts[2]?.sizeBytes);
      seen.add(Buffer.from(readAll(file, offset, 4096)).toString("hex"));
    }
    expect(seen.size).toBe(3);
  });

  it("says what it is", () => {
    const label = shapeLabel(file);
    expect(label?.title).toBe(
      `shape of ${SHAPE_MODELS[name].name}, random content, routing by random routers`,
    );
    expect(label?.notes.join(" ")).toContain("quality do not");
  });
});

/** Its matrices end between multiples of the alignment, so that there is padding. */
const ODD: ShapeModel = {
  ...smallShape("qwen1.5-moe-a2.7b"),
  embeddingLength: 96,
  headCount: 3,
  headCountKv: 3,
  headLength: 32,
  expertCount: 3,
  expertUsedCount: 2,
  expertLength: 32,
  sharedLength: 64,
  vocabularySize: 5,
};

describe.each([...SMALL_SHAPES, ["a shape of odd sizes", ODD] as const])("%s", (_, model) => {
  const file = openShape(model, { seed: 5 });
  const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-shape-"));
  const written = path.join(folder, "shape.gguf");
  let bytes: Uint8Array;

  beforeAll(() => {
    writeShape(file, written);
    bytes = readFileSync(written);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it("is written as a GGUF file that reads back the same, label included", () => {
    const read = openGguf(written);
    expect(read.metadata).toEqual(file.metadata);
    const places = (one: GgufFile) =>
      [...one.tensors.values()].map(({ path: _path, ...place }) => place);
    expect(places(read)).toEqual(places(file));
    const { alignment, dataOffset, sizeBytes, version } = file;
    expect(read).toMatchObject({ alignment, dataOffset, sizeBytes, version });
    expect(modelIdentity(read)).toMatch(/^[0-9a-f]{16}$/);
    expect(shapeLabel(read)).toEqual(shapeLabel(file));
    expect(shapeLabel(read)?.title).toContain("made smaller");
    expect(readdirSync(folder)).toEqual(["shape.gguf"]);
    read.close();
  });

  it("reads the same bytes in pieces of any place and length", () => {
    const expectPiece = (offset: number, length: number) => {
      const piece = new Uint8Array(length).fill(0xee);
      file.read(offset, piece);
      expect(Buffer.compare(piece, bytes.subarray(offset, offset + length))).toBe(0);
    };
    for (const { offset, sizeBytes } of file.tensors.values()) {
      const end = offset + sizeBytes;
      const room = Math.min(file.sizeBytes - end, 4);
      expectPiece(end - 3, 3 + room);
      expectPiece(end, room);
    }
    const prng = createPrng(1, "pieces");
    for (let i = 0; i < 60; i++) {
      // Half of them where the file is densest: the header and the ends of small tensors.
      const offset = prng.nextInt(prng.chance(0.5) ? file.dataOffset + 700 : bytes.length);
      const most = prng.chance(0.5) ? 200 : 200_000;
      expectPiece(offset, prng.nextInt(Math.min(most, bytes.length - offset) + 1));
    }
  });

  it("holds valid blocks of the promised sizes, and no two experts alike", () => {
    const library = GgmlLibrary.load();
    const { moeLayers, expertCount, range } = expertLayout(file, readHyperParameters(file));
    for (const { name, offset, sizeBytes, type } of file.tensors.values()) {
      const part = bytes.subarray(offset, offset + sizeBytes);
      expect(hasFiniteBlocks(library, type, part), name).toBe(true);
    }
    const seen = new Set<string>();
    for (const layer of moeLayers) {
      for (let expert = 0; expert < expertCount; expert++) {
        for (const part of EXPERT_PARTS) {
          const { offset } = range(layer, expert, part);
          seen.add(Buffer.from(bytes.subarray(offset, offset + 512)).toString("base64"));
        }
      }
    }
    expect(seen.size).toBe(moeLayers.length * expertCount * EXPERT_PARTS.length);
  });
});

describe("the content of a shape", () => {
  const model = smallShape("qwen1.5-moe-a2.7b");

  it.each(SHAPE_TYPES)("is normal, of deviation 1 / sqrt(columns), in %s", (type) => {
    const file = openShape(model, { storage: { experts: type, dense: type } });
    for (const name of ["blk.0.ffn_gate_exps.weight", "blk.1.ffn_down_exps.weight"]) {
      const values = valuesOf(file, name);
      const columns = getTensor(file, name).shape[0] ?? 0;
      const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
      const square = values.reduce((sum, value) => sum + value * value, 0) / values.length;
      // Rounding to four bits adds some 2 % of the variance.
      expect(square * columns).toBeGreaterThan(0.96);
      expect(square * columns).toBeLessThan(1.05);
      expect(Math.abs(mean) * Math.sqrt(columns)).toBeLessThan(0.02);
    }
    expect(new Set(valuesOf(file, "output_norm.weight"))).toEqual(new Set([1]));
  });

  it("falls back from Q4_K to Q5_0 where rows are no whole blocks, as llama.cpp does", () => {
    const file = openShape("qwen1.5-moe-a2.7b", { storage: { experts: "Q4_K", dense: "F16" } });
    const typeOf = (name: string) => tensorTypeInfo(getTensor(file, name).type).name;
    expect(typeOf("blk.3.ffn_gate_exps.weight")).toBe("Q4_K");
    expect(typeOf("blk.3.ffn_down_exps.weight")).toBe("Q5_0");
    expect(typeOf("blk.3.attn_q.weight")).toBe("F16");
    expect(typeOf("blk.3.ffn_gate_inp.weight")).toBe("F32");
  });

  it("depends on the seed and on nothing else", () => {
    const [first, same, other] = [3, 3, 4].map((seed) => openShape(model, { seed }));
    const { offset, sizeBytes } = getTensor(openShape(model), "blk.1.ffn_up_exps.weight");
    // In another order, so that nothing depends on what was read before.
    if (same) readAll(same, same.dataOffset, 10_000);
    const hexes = [first, same, other].map(
      (file) => file && Buffer.from(readAll(file, offset, sizeBytes)).toString("hex"),
    );
    expect(hexes[1] === hexes[0]).toBe(true);
    expect(hexes[2] === hexes[0]).toBe(false);
  });
});

describe("a shape that is misused", () => {
  it("refuses reads past its end, of other files, and after it was closed", () => {
    const file = openShape(smallShape("olmoe-1b-7b"));
    const codeOf = (act: () => void) => {
      try {
        act();
      } catch (error) {
        return (error as { failure?: { code: string } }).failure?.code ?? String(error);
      }
      return "none";
    };
    expect(codeOf(() => file.read(file.sizeBytes - 1, new Uint8Array(2)))).toBe("TRUNCATED");
    expect(codeOf(() => file.read(-1, new Uint8Array(2)))).toBe("TRUNCATED");
    expect(codeOf(() => file.read(0, new Uint8Array(1), 1))).toContain("no file 1");
    file.close();
    expect(codeOf(() => file.read(0, new Uint8Array(1)))).toBe("UNREADABLE");
  });

  it("refuses to be made larger, or by what does not divide it", () => {
    const model = SHAPE_MODELS["deepseek-moe-16b"];
    for (const bad of [
      { layerCount: 29 },
      { layerCount: 1 },
      { expertCount: 65 },
      { expertCount: 0 },
      { widthDivisor: 3 },
      { vocabularySize: 102_401 },
      { contextLength: 0.5 },
    ]) {
      expect(() => shrinkShape(model, bad)).toThrow(/expected a/);
    }
  });

  it("leaves nothing behind where it cannot be written", () => {
    const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-shape-"));
    const file = openShape(smallShape("olmoe-1b-7b"));
    expect(() => writeShape(file, path.join(folder, "none", "a.gguf"))).toThrow(
      /cannot be written/,
    );
    const stop = () => {
      throw new Error("cancelled");
    };
    expect(() => writeShape(file, path.join(folder, "a.gguf"), stop)).toThrow("cancelled");
    expect(readdirSync(folder)).toEqual([]);
    rmSync(folder, { recursive: true });
  });
});
