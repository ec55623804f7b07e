import { createPrng } from "@fmlab/sim";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { MoeEngine } from "../../src/engine/engine.ts";
import type { SlotPool } from "../../src/engine/interfaces.ts";
import { haveSameBits, openEngine } from "./open.ts";
import { sampleTokens } from "./sampled-text.ts";
import { lruSource } from "./sources.ts";

const USED = 4;
const ROWS = 60;

describe("whatever is in memory", () => {
  let text: Int32Array;
  let expected: Float32Array[];
  beforeAll(() => {
    const resident = openEngine();
    text = sampleTokens(resident, createPrng(5, "text"), ROWS);
    expected = Array.from(text, (token) => resident.decode(token).slice());
    resident.close();
  });

  function expectSameRows(engine: MoeEngine): void {
    const different = Array.from(text).filter(
      (token, row) => !haveSameBits(engine.decode(token), expected[row] ?? new Float32Array(0)),
    );
    expect(different).toEqual([]);
    engine.close();
  }

  it.each([USED, USED + 1, 17, 32, 64, 100, 255, 256])(
    "%i slots give the bits of all resident",
    (slotCount) => {
      expectSameRows(openEngine({ slotCount }, (file) => lruSource(file, { hits: 0, misses: 0 })));
    },
  );

  it("slots chosen at random give the bits of all resident", () => {
    const prng = createPrng(3, "slots");
    expectSameRows(
      openEngine({ slotCount: 40 }, (file) => (pool) => {
        const cache = lruSource(file, { hits: 0, misses: 0 });
        const order = prng.shuffle(Array.from({ length: 40 }, (_, slot) => slot));
        const shuffled: SlotPool = {
          ...pool,
          slotCount: pool.slotCount,
          view: (slot, part) => pool.view(order[slot] ?? 0, part),
        };
        const inner = cache(shuffled);
        return {
          acquire(layer, experts, slots) {
            inner.acquire(layer, experts, slots);
            slots.forEach((slot, i) => {
              slots[i] = order[slot] ?? 0;
            });
          },
        };
      }),
    );
  });

  it("a prompt whose experts do not fit is evaluated token by token, with those bits", () => {
    const engine = openEngine({ slotCount: 48 }, (file) => lruSource(file, { hits: 0, misses: 0 }));
    const logits = engine.prefill(text);
    expect(haveSameBits(logits, expected[ROWS - 1] ?? new Float32Array(0))).toBe(true);
    expect(engine.position).toBe(ROWS);
    engine.close();
  });

  it("a wrong expert in a slot is noticed by these tests", () => {
    const engine = openEngine({ slotCount: 64 }, (file) => (pool) => {
      const inner = lruSource(file, { hits: 0, misses: 0 })(pool);
      let calls = 0;
      return {
        acquire(layer, experts, slots) {
          inner.acquire(layer, experts, slots);
          if (calls++ === 3) pool.view(slots[0] ?? 0, "up").fill(0);
        },
      };
    });
    const first = engine.decode(text[0] ?? 0);
    expect(haveSameBits(first, expected[0] ?? new Float32Array(0))).toBe(false);
    engine.close();
  });

  afterAll(() => {
    expected = [];
  });
});
