import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { SCHEDULE_NAMES, type ScheduleName } from "../../src/throughput/schedules.ts";
import { runVirtual, type VirtualCase } from "./virtual-pass.ts";

/** An expert of the shipped model over a link, ms. */
const transferMs = (megabytesPerSecond: number) => 104_448 / megabytesPerSecond / 1e3;
const SCHEDULES = SCHEDULE_NAMES.filter((name) => name !== "klotski-q");

/** Last of ten decode passes of a group of 4 sequences a batch, 400 MB/s, a quarter in memory. */
function decodePass(schedule: ScheduleName, batches: number) {
  const passes = runVirtual({
    schedule,
    slotCount: 64,
    transferMs: transferMs(400),
    attentionMs: 0.15,
    expertMs: 0.01,
    rowMs: 0.008,
    units: batches,
    tokensPerUnit: 4,
    passes: 10,
  });
  const last = passes.at(-1);
  if (!last) throw new Error("ten passes were run");
  return { ...last, tokensPerSecond: (4e3 * batches) / last.elapsedMs };
}

describe("passes in virtual time", () => {
  const random = createPrng(1, "cases");
  const cases = Array.from({ length: 40 }, (_, seed): VirtualCase => {
    const unitsPerBatch = 1 + random.nextInt(2);
    return {
      schedule: random.pick(SCHEDULES),
      slotCount: 1 + random.nextInt(random.pick([4, 40, 256])),
      transferMs: 2 ** (random.nextFloat() * 8 - 5),
      attentionMs: 2 ** (random.nextFloat() * 6 - 3),
      expertMs: random.nextFloat() * 0.1,
      rowMs: random.nextFloat() * 0.05,
      units: unitsPerBatch * (1 + random.nextInt(3)),
      unitsPerBatch,
      tokensPerUnit: 1 + random.nextInt(20),
      passes: 3,
      idleMs: random.nextInt(2) * 100,
      seed,
    };
  });

  it("compute every row once, with its expert there, and never beat the bound", () => {
    for (const one of cases) {
      for (const { computeMs, elapsedMs, linkMs, loads, missed } of runVirtual(one)) {
        expect(loads).toBeGreaterThanOrEqual(missed);
        // The link ends what it has begun: loads that are ready when a pass begins cost it nothing.
        expect(elapsedMs).toBeGreaterThanOrEqual(computeMs - 1e-6);
        expect(elapsedMs).toBeGreaterThanOrEqual(missed * one.transferMs - 1e-6);
        const spanMs = elapsedMs + (one.idleMs ?? 0);
        expect(linkMs).toBeLessThanOrEqual(spanMs + one.transferMs + 1e-6);
      }
    }
  });

  it.each([64, 128, 192])("prefill with %i of 256 slots reaches 85 % of its bound", (slotCount) => {
    for (const tokensPerUnit of [256, 480]) {
      for (const speed of [100, 400, 1600]) {
        const one = { schedule: "aggressive", slotCount, transferMs: transferMs(speed) } as const;
        const passes = runVirtual({
          ...one,
          attentionMs: tokensPerUnit * 0.025,
          expertMs: 0.01,
          rowMs: 0.006,
          units: 1,
          tokensPerUnit,
          passes: 5,
          idleMs: 200,
        });
        for (const { computeMs, elapsedMs, missed } of passes.slice(2)) {
          const ratio = Math.max(computeMs, missed * one.transferMs) / elapsedMs;
          expect([speed, tokensPerUnit, ratio >= 0.85, ratio]).toEqual([
            speed,
            tokensPerUnit,
            true,
            ratio,
          ]);
        }
      }
    }
  });

  it("a link that is busy all the time hardly loads what was there already", () => {
    const passes = runVirtual({
      schedule: "aggressive",
      slotCount: 128,
      transferMs: transferMs(100),
      attentionMs: 6,
      expertMs: 0.01,
      rowMs: 0.006,
      units: 1,
      tokensPerUnit: 256,
      passes: 6,
      idleMs: 200,
    });
    // Beyond what is missing, a window of experts is loaded anew, and some for the next prompt.
    for (const { loads, missed } of passes.slice(2)) expect(loads).toBeLessThan(1.1 * missed);
  });

  it("each step of Klotski's ablation is faster than the one before it", () => {
    const steps = [
      decodePass("simple-pipeline", 1),
      decodePass("zig-zag", 10),
      decodePass("hot-prefetch", 10),
      decodePass("klotski", 10),
    ].map(({ tokensPerSecond }) => tokensPerSecond);
    expect(steps).toEqual([...steps].sort((a, b) => a - b));
    expect((steps[3] ?? 0) / (steps[0] ?? 1)).toBeGreaterThan(3);
  });

  it("whole layers are loaded once a pass where two of them fit, shared or not", () => {
    expect(decodePass("simple-pipeline", 1).loads).toBe(256);
    expect(decodePass("zig-zag", 10).loads).toBe(256);
    // Chosen experts stream through a window, and the others stay from pass to pass.
    expect(decodePass("klotski", 10).loads).toBeLessThan(210);
  });
});
