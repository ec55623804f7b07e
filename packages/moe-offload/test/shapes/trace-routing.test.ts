import { describe, expect, it } from "vitest";
import type { Routing } from "../../src/offload/routing.ts";
import { withDerivedAhead } from "../../src/shapes/derived-ahead.ts";
import { openShape } from "../../src/shapes/shape-file.ts";
import { shapeLabel } from "../../src/shapes/shape-label.ts";
import { expertWeights, TraceRouting } from "../../src/shapes/trace-routing.ts";
import { SMALL_SHAPE, smallTrace } from "../traces/small-trace.ts";
import { smallShape } from "./small-shapes.ts";

const { expertCount, expertUsedCount, moeLayers } = SMALL_SHAPE;

function emptyRouting(layer: number, aheadDepth: number): Routing {
  return {
    layer,
    token: 77,
    position: 5,
    experts: new Int32Array(expertUsedCount).fill(-1),
    probabilities: new Float32Array(expertCount).fill(-1),
    ahead: Array.from({ length: aheadDepth }, () => new Float32Array(expertCount).fill(-1)),
  };
}

describe("routing that is replaced by a trace's", () => {
  const trace = smallTrace({ tokens: 13, seed: 9 });
  const routing = new TraceRouting(trace, SMALL_SHAPE);

  it("is the trace's row by row, and keeps the engine's layer, token and position", () => {
    for (let token = 0; token < trace.tokenCount; token++) {
      moeLayers.forEach((layer, index) => {
        const said = emptyRouting(layer, Math.min(2, 3 - layer));
        routing.overwrite(token, said);
        const row = token * moeLayers.length + index;
        const rows = (all: ArrayLike<number> | undefined, length: number, at = row) =>
          Array.from(all ?? []).slice(at * length, (at + 1) * length);
        expect([...said.experts]).toEqual(rows(trace.experts, expertUsedCount));
        expect([...said.probabilities]).toEqual(rows(trace.probabilities, expertCount));
        said.ahead.forEach((logits, d) => {
          expect([...logits]).toEqual(rows(trace.ahead, expertCount, row * 2 + d));
        });
        expect(said).toMatchObject({ layer, token: 77, position: 5 });
      });
    }
  });

  it("of a prompt is that of its tokens one by one", () => {
    const span = { firstToken: 4, tokenCount: 6 };
    for (const layer of moeLayers) {
      const experts = new Int32Array(span.tokenCount * expertUsedCount);
      const probabilities = new Float32Array(span.tokenCount * expertCount);
      routing.promptExperts(layer, span, experts);
      routing.promptProbabilities(layer, span, probabilities);
      const ahead = new Float32Array(span.tokenCount * expertCount);
      if (layer < 3) routing.promptAhead(layer, 1, span, ahead);
      for (let i = 0; i < span.tokenCount; i++) {
        const said = emptyRouting(layer, layer < 3 ? 1 : 0);
        routing.overwrite(span.firstToken + i, said);
        const [k, e] = [i * expertUsedCount, i * expertCount];
        expect(experts.subarray(k, k + expertUsedCount)).toEqual(said.experts);
        expect(probabilities.subarray(e, e + expertCount)).toEqual(said.probabilities);
        if (said.ahead[0]) expect(ahead.subarray(e, e + expertCount)).toEqual(said.ahead[0]);
      }
    }
  });

  it("without probabilities gives the chosen equal shares, alone and in a prompt", () => {
    const bare = new TraceRouting(smallTrace({ tokens: 4, isBare: true }), SMALL_SHAPE);
    const said = emptyRouting(2, 0);
    const all = new Float32Array(4 * expertCount);
    bare.promptProbabilities(2, { firstToken: 0, tokenCount: 4 }, all);
    for (let token = 0; token < 4; token++) {
      bare.overwrite(token, said);
      const at = token * expertCount;
      expect(all.subarray(at, at + expertCount)).toEqual(said.probabilities);
      for (let expert = 0; expert < expertCount; expert++) {
        const share = said.experts.includes(expert) ? 1 / expertUsedCount : 0;
        expect(said.probabilities[expert]).toBe(share);
      }
    }
  });

  it("finds tokens by sequence and position, and begins again after the last sequence", () => {
    expect(routing.sequences.map(({ tokenCount }) => tokenCount)).toEqual([5, 5, 3]);
    expect(routing.tokenAt(0, 4)).toBe(4);
    expect(routing.tokenAt(2, 1)).toBe(11);
    expect(routing.tokenAt(3, 2)).toBe(2);
    expect(() => routing.tokenAt(2, 3)).toThrow(/sequence 2 has 3 tokens/);
    expect(routing.span(1, 2, 3)).toEqual({ firstToken: 7, tokenCount: 3 });
    expect(() => routing.span(1, 2, 4)).toThrow(/position 5 is asked for/);
  });

  it("is refused where the trace is of another shape, or lacks what is to be replaced", () => {
    const other = { ...SMALL_SHAPE, expertCount: 7 };
    expect(() => new TraceRouting(trace, other)).toThrow(/2 of 6 experts.*2 of 7 experts/);
    expect(() => new TraceRouting(smallTrace({ tokens: 0 }), SMALL_SHAPE)).toThrow(/no tokens/);
    const bare = new TraceRouting(smallTrace({ isBare: true }), SMALL_SHAPE);
    expect(() => bare.overwrite(0, emptyRouting(1, 1))).toThrow(/logits of 0 layers ahead/);
    const span = { firstToken: 0, tokenCount: 1 };
    const out = new Float32Array(expertCount);
    expect(() => bare.promptAhead(1, 1, span, out)).toThrow(/logits of 0 layers ahead/);
    expect(() => routing.promptAhead(3, 1, span, out)).toThrow(/no experts in layer 4/);
    expect(() => routing.overwrite(0, emptyRouting(0, 0))).toThrow(/no experts in layer 0/);
  });
});

describe("weights of replayed experts", () => {
  const shape = { expertCount: 4, expertUsedCount: 2 };
  const probabilities = Float32Array.from([0.5, 0.25, 0.125, 0.125, 0, 0, 1, 0]);
  const experts = Int32Array.from([0, 2, 1, 3]);

  it("are the probabilities, or their shares in their sum, times the model's scale", () => {
    const out = new Float32Array(4);
    expertWeights({ renormalises: false, scale: 2 }, shape, probabilities, experts, out);
    expect([...out]).toEqual([1, 0.25, 0, 0]);
    expertWeights({ renormalises: true, scale: 1 }, shape, probabilities, experts, out);
    expect(out[0]).toBeCloseTo(0.8, 6);
    expect(out[1]).toBeCloseTo(0.2, 6);
    // A sum of nothing is taken for the smallest normal half-precision number.
    expect([...out.subarray(2)]).toEqual([0, 0]);
  });
});

describe("the label of a shape with replayed routing", () => {
  const file = openShape(smallShape("qwen3-30b-a3b"));

  it("names the model and the trace, and says what is simulated", () => {
    const trace = smallTrace({ isBare: true });
    const recorded = {
      ...trace.provenance,
      model: "OLMoE",
      text: "stories",
      origin: "recorded",
      isSimulated: false,
    } as const;
    const label = shapeLabel(file, { provenance: recorded });
    expect(label?.title).toMatch(
      /^shape of Qwen3-30B-A3B made smaller, random content, routing replayed from a trace rec/,
    );
    expect(label?.notes).toContain("Which experts a token uses was recorded of OLMoE.");
    const derived = withDerivedAhead(
      { ...trace, provenance: recorded },
      { slotAccuracy: { value: 0.7879, source: "a paper" }, seed: 4, depth: 1 },
    );
    const notes = shapeLabel(file, derived)?.notes.join(" ");
    expect(notes).toContain("simulated, not measured");
    expect(notes).toContain("slot accuracy of 0.7879 (a paper)");
  });

  it("is missing of a file that is a model", () => {
    expect(shapeLabel({ metadata: new Map() })).toBeUndefined();
  });
});
