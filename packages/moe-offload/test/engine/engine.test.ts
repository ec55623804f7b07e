import { openGguf } from "@fmlab/ggml";
import { describe, expect, it } from "vitest";
import { MoeEngine } from "../../src/engine/engine.ts";
import { EngineError } from "../../src/engine/errors.ts";
import type { LayerPhase, SlotPool } from "../../src/engine/interfaces.ts";
import { SHIPPED_MODEL } from "../shipped-model.ts";
import { EXPERTS, haveSameBits, LAYERS, openEngine } from "./open.ts";
import { atOnce, lruSource } from "./sources.ts";

/** The code of the EngineError that `call` throws. */
function codeOf(call: () => unknown): string {
  try {
    call();
  } catch (error) {
    if (error instanceof EngineError) return error.code;
    throw error;
  }
  return "nothing was thrown";
}

describe("MoeEngine", () => {
  it("refuses tokens outside the vocabulary and stays usable", () => {
    const engine = openEngine();
    const before = engine.decode(5).slice();
    engine.reset();
    for (const token of [-1, 8192, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31]) {
      expect(codeOf(() => engine.decode(token))).toBe("TOKEN_OUT_OF_RANGE");
      expect(codeOf(() => engine.prefill([1, 2, token, 3]))).toBe("TOKEN_OUT_OF_RANGE");
    }
    expect(codeOf(() => engine.prefill([]))).toBe("BAD_OPTION");
    expect(engine.position).toBe(0);
    expect(haveSameBits(engine.decode(5), before)).toBe(true);
    engine.close();
  });

  it("fills its context to the last token and refuses one more until it is reset", () => {
    const engine = openEngine({ contextLength: 20 });
    const tokens = Array.from({ length: 19 }, (_, i) => i * 7);
    engine.prefill(tokens);
    expect(codeOf(() => engine.prefill([1, 2]))).toBe("CONTEXT_FULL");
    const last = engine.decode(3).slice();
    expect(engine.position).toBe(20);
    expect(codeOf(() => engine.decode(3))).toBe("CONTEXT_FULL");
    expect(codeOf(() => engine.prefill([3]))).toBe("CONTEXT_FULL");
    engine.reset();
    expect(engine.position).toBe(0);
    engine.prefill(tokens);
    expect(haveSameBits(engine.decode(3), last)).toBe(true);
    engine.close();
  });

  it("takes its context length from the file and gives the same bits in a shorter one", () => {
    const [long, short] = [openEngine(), openEngine({ contextLength: 8 })];
    expect([long.contextLength, short.contextLength]).toEqual([512, 8]);
    for (let i = 0; i < 8; i++) {
      expect(haveSameBits(long.decode(i * 100), short.decode(i * 100))).toBe(true);
    }
    long.close();
    short.close();
  });

  it.each([
    [{ slotCount: 3 }],
    [{ slotCount: 257 }],
    [{ slotCount: 8.5 }],
    [{ slotCount: Number.NaN }],
    [{ threads: 0 }],
    [{ threads: 65 }],
    [{ contextLength: 0 }],
    [{ contextLength: 513 }],
    [{ batchTokens: 0 }],
  ])("refuses the options %j", (options) => {
    expect(codeOf(() => openEngine(options))).toBe("BAD_OPTION");
  });

  it("refuses a source that is resident without room for all", () => {
    const open = () =>
      openEngine({ slotCount: 64 }, () => () => ({
        allResident: true,
        acquire: () => {},
      }));
    expect(codeOf(open)).toBe("BAD_OPTION");
  });

  it.each([
    ["a slot beyond the pool", [0, 1, 2, 64]],
    ["a negative slot", [0, 1, -1, 3]],
    ["one slot for two experts", [0, 1, 2, 1]],
  ])("refuses %s before ggml sees it, and recovers", (_, wrong) => {
    let isWrong = true;
    const engine = openEngine({ slotCount: 64 }, (file) => (pool) => {
      const inner = lruSource(file, { hits: 0, misses: 0 })(pool);
      return {
        acquire(layer, experts, slots) {
          inner.acquire(layer, experts, slots);
          if (isWrong && layer === 3) slots.set(wrong);
        },
      };
    });
    expect(codeOf(() => engine.decode(1))).toBe("BAD_SLOTS");
    expect(engine.position).toBe(0);
    isWrong = false;
    const resident = openEngine();
    expect(haveSameBits(engine.decode(1), resident.decode(1))).toBe(true);
    resident.close();
    engine.close();
  });

  it("passes on what the source throws and leaves the context as it was", () => {
    let fails = false;
    const engine = openEngine({ slotCount: 64 }, (file) => (pool) => {
      const inner = lruSource(file, { hits: 0, misses: 0 })(pool);
      return {
        acquire(layer, experts, slots) {
          if (fails && layer === 5) throw new Error("the disk is gone");
          inner.acquire(layer, experts, slots);
        },
      };
    });
    engine.decode(1);
    fails = true;
    expect(() => engine.decode(2)).toThrow("the disk is gone");
    expect(engine.position).toBe(1);
    fails = false;
    const resident = openEngine();
    resident.decode(1);
    expect(haveSameBits(engine.decode(2), resident.decode(2))).toBe(true);
    resident.close();
    engine.close();
  });

  it("closes what it has opened when the source cannot be made", () => {
    let pool: SlotPool | undefined;
    const open = () =>
      openEngine({}, () => (given) => {
        pool = given;
        throw new Error("no source");
      });
    expect(open).toThrow("no source");
    expect(pool?.view(0, "gate").length).toBe(0);
  });

  it("is of no use once closed, and the pool's views are empty", () => {
    const engine = openEngine();
    const view = engine.pool.view(3, "down");
    const logits = engine.decode(1);
    expect(view.length).toBeGreaterThan(0);
    engine.close();
    engine.close();
    expect([view.length, logits.length]).toEqual([0, 0]);
    expect(() => view.set([1])).toThrow();
    for (const call of [
      () => engine.decode(1),
      () => engine.prefill([1, 2]),
      () => engine.reset(),
    ]) {
      expect(codeOf(call)).toBe("ENGINE_CLOSED");
    }
  });

  it("offers a pool that adds up", () => {
    const engine = openEngine({ slotCount: 10 }, (file) => lruSource(file, { hits: 0, misses: 0 }));
    const { pool } = engine;
    expect(pool.slotCount).toBe(10);
    expect(pool.parts.map((part) => part.name)).toEqual(["gate", "up", "down"]);
    expect(pool.parts.reduce((sum, part) => sum + part.sizeBytes, 0)).toBe(pool.expertBytes);
    for (const { name, sizeBytes } of pool.parts) {
      expect(pool.view(9, name).length).toBe(sizeBytes);
      expect(pool.view(9, name)).toBe(pool.view(9, name));
      expect(() => pool.view(10, name)).toThrow(RangeError);
      expect(() => pool.view(-1, name)).toThrow(RangeError);
    }
    pool.view(4, "up").fill(255);
    expect(pool.view(3, "up").every((byte) => byte === 0)).toBe(true);
    expect(pool.view(5, "up").every((byte) => byte === 0)).toBe(true);
    engine.close();
  });

  it("lives beside other engines without disturbing them", () => {
    const alone = openEngine();
    const expected = [1, 2, 3].map((token) => alone.decode(token).slice());
    alone.close();
    const all = Array.from({ length: 3 }, () => openEngine({ threads: 1 }));
    const rows = [1, 2, 3].map((token) => all.map((engine) => engine.decode(token).slice()));
    rows.forEach((row, i) => {
      for (const logits of row)
        expect(haveSameBits(logits, expected[i] as Float32Array)).toBe(true);
    });
    for (const engine of all) engine.close();
  });
});

describe("hooks", () => {
  it("onLayer is told of every phase in order", () => {
    const engine = openEngine();
    const seen: [LayerPhase, number][] = [];
    engine.onLayer = (phase, layer) => seen.push([phase, layer]);
    engine.decode(1);
    const expected = Array.from({ length: LAYERS }, (_, layer) => [
      ["attention", layer],
      ["request", layer],
      ["experts", layer],
    ]).flat();
    expect(seen).toEqual([...expected, ["head", LAYERS], ["idle", LAYERS]]);
    seen.length = 0;
    engine.onLayer = undefined;
    engine.decode(2);
    expect(seen).toEqual([]);
    engine.close();
  });

  it("onRouting tells the experts that the source is asked for", () => {
    const asked: number[][] = [];
    const told: number[][] = [];
    const engine = openEngine({ slotCount: 64 }, (file) => (pool) => {
      const inner = lruSource(file, { hits: 0, misses: 0 })(pool);
      return {
        acquire(layer, experts, slots) {
          asked.push([layer, ...experts]);
          inner.acquire(layer, experts, slots);
        },
      };
    });
    engine.onRouting = (layer, experts) => told.push([layer, ...experts]);
    for (const token of [1, 500, 8000]) engine.decode(token);
    expect(told.length).toBe(3 * LAYERS);
    expect(told).toEqual(asked);
    for (const [, ...experts] of told) {
      expect(new Set(experts).size).toBe(4);
      expect(Math.min(...experts)).toBeGreaterThanOrEqual(0);
      expect(Math.max(...experts)).toBeLessThan(EXPERTS);
    }
    engine.close();
  });

  it("onRouting tells for a prompt evaluated as one graph what it tells token by token", () => {
    const tokens = [1, 500, 8000, 17, 4242, 9];
    const engine = openEngine();
    const whole = new Map<number, number[]>();
    engine.onRouting = (layer, experts) => whole.set(layer, [...experts]);
    engine.prefill(tokens);
    engine.reset();
    const single = new Map<number, number[]>();
    engine.onRouting = (layer, experts) =>
      single.set(layer, [...(single.get(layer) ?? []), ...experts]);
    for (const token of tokens) engine.decode(token);
    for (let layer = 0; layer < LAYERS - 1; layer++) {
      expect(whole.get(layer)?.length).toBe(4 * tokens.length);
    }
    // The first layers see the same numbers; later ones may differ by rounding between batch sizes.
    expect(whole.get(0)).toEqual(single.get(0));
    expect(whole.get(LAYERS - 1)?.length).toBe(4);
    engine.close();
  });
});

describe("a model that is no usable model", () => {
  it("is refused when a tensor is missing or has another shape", () => {
    const file = openGguf(SHIPPED_MODEL);
    const changed = (change: (tensors: Map<string, never>) => void) => {
      const tensors = new Map(file.tensors) as Map<string, never>;
      change(tensors);
      return Object.assign(Object.create(file), { ...file, tensors });
    };
    const open = (model: typeof file) =>
      MoeEngine.open(model, { slotCount: 256, threads: 1 }, () => atOnce({ acquire: () => {} }));
    for (const name of ["blk.3.attn_k.bias", "output.weight", "blk.7.ffn_down_exps.weight"]) {
      expect(() => open(changed((tensors) => tensors.delete(name)))).toThrow(name);
    }
    const source = file.tensors.get("blk.2.ffn_norm.weight");
    const odd = { ...source, shape: [255] } as never;
    expect(() => open(changed((tensors) => tensors.set("blk.2.ffn_norm.weight", odd)))).toThrow(
      "shape [255]",
    );
    file.close();
  });

  it("with experts that are not finite gives logits that are not, and ends no process", () => {
    for (const rubbish of [0xff, 0x7c]) {
      const engine = openEngine({ slotCount: 64 }, (file) => (pool) => {
        const inner = lruSource(file, { hits: 0, misses: 0 })(pool);
        return {
          acquire(layer, experts, slots) {
            inner.acquire(layer, experts, slots);
            if (layer === 2) pool.view(slots[1] ?? 0, "down").fill(rubbish);
          },
        };
      });
      expect(engine.decode(1).some(Number.isFinite)).toBe(false);
      expect(engine.position).toBe(1);
      engine.close();
    }
  });

  it("is refused when weights are not finite", () => {
    const file = openGguf(SHIPPED_MODEL);
    const norm = file.tensors.get("blk.1.attn_norm.weight");
    const model = Object.assign(Object.create(file), {
      ...file,
      read(offset: number, target: Uint8Array) {
        file.read(offset, target);
        if (offset === norm?.offset) target.set([0, 0, 0xc0, 0x7f]);
      },
    });
    const open = () =>
      MoeEngine.open(model, { slotCount: 256, threads: 1 }, () => atOnce({ acquire: () => {} }));
    expect(open).toThrow("not finite");
    file.close();
  });
});
