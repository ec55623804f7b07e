import { describe, expect, it } from "vitest";
import { profileShares } from "../../bench/big-model/cpu-profile.ts";
import { QWEN15_MOE } from "../../bench/big-model/design.ts";
import { compareLogits } from "../../bench/big-model/logits.ts";
import { Stopwatch } from "../../bench/big-model/stopwatch.ts";

/** A clock on which only work and its own readings take time. */
class CountingClock {
  ms = 0;
  readonly #readMs: number;

  constructor(readMs: number) {
    this.#readMs = readMs;
  }

  nowMs(): number {
    // Half of a reading passes before the time is taken, half after it.
    this.ms += this.#readMs;
    return this.ms - this.#readMs / 2;
  }

  costMs(): number {
    return this.#readMs;
  }
}

describe("the stopwatch", () => {
  it("gives each kind its own time, less calls within and less the clock's cost", () => {
    const clock = new CountingClock(0.25);
    const native = {
      compute: () => {
        clock.ms += 40;
      },
    };
    const lane = {
      waitFor: () => {
        clock.ms += 7;
      },
    };
    const scheduler = {
      request: (asked: number) => {
        clock.ms += 2;
        lane.waitFor();
        clock.ms += 1;
        native.compute();
        return asked + 1;
      },
    };
    const stopwatch = new Stopwatch(clock);
    stopwatch.wrap(native, "compute", "native");
    stopwatch.wrap(lane, "waitFor", "waiting");
    stopwatch.wrap(scheduler, "request", "scheduler");
    const startMs = clock.ms;
    for (let i = 0; i < 10; i++) {
      clock.ms += 5;
      expect(scheduler.request(i)).toBe(i + 1);
      native.compute();
    }
    const { calls, clockMs, ms } = stopwatch.read();
    expect(calls).toEqual({ native: 20, scheduler: 10, waiting: 10 });
    expect(ms.native).toBeCloseTo(800, 9);
    expect(ms.waiting).toBeCloseTo(70, 9);
    expect(ms.scheduler).toBeCloseTo(30, 9);
    expect(clockMs).toBeCloseTo(20, 9);
    const rest = clock.ms - startMs - clockMs - ms.native - ms.waiting - ms.scheduler;
    expect(rest).toBeCloseTo(50, 9);
    stopwatch.reset();
    expect(stopwatch.read().ms).toEqual({ native: 0, scheduler: 0, waiting: 0 });
  });

  it("counts the time of a call that throws", () => {
    const clock = new CountingClock(0);
    const lane = {
      waitFor: () => {
        clock.ms += 3;
        throw new Error("cancelled");
      },
    };
    const stopwatch = new Stopwatch(clock);
    stopwatch.wrap(lane, "waitFor", "waiting");
    expect(() => lane.waitFor()).toThrow("cancelled");
    expect(stopwatch.read().ms.waiting).toBe(3);
  });
});

describe("shares of a profile", () => {
  it("count samples of tokens alone, each for the innermost place it has", () => {
    const frame = (functionName: string, source: string) => ({
      functionName,
      scriptId: "0",
      url: source === "" ? "" : `file:///fmlab/packages/${source}`,
      lineNumber: 0,
      columnNumber: 0,
    });
    const nodes = [
      { id: 1, callFrame: frame("(root)", ""), children: [2, 3, 9] },
      { id: 2, callFrame: frame("decode", "moe-offload/src/calibration/calibration-file.ts") },
      { id: 3, callFrame: frame("decode", "moe-offload/src/engine/engine.ts"), children: [4, 5] },
      { id: 4, callFrame: frame("compute", "ggml/src/plan.ts"), children: [8] },
      {
        id: 5,
        callFrame: frame("waitFor", "moe-offload/src/tiers/transfer-lane.ts"),
        children: [6, 7],
      },
      { id: 6, callFrame: frame("sleep", "moe-offload/src/tiers/slot-states.ts") },
      { id: 7, callFrame: frame("nowMs", "moe-offload/src/tiers/monotonic-clock.ts") },
      { id: 8, callFrame: frame("verify", "ggml/src/graph.ts") },
      { id: 9, callFrame: frame("(idle)", "") },
    ];
    const samples = [2, 3, 4, 8, 6, 7, 9];
    const timeDeltas = [0, 1000, 2000, 4000, 8000, 16_000, 32_000];
    const profile = { nodes, samples, timeDeltas, startTime: 0, endTime: 63_000 };
    expect(profileShares(profile)).toEqual({ engine: 2, native: 4, binding: 8, waiting: 48 });
  });
});

describe("compared logits", () => {
  const rows = (change: (values: Float32Array) => void) => {
    const values = Float32Array.from({ length: 2 * QWEN15_MOE.vocabulary }, (_, i) => i % 7);
    change(values);
    return Buffer.from(values.buffer).toString("base64");
  };

  it("are equal only where every bit is", () => {
    const same = rows(() => {});
    const zero = rows((values) => {
      values[0] = -0;
    });
    const near = rows((values) => {
      values[5] = 5.5;
    });
    expect(compareLogits([same], [same])).toEqual({
      rows: 2,
      equalShare: 1,
      differenceMax: 0,
      sizeMax: 6,
    });
    expect(compareLogits([same], [zero]).equalShare).toBeLessThan(1);
    expect(compareLogits([same], [near]).differenceMax).toBe(0.5);
  });

  it("differ without bound from numbers that are none, and from rows that are missing", () => {
    const same = rows(() => {});
    const bad = rows((values) => {
      values[1] = Number.NaN;
    });
    expect(compareLogits([same], [bad]).differenceMax).toBe(Number.POSITIVE_INFINITY);
    expect(compareLogits([same], []).differenceMax).toBe(Number.POSITIVE_INFINITY);
  });
});
