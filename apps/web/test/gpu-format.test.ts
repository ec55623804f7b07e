import { describe, expect, it } from "vitest";
import { gpuFacts, gpuInShort } from "../src/ui/format/gpu.ts";

const old = { name: "NVIDIA H200", memoryBytes: 143_771 * 2 ** 20, driver: "580.65.06" };

describe("a GPU in words", () => {
  it("tells what an old record has", () => {
    expect(gpuInShort(old)).toBe("NVIDIA H200, 140 GiB");
    expect(gpuFacts(old)).toEqual([
      ["VRAM", "140 GiB"],
      ["Driver", "580.65.06"],
    ]);
  });

  it("tells link, clocks and limits, and that an idle link was slower", () => {
    const gpu = {
      ...old,
      memoryFreeBytes: 2 ** 34,
      computeCapability: "9.0",
      cudaVersion: "13.0",
      pcie: { generation: 1, width: 16, generationMax: 5, widthMax: 16 },
      clocks: { smMHz: 345, smMaxMHz: 1_980, memoryMaxMHz: 3_201 },
      powerLimitW: 700,
    };
    expect(gpuFacts(gpu)).toEqual([
      ["VRAM", "140 GiB, 16 GiB free at the start"],
      ["Compute capability", "9.0"],
      ["Driver", "580.65.06, CUDA up to 13.0"],
      ["Link", "PCIe 5 × 16; 1 × 16 when looked at"],
      ["Clocks", "SM up to 1980 MHz, memory up to 3201 MHz"],
      ["Power limit", "700 W"],
    ]);
    const busy = { ...gpu, pcie: { ...gpu.pcie, generation: 5 } };
    expect(gpuFacts(busy)).toContainEqual(["Link", "PCIe 5 × 16"]);
  });

  it("does not call shared memory zero bytes", () => {
    const shared = { ...old, memoryBytes: 0 };
    expect(gpuInShort(shared)).toBe("NVIDIA H200");
    expect(gpuFacts(shared)[0]).toEqual(["VRAM", "not told by the driver"]);
  });
});
