import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { HOST, HostDirectory, hostDirectoryLength } from "../../src/tiers/host-directory.ts";
import { HOST_MODES, hostRules } from "../../src/tiers/host-rules.ts";

const SLOTS = 6;
const KEYS = 20;
const SHAPE = { expertCount: 4, moeLayers: [0, 1, 2, 3, 4] };

function directory(): HostDirectory {
  const words = new Int32Array(new SharedArrayBuffer(4 * hostDirectoryLength(SLOTS, KEYS)));
  const made = new HostDirectory(words, SLOTS);
  made.prepare();
  return made;
}

describe("the directory of host memory", () => {
  it.each(HOST_MODES)("keeps what a list ordered by last use keeps in mode %s", (mode) => {
    for (let seed = 0; seed < 8; seed++) {
      const random = createPrng(seed, mode);
      const host = directory();
      let rank = 0;
      const rules = hostRules(mode, SHAPE, 1, () => rank);
      // From the one used longest ago; held ones may not leave.
      let kept: { key: number; slot: number; holds: number }[] = [];
      for (let step = 0; step < 150; step++) {
        rank = Math.floor(step / 30) % 5;
        const key = random.nextInt(KEYS);
        const keeps = rules.keeps(key);
        const found = host.ask(key, keeps, rules.mayLeave);
        const old = kept.find((one) => one.key === key);
        if (old !== undefined) {
          expect(found, `seed ${seed}, step ${step}`).toBe(HOST.hit);
          expect(host.slot).toBe(old.slot);
          kept = [...kept.filter((one) => one !== old), { ...old, holds: old.holds + 1 }];
        } else {
          const leaver = kept.find((one) => one.holds === 0 && rules.mayLeave(one.key));
          const fits = keeps && (kept.length < SLOTS || leaver !== undefined);
          expect(found, `seed ${seed}, step ${step}`).toBe(fits ? HOST.fill : HOST.miss);
          if (fits) {
            if (kept.every((one) => one.slot !== host.slot))
              expect(kept.length).toBeLessThan(SLOTS);
            else expect(host.slot).toBe(leaver?.slot);
            kept = [
              ...kept.filter((one) => one.slot !== host.slot),
              { key, slot: host.slot, holds: 1 },
            ];
            expect(host.ask(key, keeps, rules.mayLeave)).toBe(HOST.filling);
            host.filled(host.slot);
          }
        }
        for (const one of kept) {
          if (one.holds === 0 || random.chance(0.3)) continue;
          host.release(one.slot);
          one.holds--;
        }
        const there = Array.from({ length: KEYS }, (_, k) => k).filter((k) => host.has(k));
        expect(there).toEqual(kept.map((one) => one.key).sort((x, y) => x - y));
      }
      expect(kept.length).toBeGreaterThan(0);
    }
  });

  it("counts a window of layers around the end of the model", () => {
    let rank = 3;
    const rules = hostRules("window", { expertCount: 2, moeLayers: [1, 2, 4, 5] }, 2, () => rank);
    const kept = () =>
      [1, 2, 4, 5].filter((layer) => rules.keeps(2 * layer) && !rules.mayLeave(2 * layer + 1));
    expect(kept()).toEqual([1, 5]);
    rank = 1;
    expect(kept()).toEqual([2, 4]);
  });
});
