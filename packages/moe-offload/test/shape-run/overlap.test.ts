import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Urgency } from "../../src/offload/lane.ts";
import { Overlap } from "../../src/shape-run/overlap.ts";
import { paced } from "../../src/shape-run/pace.ts";

const load = (startMs: number, endMs: number, urgency: Urgency = "demand") => ({
  key: 0,
  slot: 0,
  bytes: 1,
  urgency,
  submittedMs: startMs,
  startMs,
  endMs,
});

describe("the share of copying that is hidden", () => {
  it("is all of it when nothing waits", () => {
    const overlap = new Overlap();
    overlap.load(load(1, 3));
    overlap.end();
    expect(overlap.copyMs).toBe(2);
    expect(overlap.hiddenShare).toBe(1);
  });

  it("tells copies made ahead from those that were demanded", () => {
    const overlap = new Overlap();
    overlap.load(load(0, 4, "prefetch"));
    overlap.load(load(4, 8));
    overlap.phase("wait", 3);
    overlap.phase("experts", 8);
    overlap.end();
    expect(overlap.hiddenShare).toBe(3 / 8);
    expect(overlap.hiddenAheadShare).toBe(3 / 4);
  });

  it("counts moments of copies and waits once, as a sum over small steps does", () => {
    const prng = createPrng(7, "stretches");
    for (let round = 0; round < 50; round++) {
      const overlap = new Overlap();
      const copies: [number, number][] = [];
      const waits: [number, number][] = [];
      for (let i = 0; i < 12; i++) {
        const start = prng.nextInt(200);
        copies.push([start, start + 1 + prng.nextInt(30)]);
      }
      for (let at = 0; at < 220; ) {
        const begin = at + prng.nextInt(20);
        const end = begin + 1 + prng.nextInt(15);
        overlap.phase("wait", begin);
        overlap.phase("experts", end);
        waits.push([begin, end]);
        at = end;
      }
      for (const [start, end] of copies) overlap.load(load(start, end));
      overlap.end();
      const covers = (list: [number, number][], at: number) =>
        list.some(([start, end]) => start <= at && at < end);
      let copied = 0;
      let exposed = 0;
      for (let at = 0; at < 300; at++) {
        if (!covers(copies, at)) continue;
        copied++;
        if (covers(waits, at)) exposed++;
      }
      expect(overlap.copyMs).toBe(copied);
      expect(overlap.hiddenShare).toBeCloseTo(1 - exposed / copied, 12);
    }
  });
});

describe("a pace", () => {
  it("makes each layer last as long as the slower machine's, waiting not counted", () => {
    let now = 0;
    const times = { waitMs: 0 };
    // Every look at the clock takes a tenth of a millisecond.
    const hook = paced(3, () => (now += 0.1), times);
    hook("attention", 0);
    hook("request", 0);
    expect(now).toBeGreaterThanOrEqual(3);
    hook("wait", 0);
    now += 5;
    hook("experts", 0);
    expect(times.waitMs).toBeCloseTo(5.1, 6);
    const begun = now;
    hook("attention", 1);
    hook("request", 1);
    expect(now - begun).toBeGreaterThanOrEqual(3);
    expect(now - begun).toBeLessThan(3.5);
  });

  it("hides in the experts' share of a layer what the CPU computes, and no more", () => {
    const lasts = (cpuMs: number) => {
      let now = 0;
      const hook = paced(10, () => (now += 0.01), { waitMs: 0 });
      hook("experts", 0);
      const begun = now;
      hook("cpu", 0);
      now += cpuMs;
      hook("attention", 1);
      hook("request", 1);
      return now - begun;
    };
    expect(lasts(1)).toBeCloseTo(10, 0);
    expect(lasts(3.8)).toBeCloseTo(10, 0);
    // Six of the ten milliseconds come after the experts.
    expect(lasts(7)).toBeCloseTo(13, 0);
    expect(lasts(40)).toBeCloseTo(46, 0);
  });

  it("of 0 takes no time", () => {
    let looks = 0;
    const hook = paced(0, () => ++looks, { waitMs: 0 });
    for (const phase of ["attention", "request", "experts", "head", "idle"] as const) {
      hook(phase, 0);
    }
    expect(looks).toBeLessThan(4);
  });
});
