import { mkdtempSync, rmSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { MoeEngine } from "../../src/engine/engine.ts";
import { EXPERT_PARTS, type ExpertSource, type SlotPool } from "../../src/engine/interfaces.ts";
import { describeModel } from "../../src/model/description.ts";
import { expertLayout } from "../../src/model/expert-layout.ts";
import type { Routing } from "../../src/offload/routing.ts";
import { openShape } from "../../src/shapes/shape-file.ts";
import type { ShapeModel } from "../../src/shapes/shape-model.ts";
import { SHAPE_TYPES, type ShapeStorage } from "../../src/shapes/shape-types.ts";
import { TraceRouting } from "../../src/shapes/trace-routing.ts";
import { TraceSource } from "../../src/shapes/trace-source.ts";
import { writeShape } from "../../src/shapes/write-shape.ts";
import { LlamaCpp } from "../engine/llama-cpp.ts";
import { haveSameBits } from "../engine/open.ts";
import { smallTrace } from "../traces/small-trace.ts";
import { SMALL_SHAPES, SMALL_VOCABULARY, smallShape } from "./small-shapes.ts";

const TOKENS = [11, 201, 7, 300, 64, 5];
const folder = mkdtempSync(path.join(os.tmpdir(), "fmlab-shape-"));
afterAll(() => rmSync(folder, { recursive: true }));

interface OpenOptions {
  storage?: ShapeStorage;
  aheadDepth?: number;
  /** What is put around the source that has all experts. */
  wrap?: (source: ExpertSource) => ExpertSource;
}

/** An engine on a shape that holds every expert. */
function openResident(model: ShapeModel, { storage, aheadDepth = 0, wrap }: OpenOptions = {}) {
  const file = openShape(model, storage ? { storage } : {});
  const layout = expertLayout(file, describeModel(file));
  const slotCount = layout.moeLayers.length * layout.expertCount;
  const source = (pool: SlotPool): ExpertSource => {
    for (const layer of layout.moeLayers) {
      for (let expert = 0; expert < layout.expertCount; expert++) {
        for (const part of EXPERT_PARTS) {
          const { offset, fileIndex } = layout.range(layer, expert, part);
          file.read(offset, pool.view(pool.residentSlot(layer, expert), part), fileIndex);
        }
      }
    }
    return {
      allResident: true,
      request: ({ layer, experts }, slots) => {
        experts.forEach((expert, i) => {
          slots[i] = pool.residentSlot(layer, expert);
        });
      },
      isReady: () => true,
      waitFor: () => {},
      release: () => {},
    };
  };
  return MoeEngine.open(file, { slotCount, threads: 1, aheadDepth }, (pool) =>
    wrap ? wrap(source(pool)) : source(pool),
  );
}

/** Noise, but of a size that shows that nothing grew or died away on its way. */
function expectAlive(logits: Float32Array): void {
  expect(logits.length).toBe(SMALL_VOCABULARY);
  expect(logits.every(Number.isFinite)).toBe(true);
  expect(new Set(logits).size).toBeGreaterThan(SMALL_VOCABULARY / 2);
  const square = logits.reduce((sum, value) => sum + value * value, 0) / logits.length;
  expect(square).toBeGreaterThan(0.3);
  expect(square).toBeLessThan(3);
}

describe.each(SMALL_SHAPES)("%s, all experts resident,", (name, model) => {
  it("gives the logits that llama.cpp finds in the written file, to the bit", () => {
    const file = openShape(model);
    const written = path.join(folder, `${name}.gguf`);
    writeShape(file, written);
    const llama = new LlamaCpp(written, SMALL_VOCABULARY, {
      threads: 1,
      contextLength: 64,
      repack: false,
    });
    const engine = openResident(model);
    for (const token of TOKENS) {
      const logits = engine.decode(token);
      expectAlive(logits);
      expect(haveSameBits(logits, llama.evaluateOne(token))).toBe(true);
    }
    llama.close();
    engine.close();
  });

  it("computes in other types", () => {
    // Experts of the Mixtrals are large even when they are small.
    const types = name.startsWith("mixtral") ? (["Q4_K"] as const) : SHAPE_TYPES;
    for (const experts of types) {
      const engine = openResident(model, { storage: { experts, dense: "Q8_0" } });
      for (const token of TOKENS.slice(0, 2)) expectAlive(engine.decode(token));
      engine.close();
    }
  });
});

describe("an engine whose routing is a trace's", () => {
  const model = smallShape("deepseek-moe-16b");
  const shape = {
    layerCount: model.layerCount,
    expertCount: model.expertCount,
    expertUsedCount: 2,
    moeLayers: [1, 2],
  };
  const trace = smallTrace({ shape, tokens: 20, aheadDepth: 1, seed: 3 });
  const routing = new TraceRouting(trace, shape);
  const used = { ...model, expertUsedCount: 2 };

  function copyOf(said: Routing) {
    const { ahead, experts, layer, probabilities } = said;
    return {
      layer,
      experts: [...experts],
      probabilities: [...probabilities],
      ahead: ahead.map((logits) => [...logits]),
    };
  }

  it("asks its source and tells its hooks what the trace says, token by token", () => {
    const asked: unknown[] = [];
    const told: unknown[] = [];
    const engine = openResident(used, {
      aheadDepth: 1,
      wrap: (inner) => {
        const request: ExpertSource["request"] = (said, slots) => {
          asked.push(copyOf(said));
          inner.request(said, slots);
        };
        return new TraceSource({ ...inner, request }, routing);
      },
    });
    engine.onTokenRouting = (said) => told.push(copyOf(said));
    const expected: unknown[] = [];
    // Sequences of the trace have five tokens; the first two are looked at.
    for (let sequence = 0; sequence < 2; sequence++) {
      for (let position = 0; position < 5; position++) {
        engine.decode(TOKENS[position] ?? 0);
        for (const layer of shape.moeLayers) {
          const ahead = layer === 2 ? [] : [new Float32Array(4)];
          const said: Routing = {
            layer,
            token: 0,
            position: 0,
            experts: new Int32Array(2),
            probabilities: new Float32Array(4),
            ahead,
          };
          routing.overwrite(5 * sequence + position, said);
          expected.push(copyOf(said));
        }
      }
      engine.reset();
    }
    expect(asked).toEqual(expected);
    expect(told).toEqual(expected);
    engine.close();
  });

  it("computes the trace's experts: other logits than by its own routers, the same each time", () => {
    const decode = (wrap?: OpenOptions["wrap"]) => {
      const engine = openResident(used, wrap ? { wrap } : {});
      const rows = TOKENS.slice(0, 5).map((token) => engine.decode(token).slice());
      engine.close();
      return rows;
    };
    const own = decode();
    const [first, again] = [0, 1].map(() => decode((inner) => new TraceSource(inner, routing)));
    first?.forEach((row, i) => {
      expectAlive(row);
      expect(haveSameBits(row, again?.[i] ?? new Float32Array(0))).toBe(true);
    });
    expect(first?.some((row, i) => !haveSameBits(row, own[i] ?? row))).toBe(true);
  });

  it("follows its own routers to the bit where the trace is what they said", () => {
    const recorded: { experts: number[]; probabilities: number[] }[] = [];
    const engine = openResident(used, { wrap: (inner) => ({ ...inner, allResident: false }) });
    engine.onTokenRouting = ({ experts, probabilities }) => {
      recorded.push({ experts: [...experts], probabilities: [...probabilities] });
    };
    const own = TOKENS.slice(0, 5).map((token) => engine.decode(token).slice());
    engine.close();
    const same = new TraceRouting(
      {
        shape,
        tokenCount: 5,
        positions: Uint32Array.from([0, 1, 2, 3, 4]),
        experts: Uint16Array.from(recorded.flatMap(({ experts }) => experts)),
        probabilities: Float32Array.from(recorded.flatMap(({ probabilities }) => probabilities)),
        aheadDepth: 0,
        provenance: { ...trace.provenance, origin: "recorded" },
      },
      shape,
    );
    const replaying = openResident(used, { wrap: (inner) => new TraceSource(inner, same) });
    TOKENS.slice(0, 5).forEach((token, i) => {
      expect(haveSameBits(replaying.decode(token), own[i] ?? new Float32Array(0))).toBe(true);
    });
    replaying.close();
  });
});
