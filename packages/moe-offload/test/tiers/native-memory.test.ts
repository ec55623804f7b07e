import { createPrng } from "@fmlab/sim";
import { expect, it } from "vitest";
import { HostArena } from "../../src/tiers/host-arena.ts";
import { addressOf, gatherRegions, NativeMemory } from "../../src/tiers/native-memory.ts";

it("regions that lie side by side share one block, and each is found in it", () => {
  const buffer = new ArrayBuffer(64 * 100);
  const start = addressOf(buffer);
  const order = createPrng(1, "regions").shuffle(Array.from({ length: 64 }, (_, i) => i));
  const far = new ArrayBuffer(1000);
  const regions = [
    ...order.map((i) => ({ address: start + BigInt(100 * i), sizeBytes: 100 })),
    { address: addressOf(far) + 100n, sizeBytes: 900 },
  ];
  // Whether the two buffers happen to lie side by side is up to the allocator.
  const map = gatherRegions(regions);
  expect(map.blocks.length).toBeLessThanOrEqual(2);
  const memory = new NativeMemory(map);
  order.forEach((i, region) => {
    memory.write(region, new Uint8Array(100).fill(i + 1));
  });
  memory.write(64, new Uint8Array(900).fill(200));
  expect([...new Uint8Array(buffer)]).toEqual(
    Array.from({ length: 6400 }, (_, i) => Math.floor(i / 100) + 1),
  );
  expect([...new Uint8Array(far, 99, 2)]).toEqual([0, 200]);
  expect(memory.bytes(64, 10, 5)).toEqual(new Uint8Array(5).fill(200));
  expect(() => memory.write(65, new Uint8Array(1))).toThrow(RangeError);
  memory.release();
  expect(() => memory.bytes(0, 0, 1)).toThrow(RangeError);
});

it("blocks end before typed arrays would", () => {
  const GIB = 2 ** 30;
  const regions = Array.from({ length: 5 }, (_, i) => ({
    address: 4096n + BigInt(i * GIB),
    sizeBytes: GIB,
  }));
  const map = gatherRegions(regions);
  expect(map.blocks.map((block) => block.sizeBytes)).toEqual([2 * GIB, 2 * GIB, GIB]);
  expect([...map.block]).toEqual([0, 0, 1, 1, 2]);
  expect([...map.offset]).toEqual([0, GIB, 0, GIB, 0]);
});

it.each([
  { address: 0n, sizeBytes: 10 },
  { address: -5n, sizeBytes: 10 },
  { address: 4096n, sizeBytes: 0 },
  { address: 4096n, sizeBytes: 1.5 },
])("$sizeBytes bytes at address $address are refused, which would end the process", (region) => {
  expect(() => gatherRegions([region])).toThrow(/are no memory/);
});

it("host memory that cannot be had is refused with its size", () => {
  expect(() => new HostArena(1, 2 ** 45)).toThrow(/35184372088832 bytes of host memory/);
});
