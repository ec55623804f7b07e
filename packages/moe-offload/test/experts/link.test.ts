import { VirtualClock } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { WaitClock } from "../../src/experts/clock.ts";
import { Link } from "../../src/experts/link.ts";
import { WallClock } from "../../src/experts/wall-clock.ts";

/** Virtual time in which waiting takes no time of ours. */
function virtualTime(): WaitClock & { pass(ms: number): void } {
  const clock = new VirtualClock();
  return {
    nowMs: () => clock.nowMs(),
    waitUntil: (untilMs) => clock.advanceTo(Math.max(clock.nowMs(), untilMs)),
    throwIfCancelled: () => {},
    pass: (ms) => clock.advanceTo(clock.nowMs() + ms),
  };
}

describe("an emulated link", () => {
  it("takes latency plus bytes over bandwidth when the real read is faster", () => {
    const time = virtualTime();
    const link = new Link({ bandwidthMBps: 200, latencyUs: 50 }, time);
    // 104,448 bytes at 200,000,000 bytes a second are 0.52224 ms.
    expect(link.transfer(104_448, () => time.pass(0.1)).endMs).toBeCloseTo(0.57224, 9);
  });

  it("adds nothing when the real read is slower", () => {
    const time = virtualTime();
    const link = new Link({ bandwidthMBps: 200, latencyUs: 50 }, time);
    expect(link.transfer(1000, () => time.pass(3)).endMs).toBe(3);
  });

  it("moves transfers one after another", () => {
    const time = virtualTime();
    const link = new Link({ bandwidthMBps: 1, latencyUs: 0 }, time);
    const times = [1000, 2000, 500].map((bytes) => link.transfer(bytes, () => {}));
    expect(times.map((t) => t.endMs)).toEqual([1, 3, 3.5]);
    expect(times.map((t) => t.startMs)).toEqual([0, 1, 3]);
  });

  it("imposes nothing at bandwidth 0 and latency 0", () => {
    const time = virtualTime();
    const link = new Link({ bandwidthMBps: 0, latencyUs: 0 }, time);
    expect(link.transfer(1e12, () => time.pass(0.25)).endMs).toBe(0.25);
  });

  it.each([-1, Number.NaN, Number.POSITIVE_INFINITY])("refuses a bandwidth of %d", (value) => {
    expect(() => new Link({ bandwidthMBps: value, latencyUs: 0 }, virtualTime())).toThrow(
      /link.bandwidthMBps is/,
    );
  });
});

describe("waiting on the wall clock", () => {
  it("never ends early, whether it spins or sleeps", () => {
    const clock = new WallClock();
    for (const waitMs of [0.05, 0.2, 1, 5]) {
      const untilMs = clock.nowMs() + waitMs;
      clock.waitUntil(untilMs);
      expect(clock.nowMs()).toBeGreaterThanOrEqual(untilMs);
    }
  });

  it("stops when the flag is set, before it waits at all", () => {
    const flag = new Int32Array(new SharedArrayBuffer(4));
    const clock = new WallClock(flag);
    Atomics.store(flag, 0, 1);
    expect(() => clock.waitUntil(clock.nowMs() + 60_000)).toThrow(/cancelled/);
  });
});
