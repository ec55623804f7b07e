import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { type MissTimes, spanOf, splitMisses } from "../../src/offload/split-misses.ts";

/** When all is there if the experts of `onCpu` go to the CPU: the link takes the others in turn. */
function spanOfAssignment(onCpu: readonly boolean[], times: MissTimes): number {
  let linkMs = times.queueMs;
  let lastCopyMs = 0;
  let count = 0;
  for (const isOnCpu of onCpu) {
    if (isOnCpu) count++;
    else {
      linkMs += times.copyMs;
      lastCopyMs = linkMs;
    }
  }
  return Math.max(lastCopyMs, times.cpuMs(count));
}

const assignments = (missing: number) =>
  Array.from({ length: 2 ** missing }, (_, bits) =>
    Array.from({ length: missing }, (__, i) => ((bits >> i) & 1) === 1),
  );

describe("splitting a layer's misses between link and CPU", () => {
  it("is as soon as the best of all assignments, with the most copies of those", () => {
    const prng = createPrng(1, "split");
    for (let round = 0; round < 600; round++) {
      const missing = 1 + prng.nextInt(7);
      // Any times at all, also such where more experts take less.
      const byCount = Array.from({ length: missing + 1 }, (_, n) =>
        n === 0 ? 0 : prng.nextInt(12) / 4 + (round % 2) * n,
      );
      const times: MissTimes = {
        queueMs: prng.nextInt(3) === 0 ? 0 : prng.nextInt(8) / 2,
        copyMs: prng.nextInt(10) / 4,
        cpuMs: (count) => byCount[count] ?? Number.NaN,
      };
      const all = assignments(missing);
      const bestMs = Math.min(...all.map((one) => spanOfAssignment(one, times)));
      const best = all.filter((one) => spanOfAssignment(one, times) === bestMs);
      const onCpu = splitMisses(missing, times);
      expect(spanOf(missing - onCpu, onCpu, times)).toBe(bestMs);
      expect(onCpu).toBe(Math.min(...best.map((one) => one.filter(Boolean).length)));
    }
  });

  it("copies all where the CPU is slow, none where the link is busy, and halves at equal speed", () => {
    const times = { queueMs: 0, copyMs: 1, cpuMs: (count: number) => count };
    expect(splitMisses(4, times)).toBe(2);
    expect(splitMisses(4, { ...times, cpuMs: (count) => 10 * count })).toBe(0);
    expect(splitMisses(4, { ...times, queueMs: 20 })).toBe(4);
    expect(splitMisses(0, times)).toBe(0);
  });
});
