import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { VirtualLane } from "../../src/replay/virtual-lane.ts";
import { NaiveLane, type NaiveLinkOptions } from "./naive-lane.ts";

const SLOTS = 6;
const BYTES = 1000;
/** One tick is a millisecond. */
const speedOf = ({ latencyTicks, wireTicks, queueDepth }: NaiveLinkOptions) => ({
  bandwidthMBps: BYTES / 1000 / wireTicks,
  latencyUs: latencyTicks * 1000,
  queueDepth,
});

describe("a virtual lane", () => {
  it("does what a lane does that is moved tick by tick, whatever is asked of it", () => {
    for (let seed = 1; seed <= 150; seed++) {
      const prng = createPrng(seed, "lane");
      const options = (): NaiveLinkOptions => ({
        latencyTicks: prng.nextInt(4),
        wireTicks: 1 + prng.nextInt(5),
        queueDepth: 1 + prng.nextInt(3),
      });
      const [link, disk, memory] = [options(), options(), prng.nextInt(4)];
      const hasDisk = prng.chance(0.6);
      const naive = new NaiveLane(link, hasDisk ? disk : undefined, memory);
      const lane = new VirtualLane({
        slotCount: SLOTS,
        bytesOf: () => BYTES,
        link: speedOf(link),
        ...(hasDisk && { host: { memoryBytes: memory * BYTES, disk: speedOf(disk) } }),
      });
      const ended: unknown[] = [];
      for (let step = 0; step < 60; step++) {
        const slot = prng.nextInt(SLOTS);
        const action = prng.nextInt(5);
        if (action <= 1 && lane.isReady(slot)) {
          const key = prng.nextInt(8);
          lane.submit(key, slot, action === 0 ? "demand" : "prefetch");
          naive.submit(key, slot, action === 0);
        } else if (action === 2) {
          lane.promote(slot);
          naive.promote(slot);
        } else if (action === 3) {
          expect(lane.withdraw(slot)).toBe(naive.withdraw(slot));
        } else if (prng.chance(0.5)) {
          lane.waitFor(slot);
          while (naive.loads.some((load) => load.slot === slot)) naive.tick();
        } else {
          const ticks = 1 + prng.nextInt(6);
          lane.advance(ticks);
          for (let i = 0; i < ticks; i++) naive.tick();
        }
        lane.drain(({ key, slot: of, endMs }) => ended.push({ key, slot: of, endMs }));
        const { loads } = naive;
        expect(lane.nowMs()).toBe(naive.now);
        expect(lane.pending).toBe(loads.length);
        expect(lane.prefetchesPending).toBe(loads.filter((load) => !load.isDemand).length);
        const busy = Array.from({ length: SLOTS }, (_, at) => !lane.isReady(at));
        expect(busy).toEqual(busy.map((_, at) => loads.some((load) => load.slot === at)));
      }
      expect(ended).toEqual(naive.ended);
    }
  });

  it("refuses a second load for a slot that is not ready", () => {
    const link = { bandwidthMBps: 1, latencyUs: 0, queueDepth: 1 };
    const lane = new VirtualLane({ slotCount: 1, bytesOf: () => BYTES, link });
    lane.submit(0, 0, "demand");
    expect(() => lane.submit(1, 0, "demand")).toThrow("one load at a time");
  });

  it("moves loads without any time over a link without limits", () => {
    const link = { bandwidthMBps: 0, latencyUs: 0, queueDepth: 1 };
    const lane = new VirtualLane({ slotCount: 2, bytesOf: () => BYTES, link });
    lane.submit(0, 0, "prefetch");
    lane.submit(1, 1, "demand");
    expect([lane.isReady(0), lane.isReady(1), lane.nowMs()]).toEqual([true, true, 0]);
  });
});
