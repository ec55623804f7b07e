import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Routing, RoutingShape } from "../../src/offload/routing.ts";
import { activationMatrix } from "../../src/predictors/activation-matrix.ts";
import { correctedGate } from "../../src/predictors/corrected-gate.ts";
import { correlation } from "../../src/predictors/correlation.ts";
import { crossLayer } from "../../src/predictors/cross-layer.ts";
import { layerMap } from "../../src/predictors/layer-map.ts";
import { popularity } from "../../src/predictors/popularity.ts";
import type { ExpertPredictor } from "../../src/predictors/predictor.ts";
import { previousToken } from "../../src/predictors/previous-token.ts";
import { randomTrace, shapeOf } from "../policies/random-trace.ts";
import { naiveExpected } from "./naive-activation.ts";

function ask(predictor: ExpertPredictor, target: number, shape: RoutingShape) {
  const scores = new Float32Array(shape.expertCount);
  return predictor.predict(target, scores) ? [...scores] : undefined;
}

const SHAPE = shapeOf(4, 6, 2, 1);

/** Asks after every layer for one target, and compares with an answer from the whole past. */
function expectAnswers(
  predictor: ExpertPredictor,
  trace: Routing[],
  targetAfter: (layer: number) => number,
  naive: (past: Routing[], target: number) => number[] | undefined,
): void {
  trace.forEach((routing, i) => {
    predictor.observe(routing);
    const target = targetAfter(routing.layer);
    const expected = naive(trace.slice(0, i + 1), target);
    expect(ask(predictor, target, SHAPE)).toEqual(expected);
  });
}

const nextLayer = (layer: number) => (layer === 3 ? 1 : layer + 1);

describe("cross-layer", () => {
  it("gives the logits recorded for the layer asked for, up to three ahead", () => {
    const shape = shapeOf(5, 6, 2);
    const predictor = crossLayer.create({ shape });
    for (const routing of randomTrace(createPrng(71, "ahead"), shape, 5)) {
      predictor.observe(routing);
      for (const depth of [1, 2, 3]) {
        const logits = routing.ahead[depth - 1];
        const answer = ask(predictor, routing.layer + depth, shape);
        expect(answer).toEqual(logits === undefined ? undefined : [...logits]);
      }
      expect(ask(predictor, routing.layer + 4, shape)).toBeUndefined();
      expect(ask(predictor, 0, shape)).toBeUndefined();
    }
  });
});

describe("corrected-gate", () => {
  /** A vector less its mean, over its length. */
  const standard = (values: Iterable<number>) => {
    const all = [...values];
    const mean = all.reduce((sum, value) => sum + value, 0) / all.length;
    const length = Math.hypot(...all.map((value) => value - mean));
    return all.map((value) => (length > 0 ? (value - mean) / length : 0));
  };

  it("adds to the gate what the gate missed in earlier tokens, half of it less with each", () => {
    const shape = shapeOf(5, 6, 2);
    const predictor = correctedGate.create({ shape });
    const trace = randomTrace(createPrng(79, "corrected"), shape, 8);
    trace.forEach((routing, i) => {
      predictor.observe(routing);
      const target = routing.layer + 1;
      const [gate] = routing.ahead;
      const answer = ask(predictor, target, shape);
      if (gate === undefined) {
        expect(answer).toBeUndefined();
        return;
      }
      const start = trace.findLastIndex(
        (one, n) => n <= i && one.position === 0 && one.layer === 0,
      );
      const errors = trace.slice(start, i).filter((one) => one.layer === target);
      const missed = errors.map((one) => {
        const before = trace.find((r) => r.token === one.token && r.layer === target - 1);
        const seen = standard(before?.ahead[0] ?? []);
        return standard(one.probabilities.map(Math.log)).map((y, e) => y - (seen[e] ?? 0));
      });
      const expected = standard(gate).map((value, expert) =>
        missed.reduce(
          (sum, error, n) => sum + 0.6 * 0.5 ** (missed.length - n) * (error[expert] ?? 0),
          value,
        ),
      );
      answer?.forEach((score, expert) => {
        expect(score).toBeCloseTo(expected[expert] ?? Number.NaN, 5);
      });
    });
  });

  it("forgets with each new text, and is the gate itself in the first token", () => {
    const shape = shapeOf(4, 6, 2);
    const trace = randomTrace(createPrng(83, "texts"), shape, 6);
    const used = correctedGate.create({ shape });
    const fresh = correctedGate.create({ shape });
    for (const routing of trace) used.observe(routing);
    for (const routing of trace) {
      const again = { ...routing, token: routing.token + 100 };
      used.observe(again);
      fresh.observe(again);
      const target = routing.layer + 1;
      expect(ask(used, target, shape)).toEqual(ask(fresh, target, shape));
    }
  });
});

describe("correlation", () => {
  it("sums the counts of each chosen expert's top-k successors, recounted from all tokens", () => {
    const trace = randomTrace(createPrng(73, "correlation"), SHAPE, 60);
    expectAnswers(correlation.create({ shape: SHAPE }), trace, nextLayer, (past, target) => {
      const latest = past.at(-1);
      const scores = new Float64Array(6);
      const add = (sums: Float64Array, expert: number, count: number) => {
        sums[expert] = (sums[expert] ?? 0) + count;
      };
      const chosenIn = (layer: number, token: number) =>
        past.find((r) => r.layer === layer && r.token === token)?.experts ?? new Int32Array(0);
      if (target === 1) {
        for (const { experts, layer } of past) {
          if (layer === 1) for (const expert of experts) add(scores, expert, 1);
        }
        return [...scores];
      }
      for (const from of latest?.experts ?? []) {
        const counts = new Float64Array(6);
        for (const { experts, layer, token } of past) {
          if (layer !== target || !chosenIn(target - 1, token).includes(from)) continue;
          for (const expert of experts) add(counts, expert, 1);
        }
        const top = [...counts.keys()].sort((a, b) => (counts[b] ?? 0) - (counts[a] ?? 0) || a - b);
        for (const expert of top.slice(0, 2)) add(scores, expert, counts[expert] ?? 0);
      }
      return scores.some((score) => score > 0) ? [...scores] : undefined;
    });
  });

  it("starts from counts of earlier text and does not change them", () => {
    const shape = shapeOf(2, 3, 1);
    const given = Float64Array.of(0, 5, 1, 0, 0, 0, 2, 0, 0);
    const predictor = correlation.create({ shape, successors: [given, undefined] });
    const probabilities = new Float32Array(3);
    const base = { token: 0, position: 0, probabilities, ahead: [] };
    predictor.observe({ ...base, layer: 0, experts: Int32Array.of(0) });
    expect(ask(predictor, 1, shape)).toEqual([0, 5, 0]);
    predictor.observe({ ...base, layer: 1, experts: Int32Array.of(1) });
    predictor.observe({ ...base, token: 1, layer: 0, experts: Int32Array.of(0) });
    expect(ask(predictor, 1, shape)).toEqual([0, 6, 0]);
    expect([...given]).toEqual([0, 5, 1, 0, 0, 0, 2, 0, 0]);
  });
});

describe("activation-matrix", () => {
  it.each([0, 3])("expects the sequence of highest mean cosine, with %i given", (count) => {
    const random = createPrng(79, `${count}`);
    const given = Array.from({ length: count }, () =>
      Array.from({ length: 24 }, (_, key) => (key < 6 ? 0 : random.nextInt(5))),
    );
    const activationMatrices = given.map((matrix) => Float32Array.from(matrix));
    const predictor = activationMatrix.create({ shape: SHAPE, activationMatrices });
    const trace = randomTrace(random, SHAPE, 120);
    expect(
      trace.filter(({ layer, position }) => layer === 1 && position === 0).length,
    ).toBeGreaterThan(2);
    expectAnswers(predictor, trace, nextLayer, (past, target) => {
      return naiveExpected(SHAPE, past, given).slice(target * 6, target * 6 + 6);
    });
  });

  it("forgets the least matched sequence when the collection is full, never a given one", () => {
    const shape = shapeOf(1, 4, 1);
    const given = Float32Array.of(0, 0, 0, 9);
    const predictor = activationMatrix.create({ shape, activationMatrices: [given] });
    const probabilities = new Float32Array(4);
    let token = 0;
    const sequence = (experts: number[]) => {
      experts.forEach((expert, position) => {
        const chosen = { experts: Int32Array.of(expert), probabilities, ahead: [] };
        predictor.observe({ layer: 0, token: token++, position, ...chosen });
      });
    };
    // 127 fit beside the given one.
    sequence([0, 0]);
    sequence([2, 2, 2]);
    sequence([0]);
    for (let i = 0; i < 200; i++) sequence([1]);
    sequence([0]);
    expect(ask(predictor, 0, shape)).toEqual([2, 0, 0, 0]);
    // The sequence of expert 2 was never the best match: it is gone, and nothing is like this one.
    sequence([2]);
    expect(ask(predictor, 0, shape)).toEqual([0, 0, 0, 9]);
  });
});

describe("previous-token", () => {
  it("ranks the experts of the token before first, by their probability", () => {
    const trace = randomTrace(createPrng(83, "previous"), SHAPE, 20);
    expectAnswers(previousToken.create({ shape: SHAPE }), trace, nextLayer, (past, target) => {
      const before = past.findLast(({ layer }) => layer === target);
      if (before === undefined) return undefined;
      return [...before.probabilities].map((p, expert) =>
        Math.fround(before.experts.includes(expert) ? 1 + p : p),
      );
    });
  });
});

describe("popularity", () => {
  it("counts while it runs when it was given nothing", () => {
    const trace = randomTrace(createPrng(89, "popularity"), SHAPE, 20);
    expectAnswers(popularity.create({ shape: SHAPE }), trace, nextLayer, (past, target) => {
      const own = past.filter(({ layer }) => layer === target);
      if (own.length === 0) return undefined;
      const uses = (e: number) => own.filter(({ experts }) => experts.includes(e)).length;
      return [0, 1, 2, 3, 4, 5].map(uses);
    });
  });

  it("stays with what it was given", () => {
    const given = Float64Array.from({ length: 24 }, (_, key) => key % 7);
    const trace = randomTrace(createPrng(89, "given"), SHAPE, 5);
    const predictor = popularity.create({ shape: SHAPE, popularity: given });
    expectAnswers(predictor, trace, nextLayer, (_, target) => [
      ...given.slice(target * 6, target * 6 + 6),
    ]);
  });
});

describe("layer-map", () => {
  const shape = shapeOf(3, 2, 1);
  const map = { weights: Float32Array.of(1, 2, 3, 4), bias: Float32Array.of(10, 20) };
  const routing: Routing = {
    layer: 0,
    token: 0,
    position: 0,
    experts: Int32Array.of(0),
    probabilities: Float32Array.of(0.25, 0.0625),
    ahead: [Float32Array.of(7, 8)],
  };

  it("maps the square roots of the probabilities", () => {
    const predictor = layerMap.create({ shape, layerMaps: [map] });
    predictor.observe(routing);
    expect(ask(predictor, 1, shape)).toEqual([10 + 0.5 + 0.5, 20 + 1.5 + 1]);
  });

  it("uses the cross-layer gate for layers without a map", () => {
    const predictor = layerMap.create({ shape, layerMaps: [map] });
    predictor.observe({ ...routing, layer: 1 });
    expect(ask(predictor, 2, shape)).toEqual([7, 8]);
  });

  it("refuses a map of another shape", () => {
    expect(() => layerMap.create({ shape: shapeOf(3, 4, 1), layerMaps: [map] })).toThrow(
      "layer map",
    );
  });
});
