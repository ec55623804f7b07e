import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { arc } from "../../src/policies/arc.ts";
import { fate } from "../../src/policies/fate.ts";
import { NaiveArc } from "./naive-arc.ts";
import { NaiveDriver } from "./naive-driver.ts";
import { shapeOf } from "./random-trace.ts";

/** Experts of one token: mostly from a small, slowly moving set, so that ghosts come back. */
function randomExperts(
  random: ReturnType<typeof createPrng>,
  count: number,
  of: number,
  t: number,
) {
  const chosen = new Set<number>();
  while (chosen.size < count) {
    const near = (Math.floor(t / 15) + random.nextInt(Math.ceil(of / 2))) % of;
    chosen.add(random.chance(0.7) ? near : random.nextInt(of));
  }
  return [...chosen];
}

describe.each([
  ["arc", arc, false],
  ["fate", fate, true],
] as const)("%s", (name, definition, isFate) => {
  it.each([1, 4])("loads what lists of experts say, %i experts per token, 750 traces", (used) => {
    const random = createPrng(29, `${name}/${used}`);
    let returns = 0;
    for (let trace = 0; trace < 750; trace++) {
      const expertCount = used + 2 + random.nextInt(8);
      const shape = shapeOf(1, expertCount, used);
      const capacity = used + random.nextInt(expertCount - used);
      const allocation = { slots: [capacity], isShared: false, staging: 0 };
      const driver = new NaiveDriver(definition, { shape, allocation });
      const naive = new NaiveArc(capacity, isFate);
      const probabilities = new Float32Array(expertCount).fill(1 / expertCount);
      const done: string[] = [];
      const expected: string[] = [];
      for (let token = 0; token < 40; token++) {
        const chosen = randomExperts(random, used, expertCount, token);
        const experts = Int32Array.from(chosen);
        const routing = { layer: 0, token, position: token, experts, probabilities, ahead: [] };
        const events = driver.request(routing);
        const loaded = events.filter(({ kind }) => kind === "load").map(({ key }) => key);
        done.push(`${loaded} ${[...(driver.resident[0] ?? [])].sort()}`);
        expected.push(`${naive.request(chosen)} ${[...naive.t1, ...naive.t2].sort()}`);
      }
      expect(done).toEqual(expected);
      returns += naive.returns;
    }
    // Otherwise the traces would never have made the lists adapt.
    expect(returns).toBeGreaterThan(2000);
  });
});
