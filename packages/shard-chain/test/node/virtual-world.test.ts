import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { type Host, type HostedNode, VirtualWorld } from "../../src/node/index.ts";

const NETWORK = { nodeRegions: [0, 0], rttMs: [[20]] };

/** A node that notes what happens to it, and does what it is told at the start. */
function noting(host: Host, seen: string[], start: () => void = () => undefined): HostedNode {
  return {
    start,
    onMessage: (from, { body }) => {
      seen.push(`${body} from ${from} at ${host.nowMs()}`);
    },
  };
}

const text = (body: string) => ({ channel: "text", sizeBytes: 10, body });

describe("VirtualWorld", () => {
  it("lets what is sent after work leave later, and what arrives meanwhile wait", () => {
    const world = new VirtualWorld(createPrng(1), { network: NETWORK, costs: { work: 3 } });
    const [a, b] = [world.host(0), world.host(1)];
    const seen: string[] = [];
    const busy = () => {
      a.send(1, text("before"));
      a.charge("work", 2);
      a.send(1, text("after"));
      a.setTimer(1, () => seen.push(`timer at ${a.nowMs()}`));
      a.charge("work", 4);
    };
    world.place(0, noting(a, seen, busy));
    world.place(
      1,
      noting(b, seen, () => b.send(0, text("hello"))),
    );
    world.simulation.runAll();
    expect(seen).toEqual([
      "before from 0 at 10",
      "after from 0 at 16",
      // Both came while the core was busy until 18.
      "timer at 18",
      "hello from 1 at 18",
    ]);
    expect(world.usedMs(0)).toBe(18);
    expect(() => a.charge("play")).toThrowError(
      expect.objectContaining({ code: "UNKNOWN_OPERATION" }),
    );
  });

  it("gives a crashed node nothing, and a restarted one none of its earlier timers", () => {
    const world = new VirtualWorld(createPrng(1), { network: NETWORK });
    const [a, b] = [world.host(0), world.host(1)];
    const seen: string[] = [];
    world.place(
      0,
      noting(a, seen, () => {
        a.setTimer(30, () => seen.push("old timer"));
        a.cancelTimer(a.setTimer(5, () => seen.push("cancelled timer")));
      }),
    );
    world.place(1, noting(b, seen));
    world.simulation.runUntil(10);
    world.crash(0);
    b.send(0, text("lost"));
    world.simulation.runUntil(25);
    world.place(
      0,
      noting(a, seen, () => a.setTimer(20, () => seen.push("new timer"))),
    );
    b.send(0, text("heard"));
    world.simulation.runAll();
    expect(seen).toEqual(["heard from 1 at 35", "new timer"]);
  });

  it("shows each node its own clock and sends by the world's", () => {
    const settings = { network: NETWORK, clockOffsetsMs: [0, 500] };
    const world = new VirtualWorld(createPrng(1), settings);
    const [a, b] = [world.host(0), world.host(1)];
    const seen: string[] = [];
    world.place(0, noting(a, seen));
    world.place(
      1,
      noting(b, seen, () => b.send(0, text("x"))),
    );
    a.send(1, text("y"));
    b.send(1, text("self"));
    world.simulation.runAll();
    expect(seen).toEqual(["self from 1 at 500", "x from 1 at 10", "y from 0 at 510"]);
    expect(world.simulation.nowMs()).toBe(10);
    expect(() => world.host(2)).toThrow(RangeError);
  });

  it("hashes every delivery: who, whom, when, on which channel and how long", () => {
    const digest = (channel: string, sizeBytes: number, to: number, atMs: number) => {
      const world = new VirtualWorld(createPrng(1), { network: NETWORK });
      const from = world.host(1 - to);
      from.setTimer(atMs, () => from.send(to, { channel, sizeBytes, body: 0 }));
      world.simulation.runAll();
      return world.trace.digest();
    };
    const base = digest("a", 10, 1, 5);
    expect(digest("a", 10, 1, 5)).toBe(base);
    const others = [digest("b", 10, 1, 5), digest("a", 11, 1, 5), digest("a", 10, 0, 5)];
    expect(new Set([base, ...others, digest("a", 10, 1, 6)]).size).toBe(5);
  });
});
