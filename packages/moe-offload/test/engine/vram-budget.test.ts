import { openGguf } from "@fmlab/ggml";
import { afterAll, describe, expect, it } from "vitest";
import { expertBudgetBytes } from "../../src/decode/expert-budget.ts";
import { linkOf } from "../../src/decode/run.ts";
import { decodeConfig } from "../../src/definitions/decode.ts";
import { shapeConfig } from "../../src/definitions/shape.ts";
import { bytesOf, megabytesPerSecondOf } from "../../src/definitions/sizes.ts";
import { expertBytesWithin } from "../../src/engine/vram-budget.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import { withBudgets } from "../../src/shape-run/shape-budget.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";

const MIB = 2 ** 20;
const SCRATCH_BYTES = 64 * MIB;
const file = openGguf(SHIPPED_MODEL);
const model = describeModel(file);
const layout = expertLayout(file, model);
afterAll(() => file.close());

describe("sizes with units", () => {
  it.each([
    ["8GiB", 8 * 2 ** 30],
    ["6.5 GB", 6.5e9],
    ["512 MiB", 512 * MIB],
    ["1000KB", 1e6],
    ["", undefined],
  ])("%s is so many bytes", (text, bytes) => {
    expect(bytesOf(text)).toBe(bytes);
  });

  it.each([
    ["12GB/s", 12_000],
    ["800 MB/s", 800],
    ["1GiB/s", 1073.741824],
    ["", undefined],
  ])("%s is so many MB/s", (text, speed) => {
    expect(megabytesPerSecondOf(text)).toBe(speed);
  });

  it.each(["8", "8 gib", "GiB", "-1GiB", "8GB/s", "0GiB", "1e3MB", "8 constructor"])(
    "%s is refused as memory, with what was expected",
    (vram) => {
      const refused = decodeConfig.safeParse({ vram });
      expect(refused.error?.message).toMatch(/expected a size such as 8GiB.*units are B, KB/s);
    },
  );

  it.each(["12", "12GB", "12 Gbit/s", "0MB/s"])("%s is refused as a speed", (linkSpeed) => {
    const refused = shapeConfig.safeParse({ linkSpeed });
    expect(refused.error?.message).toMatch(/expected a speed such as 12GB\/s/);
  });
});

describe("a budget of the card's memory", () => {
  const contextTokens = 300;
  const left = (bytes: number) => expertBytesWithin(bytes, { file, model, layout, contextTokens });
  const routed = layout.moeLayers.length * layout.expertCount * layout.expertBytes;
  const tensors = [...file.tensors.values()];
  const allBytes = tensors.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  // Keys and values in 16 bits of 512 tokens, the next whole stretch.
  const cacheBytes = model.layerCount * 2 * model.headCountKv * model.headLength * 2 * 512;

  it("leaves experts what weights, cache and scratch do not take", () => {
    const embedding = file.tensors.get("token_embd.weight")?.sizeBytes ?? 0;
    const onHost = file.tensors.has("output.weight") ? embedding : 0;
    const dense = allBytes - routed - onHost;
    expect(left(256 * MIB)).toBe(256 * MIB - dense - cacheBytes - SCRATCH_BYTES);
    expect(left(256 * MIB + 12_345) - left(256 * MIB)).toBe(12_345);
  });

  it("that does not hold the experts of one token is refused with the least that does", () => {
    let least = 0;
    try {
      left(1 * MIB);
    } catch (error) {
      least = Number(/need (\d+) MiB/.exec((error as Error).message)?.[1]);
    }
    expect(left(least * MIB)).toBeGreaterThanOrEqual(layout.expertUsedCount * layout.expertBytes);
    expect(() => left((least - 1) * MIB)).toThrow(/vram is .*weights .*cache .*scratch/);
  });

  it("takes the place of the number beside it, and only where it is given", () => {
    const budget = (vram: string) =>
      expertBudgetBytes({ budgetMiB: 6.375, vram }, SHIPPED_MODEL, contextTokens);
    expect(budget("")).toBe(6.375 * MIB);
    expect(budget("256MiB")).toBe(left(256 * MIB));
    const link = { bandwidthMBps: 200, latencyUs: 3, queueDepth: 2 };
    expect(linkOf({ link, linkSpeed: "" })).toEqual(link);
    expect(linkOf({ link, linkSpeed: "12GB/s" })).toEqual({ ...link, bandwidthMBps: 12_000 });
  });

  it("becomes slots of a shape, never more than it has experts", () => {
    const config = (vram: string, linkSpeed = "") =>
      withBudgets(shapeConfig.parse({ vram, linkSpeed, linkMBps: 7 }));
    expect(config("")).toMatchObject({ slots: [24, 64], linkMBps: 7 });
    const [few] = config("1GiB", "2GB/s").slots;
    const [more] = config("1.1GiB").slots;
    // An expert of OLMoE in 4 bits: three matrices of 2048 x 1024.
    const expertBytes = (3 * 2048 * 1024 * 18) / 32;
    expect((more ?? 0) - (few ?? 0)).toBeGreaterThanOrEqual(
      more === 128 ? 0 : Math.floor((0.1 * 2 ** 30) / expertBytes),
    );
    expect(config("1GiB", "2GB/s").linkMBps).toBe(2_000);
    expect(config("80GiB").slots).toEqual([2 * 64]);
    expect(() => config("100MB")).toThrow(/vram is 96 MiB/);
  });
});
