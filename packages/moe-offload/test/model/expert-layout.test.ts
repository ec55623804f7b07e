import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { encodeGguf, type GgufFile, openGguf, type TensorTypeName } from "@fmlab/ggml";
import { createPrng } from "@fmlab/sim";
import { afterAll, describe, expect, it } from "vitest";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import { MoeError } from "../../src/errors.ts";
import { describeModel } from "../../src/model/description.ts";
import { type ExpertLayout, expertLayout, shareSlots } from "../../src/model/expert-layout.ts";
import { type RandomModel, randomModel } from "../engine/random-model.ts";

const folder = mkdtempSync(join(tmpdir(), "fmlab-layout-"));
afterAll(() => rmSync(folder, { recursive: true }));

const MODEL: RandomModel = {
  architecture: "deepseek",
  seed: 1,
  layers: 5,
  width: 64,
  heads: 2,
  kvHeads: 2,
  experts: 3,
  used: 2,
  inner: 32,
  sharedCount: 1,
  denseLead: 1,
  denseInner: 32,
  context: 8,
  ropeBase: 1e4,
  epsilon: 1e-6,
};

function open(model: RandomModel): GgufFile {
  const path = join(folder, "model.gguf");
  writeFileSync(path, encodeGguf(randomModel(model)));
  const file = openGguf(path);
  file.close();
  return file;
}
const layoutOf = (model: RandomModel): ExpertLayout => {
  const file = open(model);
  return expertLayout(file, describeModel(file));
};
const types = (downs: readonly TensorTypeName[]): RandomModel => ({
  ...MODEL,
  types: Object.fromEntries(downs.map((type, layer) => [`${layer}.ffn_down_exps`, type])),
});

describe("the layout of a model's experts", () => {
  it("leaves out layers without experts", () => {
    const layout = layoutOf(MODEL);
    expect([layout.layerCount, layout.moeLayers]).toEqual([5, [1, 2, 3, 4]]);
    expect(() => layout.classOfLayer(0)).toThrow(RangeError);
    for (const [layer, expert] of [
      [0, 0],
      [5, 0],
      [1, 3],
      [1, -1],
      [1, 0.5],
    ] as const) {
      expect(() => layout.range(layer, expert, "up")).toThrow(RangeError);
      expect(() => layout.residentSlot(layer, expert)).toThrow(RangeError);
    }
  });

  it("puts layers of the same types in one class, in the order of their first layers", () => {
    const { classes, classOfLayer } = layoutOf(types(["F16", "Q8_0", "F16", "F16", "Q8_0"]));
    expect(classes.map(({ index, layers }) => [index, layers])).toEqual([
      [0, [1, 4]],
      [1, [2, 3]],
    ]);
    const matrix = 64 * 32;
    const quantised = (matrix / 32) * 34;
    expect(classes.map((one) => one.expertBytes)).toEqual([
      3 * quantised,
      2 * quantised + 2 * matrix,
    ]);
    expect([1, 2, 3, 4].map((layer) => classOfLayer(layer).index)).toEqual([0, 1, 1, 0]);
  });

  it("gives every expert a resident slot of its own, class by class", () => {
    const layout = layoutOf(types(["F16", "Q8_0", "F16", "F16", "Q8_0"]));
    const slots = [1, 4, 2, 3].flatMap((layer) =>
      [0, 1, 2].map((expert) => layout.residentSlot(layer, expert)),
    );
    expect(slots).toEqual(Array.from({ length: 12 }, (_, slot) => slot));
    const plain = layoutOf({ ...MODEL, denseLead: 0 });
    expect(plain.residentSlot(3, 2)).toBe(3 * 3 + 2);
  });

  it("finds in a fused tensor the bytes that lie in two others", () => {
    const bytesOf = (model: RandomModel) => {
      const layout = layoutOf(model);
      const file = readFileSync(join(folder, "model.gguf"));
      return layout.moeLayers.flatMap((layer) =>
        [0, 1, 2].flatMap((expert) =>
          EXPERT_PARTS.map((part) => {
            const { path, fileIndex, offset, sizeBytes } = layout.range(layer, expert, part);
            expect([path, fileIndex]).toEqual([join(folder, "model.gguf"), 0]);
            return file.subarray(offset, offset + sizeBytes).toString("hex");
          }),
        ),
      );
    };
    const separate = bytesOf(MODEL);
    expect(new Set(separate).size).toBe(4 * 3 * 3);
    expect(bytesOf({ ...MODEL, fusedGateUp: true })).toEqual(separate);
  });

  it("refuses types it does not compute with, and lists those it does", () => {
    const file = open(MODEL);
    const name = "blk.2.ffn_up_exps.weight";
    const tensor = file.tensors.get(name);
    if (!tensor) throw new Error("the model has experts");
    const odd = new Map(file.tensors).set(name, { ...tensor, type: 27, typeName: "i64" });
    const call = () => expertLayout({ ...file, tensors: odd }, describeModel(file));
    expect(call).toThrow(MoeError);
    expect(call).toThrow(/blk.2.ffn_up_exps.weight is i64; .* F32, F16, .*Q4_K.*MXFP4/);
  });

  it("refuses a fused tensor of another shape", () => {
    const file = open({ ...MODEL, fusedGateUp: true });
    const name = "blk.1.ffn_gate_up_exps.weight";
    const tensor = file.tensors.get(name);
    if (!tensor) throw new Error("the model has fused experts");
    const odd = new Map(file.tensors).set(name, { ...tensor, shape: [64, 32, 3] });
    const call = () => expertLayout({ ...file, tensors: odd }, describeModel(file));
    expect(call).toThrow(/has shape \[64,32,3\], expected \[64,64,3\]/);
  });
});

describe("sharing slots among classes", () => {
  it("uses all slots, gives each class what a token needs and no more than it has", () => {
    const prng = createPrng(4, "shares");
    for (let run = 0; run < 300; run++) {
      const expertCount = 1 + prng.nextInt(40);
      const expertUsedCount = 1 + prng.nextInt(expertCount);
      const classes = Array.from({ length: 1 + prng.nextInt(4) }, (_, index) => {
        const layers = Array.from({ length: 1 + prng.nextInt(6) }, (_layer, layer) => layer);
        return { index, layers, parts: [], expertBytes: 1 };
      });
      const moeLayers = classes.flatMap(({ layers }) => layers);
      const layout = {
        classes,
        expertCount,
        expertUsedCount,
        moeLayers,
      } as unknown as ExpertLayout;
      const all = moeLayers.length * expertCount;
      const least = classes.length * expertUsedCount;
      const slotCount = least + prng.nextInt(all - least + 1);
      const shares = shareSlots(layout, slotCount);
      expect(shares.reduce((sum, share) => sum + share, 0)).toBe(slotCount);
      shares.forEach((share, index) => {
        expect(share).toBeGreaterThanOrEqual(expertUsedCount);
        expect(share).toBeLessThanOrEqual((classes[index]?.layers.length ?? 0) * expertCount);
      });
      const everything = classes.map(({ layers }) => layers.length * expertCount);
      expect(shareSlots(layout, all)).toEqual(everything);
    }
  });
});
