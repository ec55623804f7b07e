import { createRequire } from "node:module";
import { describe, expect, it } from "vitest";
import { EXPERT_PARTS } from "../../src/engine/interfaces.ts";
import { NativeSlotPool } from "../../src/engine/slot-pool.ts";
import { withFile } from "./every-way.ts";
import { openMachine } from "./graph-machine.ts";
import { type RandomModel, randomModelFile } from "./random-model.ts";

const MODEL: RandomModel = {
  architecture: "deepseek",
  seed: 2,
  layers: 4,
  width: 64,
  heads: 2,
  kvHeads: 2,
  experts: 5,
  used: 2,
  inner: 32,
  sharedCount: 1,
  denseLead: 1,
  denseInner: 32,
  context: 8,
  ropeBase: 1e4,
  epsilon: 1e-6,
  // Layers 1 and 3 are alike; gate and up of layer 2 cannot be stacked.
  types: { "2.ffn_up_exps": "F16" },
};

const bytesOf = (part: { sizeBytes: number }) => part.sizeBytes;

describe("a pool of two classes of experts", () => {
  it("numbers the slots of both, class by class, and knows the class of each", () => {
    withFile(randomModelFile(MODEL), (modelPath) => {
      const machine = openMachine(modelPath, [7, 3]);
      const { pool, layout } = machine;
      expect(pool.slotCount).toBe(10);
      expect(pool.classes.map(({ firstSlot, slotCount }) => [firstSlot, slotCount])).toEqual([
        [0, 7],
        [7, 3],
      ]);
      expect([1, 2, 3].map((layer) => pool.classOfLayer(layer).index)).toEqual([0, 1, 0]);
      expect([0, 6, 7, 9].map((slot) => pool.classOfSlot(slot).index)).toEqual([0, 0, 1, 1]);
      expect(() => pool.classOfLayer(0)).toThrow(RangeError);
      for (const slot of [-1, 10, 0.5, Number.NaN]) {
        expect(() => pool.classOfSlot(slot)).toThrow(RangeError);
        expect(() => pool.view(slot, "up")).toThrow(RangeError);
        expect(() => pool.address(slot, "up")).toThrow(RangeError);
      }
      for (const { index, parts, expertBytes } of layout.classes) {
        expect(pool.classes[index]?.parts.map(bytesOf)).toEqual(parts.map(bytesOf));
        expect(pool.classes[index]?.expertBytes).toBe(expertBytes);
      }
      expect([pool.expertBytes, pool.parts]).toEqual([
        pool.classes[0]?.expertBytes,
        pool.classes[0]?.parts,
      ]);
      machine.close();
    });
  });

  it("has a place for every part of every slot, shared with none, that address and view show", () => {
    withFile(randomModelFile(MODEL), (modelPath) => {
      const koffi = createRequire(import.meta.url)("koffi") as {
        view(address: bigint, sizeBytes: number): ArrayBuffer;
      };
      const machine = openMachine(modelPath, [7, 3]);
      const { pool } = machine;
      const places = Array.from({ length: 10 }, (_, slot) =>
        EXPERT_PARTS.map((part) => ({ slot, part, view: pool.view(slot, part) })),
      ).flat();
      for (const { view } of places) expect(view.every((byte) => byte === 0)).toBe(true);
      for (const [number, { view }] of places.entries()) view.fill(number + 1);
      for (const [number, { slot, part, view }] of places.entries()) {
        const found = pool.classOfSlot(slot).parts.find(({ name }) => name === part);
        expect(view.length).toBe(found?.sizeBytes);
        expect(view.every((byte) => byte === number + 1)).toBe(true);
        // The view that koffi makes must be let go of before the memory is.
        const native = koffi.view(pool.address(slot, part), view.length);
        expect(Buffer.from(native).equals(view)).toBe(true);
        structuredClone(native, { transfer: [native] });
      }
      machine.close();
      for (const { view } of places) expect(view.length).toBe(0);
      expect(() => pool.address(0, "gate")).toThrow(/gone/);
    });
  });

  it("shares a number of slots out, and refuses shares that cannot be", () => {
    withFile(randomModelFile(MODEL), (modelPath) => {
      const machine = openMachine(modelPath);
      const { layout, device } = machine;
      const pool = new NativeSlotPool(layout, device, 9);
      expect(pool.classes.map(({ slotCount }) => slotCount)).toEqual([6, 3]);
      pool.close();
      for (const counts of [[9], [5, 0], [11, 5], [4, 6], [4, 2.5], [4, 4, 4]]) {
        expect(() => new NativeSlotPool(layout, device, counts)).toThrow(/expected a whole number/);
      }
      machine.close();
    });
  });
});
