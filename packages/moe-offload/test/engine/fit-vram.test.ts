import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import {
  fitVram,
  OutOfVramError,
  outOfVram,
  type VramChange,
  type VramDemand,
  vramParts,
} from "../../src/engine/fit-vram.ts";

const GIB = 2 ** 30;
const UNIT: Record<string, number> = { B: 1, KiB: 2 ** 10, MiB: 2 ** 20, GiB: GIB };

const total = (demand: VramDemand) =>
  Object.values(vramParts(demand)).reduce((sum, bytes) => sum + bytes, 0);

/** The greatest whole number up to `from` that satisfies `isSo`, by trying each. */
function greatest(from: number, least: number, isSo: (n: number) => boolean): number | undefined {
  for (let n = from; n >= least; n--) if (isSo(n)) return n;
  return undefined;
}

/** By the definition of the changes, trying every number of slots and every length of context. */
function changesByTrial(demand: VramDemand, freeBytes: number): Partial<VramChange>[] {
  const { slotCount, slotCountMin, contextTokens, contextTokensMin } = demand;
  const { contextStepTokens = 1 } = demand;
  const fits = (more: Partial<VramDemand>) => total({ ...demand, ...more }) <= freeBytes;
  const slots = greatest(slotCount, slotCountMin, (n) => fits({ slotCount: n }));
  const context = greatest(contextTokens, Math.max(1, contextTokensMin), (n) =>
    n % contextStepTokens === 0 ? fits({ contextTokens: n }) : false,
  );
  const alone: Partial<VramChange>[] = [
    ...(slots === undefined ? [] : [{ what: "slots" as const, to: slots }]),
    ...(context === undefined ? [] : [{ what: "context" as const, to: context }]),
  ];
  if (alone.length > 0) return alone;
  const both = greatest(slotCount, slotCountMin, (n) =>
    fits({ slotCount: n, contextTokens: contextTokensMin }),
  );
  return both === undefined ? [] : [{ what: "slots and context", slots: both }];
}

/** Qwen1.5-MoE in 4 bits with every expert in a slot. */
const qwen: VramDemand = {
  weightsBytes: Math.round(1.2 * GIB),
  slotBytes: 4_866_048,
  slotCount: 1_440,
  slotCountMin: 8,
  contextTokens: 8_192,
  contextTokensMin: 544,
  contextStepTokens: 256,
  kvBytesPerToken: 24 * 2 * 2_048 * 2,
  computeBytes: 300 * 2 ** 20,
};

describe("the fit of a model in VRAM", () => {
  it("names the changes that trying every number finds, for demands of every kind", () => {
    const random = createPrng(7);
    const int = (low: number, high: number) => low + random.nextInt(high - low + 1);
    const seen = new Set<string>();
    for (let round = 0; round < 3_000; round++) {
      const demand: VramDemand = {
        weightsBytes: int(0, 300),
        slotBytes: int(1, 40),
        slotCount: int(1, 30),
        slotCountMin: int(0, 4),
        contextTokens: int(4, 40),
        contextTokensMin: int(0, 6),
        contextStepTokens: int(1, 4),
        kvBytesPerToken: int(0, 9),
        computeBytes: int(0, 50),
        computeBytesPerToken: int(0, 3),
      };
      const freeBytes = int(0, 900);
      const fit = fitVram(demand, { freeBytes });
      const expected = total(demand) <= freeBytes ? [] : changesByTrial(demand, freeBytes);
      expect(fit).toMatchObject({ fits: total(demand) <= freeBytes, neededBytes: total(demand) });
      expect(fit.changes).toHaveLength(expected.length);
      expect(fit.changes).toMatchObject(expected);
      seen.add(fit.fits ? "fits" : fit.changes.map(({ what }) => what).join("+") || "nothing");
    }
    const kinds = ["fits", "nothing", "slots", "context", "slots+context", "slots and context"];
    expect([...seen].sort()).toEqual(kinds.sort());
  });

  it("tells parts, the budget that holds just those slots, and the context", () => {
    const error = outOfVram(qwen, { freeBytes: 7.5 * GIB });
    expect(error).toBeInstanceOf(OutOfVramError);
    expect(error.failure).toMatchObject({ code: "OUT_OF_VRAM", freeBytes: 7.5 * GIB });
    expect(error.message).toBe(
      "9.6 GiB of VRAM are needed (weights 1.2 GiB, expert slots 6.5 GiB, KV cache 1.5 GiB, " +
        "compute buffers 300 MiB), 7.5 GiB are free. Lower the expert budget from 6.5 GiB to " +
        "4.505 GiB: 994 slots in place of 1,440",
    );
    const short = outOfVram(qwen, { freeBytes: 9 * GIB });
    expect(short.message).toMatch(/, or lower the context from 8,192 to 5,120 tokens$/);
  });

  it("gives a budget that, typed in, holds the slots it names", () => {
    const random = createPrng(11);
    for (let round = 0; round < 500; round++) {
      const slotBytes = 1_000 + Math.floor(random.nextFloat() * 2 ** 28);
      const demand = { ...qwen, slotBytes, slotCount: 2_000, slotCountMin: 1 };
      const slots = 1 + Math.floor(random.nextFloat() * 1_999);
      const rest = total({ ...demand, slotCount: 0 });
      const { message } = outOfVram(demand, { freeBytes: rest + slots * slotBytes });
      const found = / to ([\d.]+) (\w+): ([\d,]+) slots/.exec(message);
      const budgetBytes = Number(found?.[1]) * (UNIT[found?.[2] ?? ""] ?? Number.NaN);
      expect(found?.[3]?.replaceAll(",", "")).toBe(String(slots));
      expect(Math.floor(budgetBytes / slotBytes)).toBe(slots);
    }
  });

  it("says how much others hold when the card as a whole were enough", () => {
    const supply = { freeBytes: 7.5 * GIB, totalBytes: 24 * GIB };
    expect(outOfVram(qwen, supply).message).toMatch(
      /, or free 2\.1 GiB that other processes hold on the card$/,
    );
    expect(fitVram(qwen, { freeBytes: 7.5 * GIB, totalBytes: 8 * GIB }).changes).toHaveLength(1);
  });

  it("says what the least takes where nothing fits", () => {
    const error = outOfVram(qwen, { freeBytes: GIB });
    expect(error.failure.changes).toEqual([]);
    expect(error.message).toMatch(/shortest context take 1\.7 GiB: use a card with that much free/);
  });

  it("lowers the budget by a failed allocation where the sums fit", () => {
    const cause = new Error("cudaMalloc failed: out of memory");
    const failed = { what: "the KV cache", sizeBytes: 10 * qwen.slotBytes + 1, cause };
    const error = outOfVram(qwen, { freeBytes: 10 * GIB }, failed);
    expect(error.cause).toBe(cause);
    expect(error.message).toMatch(/^the KV cache \(46\.4 MiB\) could not be allocated, although/);
    expect(error.failure.changes).toEqual([
      { what: "slots", from: 1_440, to: 1_429, slotBytes: qwen.slotBytes },
    ]);
    // Where they do not fit, the sums explain the failure.
    expect(outOfVram(qwen, { freeBytes: 7.5 * GIB }, failed).message).toMatch(/are needed/);
  });
});
