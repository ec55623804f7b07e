import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import { GateWatch } from "../../src/accuracy/gate-watch.ts";
import { predictorAccuracy } from "../../src/accuracy/predictor-accuracy.ts";
import type { Routing } from "../../src/offload/routing.ts";
import type { ExpertPredictor } from "../../src/predictors/predictor.ts";
import { MemoryTraceSink, TraceRecorder } from "../../src/traces/trace-recorder.ts";

const SHAPE = { layerCount: 6, expertCount: 8, expertUsedCount: 3, moeLayers: [1, 2, 3, 4, 5] };
const LAYERS = SHAPE.moeLayers.length;
const WINDOW = 20;

/** The `count` largest, by falling value. */
const top = (values: Float32Array, count: number) =>
  [...values.keys()].sort((a, b) => (values[b] ?? 0) - (values[a] ?? 0)).slice(0, count);

/** Routings in which each gate ahead is the later layer's with noise: [token][layer]. */
function routings(tokens: number): Routing[][] {
  const random = createPrng(12, "routing");
  const noise = () => random.normal(0, 1);
  return Array.from({ length: tokens }, (_, token) => {
    const logits = SHAPE.moeLayers.map(() => Float32Array.from({ length: 8 }, noise));
    return SHAPE.moeLayers.map((layer, place) => {
      const own = (logits[place] ?? new Float32Array(8)).map(Math.exp);
      const sum = own.reduce((all, one) => all + one, 0);
      return {
        layer,
        token,
        position: token % WINDOW,
        experts: Int32Array.from(top(own, 3)),
        probabilities: own.map((one) => one / sum),
        ahead: logits
          .slice(place + 1, place + 4)
          .map((later) => later.map((logit) => logit + noise() / 2)),
      };
    });
  });
}

const TEXT = routings(100);
const watch = new GateWatch(SHAPE);
for (const routing of TEXT.flat()) watch.add(routing);
const found = watch.accuracy();

/** Means over tokens of how much of each layer's choice `expected` names. */
function shares(expected: (token: number, place: number) => number[] | undefined) {
  return SHAPE.moeLayers.map((_, place) => {
    const right = TEXT.flatMap((layers, token) => {
      const named = expected(token, place);
      const chosen = [...(layers[place]?.experts ?? [])];
      return named ? [chosen.filter((e) => named.includes(e)).length] : [];
    });
    const mean = (list: number[]) => list.reduce((a, b) => a + b, 0) / list.length;
    return { slot: mean(right) / 3, whole: mean(right.map((n) => (n === 3 ? 1 : 0))) };
  });
}

const closeTo = (values: readonly number[], expected: readonly number[]) => {
  expect(values).toHaveLength(expected.length);
  for (const [i, value] of values.entries()) expect(value).toBeCloseTo(expected[i] ?? -1, 12);
};

describe("the accuracy of gates", () => {
  it.each([1, 2, 3])("is the share of a layer's experts in the top-k %i layers before", (depth) => {
    const named = shares((token, place) => {
      const logits = TEXT[token]?.[place - depth]?.ahead[depth - 1];
      return logits && top(logits, 3);
    }).slice(depth);
    const { slot, wholeRouting } = found.byDepth[depth - 1] ?? { slot: [], wholeRouting: [] };
    closeTo(
      slot,
      named.map((one) => one.slot),
    );
    closeTo(
      wholeRouting,
      named.map((one) => one.whole),
    );
    expect(Math.max(...slot)).toBeLessThan(0.95);
    expect(Math.min(...slot)).toBeGreaterThan(0.5);
  });

  it("grows with the width, up to 2 k", () => {
    expect(found.widened.map(({ width }) => width)).toEqual([4, 5, 6]);
    for (const { slot, width, wholeRouting } of found.widened) {
      const named = shares((token, place) => {
        const logits = TEXT[token]?.[place - 1]?.ahead[0];
        return logits && top(logits, width);
      }).slice(1);
      closeTo(
        slot,
        named.map((one) => one.slot),
      );
      closeTo(
        wholeRouting,
        named.map((one) => one.whole),
      );
    }
  });

  it("is 1 for a layer's own gate, and k in E by chance", () => {
    closeTo(found.ownGate.slot, [1, 1, 1, 1, 1]);
    closeTo(found.ownGate.wholeRouting, [1, 1, 1, 1, 1]);
    expect(found.chance).toBe(3 / 8);
  });

  it("compares with the token before in the same window only", () => {
    const named = shares((token, place) =>
      token % WINDOW === 0 ? undefined : [...(TEXT[token - 1]?.[place]?.experts ?? [])],
    );
    closeTo(
      found.previousToken.slot,
      named.map((one) => one.slot),
    );
  });
});

describe("the accuracy of a predictor", () => {
  const contents = {
    shape: SHAPE,
    hasProbabilities: true,
    aheadDepth: 1,
    hasComputeMs: false,
    provenance: { model: "", text: "", origin: "recorded", isSimulated: false, date: "" } as const,
  };
  const sink = new MemoryTraceSink(contents);
  const recorder = new TraceRecorder(contents, sink);
  for (const routing of TEXT.flat()) recorder.add(routing);
  recorder.flush();
  const trace = sink.toTrace();

  it("is 1 for one that knows the future, at the first layer too", () => {
    const next = TEXT.flat().slice(1);
    let at = -1;
    const oracle: ExpertPredictor = {
      observe: () => {
        at++;
      },
      predict: (target, scores) => {
        expect(target).toBe(next[at]?.layer ?? 1);
        scores.set(next[at]?.probabilities ?? new Float32Array(8));
        return true;
      },
    };
    const { slot, wholeRouting, firstLayer } = predictorAccuracy(trace, oracle, true);
    closeTo([...slot, ...wholeRouting], new Array(2 * (LAYERS - 1)).fill(1));
    expect(firstLayer).toEqual({ slot: 1, wholeRouting: 1 });
  });

  it("counts silence as wrong", () => {
    let asked = 0;
    const half: ExpertPredictor = {
      observe: () => {},
      predict: (_, scores) => {
        scores.fill(1);
        return ++asked % 2 === 0;
      },
    };
    const { slot, firstLayer } = predictorAccuracy(trace, half, false);
    // Of four questions a token the second and the fourth are answered, always by experts 0, 1, 2.
    closeTo([slot[0] ?? 0, slot[2] ?? 0], [0, 0]);
    const named = shares(() => [0, 1, 2]);
    closeTo([slot[1] ?? 0, slot[3] ?? 0], [named[2]?.slot ?? 0, named[4]?.slot ?? 0]);
    expect(firstLayer).toBeNull();
  });
});
