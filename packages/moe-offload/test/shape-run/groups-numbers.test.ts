import { describe, expect, it } from "vitest";
import { BusyMeter } from "../../src/shape-run/busy-meter.ts";
import type { GroupsRecord } from "../../src/shape-run/groups-job.ts";
import {
  boundShare,
  idleShare,
  overOther,
  sumSchedules,
} from "../../src/shape-run/groups-numbers.ts";

const TIMES = {
  attentionMs: 10,
  expertsMs: 20,
  headMs: 5,
  waitMs: 40,
  transferMs: 60,
  bytes: 6e6,
  loads: 3,
  waves: 2,
};

/** `steps` decode steps of `stepMs` each, in groups of `batches`. */
function record(changes: Partial<GroupsRecord> & { stepMs: readonly number[] }): GroupsRecord {
  return {
    schedule: "klotski",
    repeat: 0,
    batches: 1,
    sequences: 2,
    tokens: 2 * (changes.stepMs.length + 1),
    prefillMs: 100,
    decodeMs: changes.stepMs.reduce((sum, ms) => sum + ms, 0),
    prefill: TIMES,
    decode: TIMES,
    hot: undefined,
    busyMs: 70,
    ...changes,
  };
}

const steps = (count: number, ms: (step: number) => number) =>
  Array.from({ length: count }, (_, step) => ms(step));

describe("numbers of groups", () => {
  it("add up repetitions, schedules in the order asked for", () => {
    const records = [
      record({ schedule: "zig-zag", stepMs: steps(8, () => 4) }),
      record({ repeat: 1, stepMs: steps(8, () => 2) }),
      record({ stepMs: steps(8, () => 3), prefillMs: 50 }),
    ];
    const [klotski, zigZag] = sumSchedules(["klotski", "zig-zag"], records);
    expect(klotski?.schedule).toBe("klotski");
    expect(klotski?.prefillMs).toBe(150);
    expect(klotski?.decodeMs).toBe(40);
    expect(klotski?.decode.bytes).toBe(12e6);
    // Two blocks of four steps, half of the prompts with each, for each of two sequences.
    expect(klotski?.blockMs).toEqual([(25 + 12) / 2, (25 + 12) / 2, (50 + 8) / 2, (50 + 8) / 2]);
    expect(zigZag?.blockMs).toHaveLength(2);
  });

  it("compare by blocks: twice as fast in every block is 2 with no width", () => {
    const slow = record({ schedule: "zig-zag", stepMs: steps(13, (step) => 10 + step) });
    const fast = record({ stepMs: steps(13, (step) => 5 + step / 2), prefillMs: 50 });
    const [a, b] = sumSchedules(["zig-zag", "klotski"], [slow, fast]);
    const ratio = a && b && overOther(b, a);
    expect(ratio?.ratio).toBeCloseTo(2, 10);
    expect(ratio?.low).toBeCloseTo(2, 10);
    expect(ratio?.high).toBeCloseTo(2, 10);
    expect(a && overOther(a, a)).toBeUndefined();
  });

  it("take batches that run one after the other as one job", () => {
    // Two batches of the same steps cost a sequence what one batch costs it.
    const one = record({ stepMs: steps(12, (step) => step) });
    const two = record({
      stepMs: steps(24, (step) => step % 12),
      batches: 2,
      sequences: 4,
      tokens: 52,
      prefillMs: 200,
    });
    const [sum] = sumSchedules(["klotski"], [one]);
    const [twice] = sumSchedules(["klotski"], [two]);
    expect(twice?.blockMs).toEqual(sum?.blockMs);
  });

  it("say how long nothing computed, and how near the bound is", () => {
    const [one] = sumSchedules(["klotski"], [record({ stepMs: steps(4, () => 25) })]);
    if (!one) throw new Error("it ran");
    // 70 ms in graphs of 200 ms.
    expect(idleShare(one)).toBeCloseTo(65, 10);
    // 12 MB over 100 MB/s take 120 ms, more than 70; over 1000 MB/s they take 12.
    expect(boundShare(one, 100)).toBeCloseTo(60, 10);
    expect(boundShare(one, 1000)).toBeCloseTo(35, 10);
  });

  it("count every moment in which something is computed once", () => {
    const meter = new BusyMeter();
    meter.add(0, 10);
    meter.add(5, 12);
    meter.add(11, 12);
    meter.add(20, 25);
    expect(meter.sumMs).toBe(17);
  });
});
