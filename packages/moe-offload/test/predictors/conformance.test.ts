import { createPrng } from "@fmlab/sim";
import { describe, expect, it } from "vitest";
import type { Routing, RoutingShape } from "../../src/offload/routing.ts";
import { PREDICTOR_NAMES } from "../../src/predictors/names.ts";
import {
  DEPTH_MAX,
  type PredictorContext,
  type PredictorDefinition,
} from "../../src/predictors/predictor.ts";
import { PREDICTORS } from "../../src/predictors/registry.ts";
import { popularityOf, randomShape, randomTrace } from "../policies/random-trace.ts";

/** What every registered predictor must keep. A new predictor is covered by being registered. */

const TOKENS = 25;

/** Things learned from earlier text, all of them or only what the predictor needs. */
function contextFor(
  definition: PredictorDefinition,
  shape: RoutingShape,
  earlier: Routing[],
  knowsAll: boolean,
): PredictorContext {
  const { expertCount, layerCount } = shape;
  const random = createPrng(3, "learned");
  const table = (size: number) => Float32Array.from({ length: size }, () => random.nextInt(9));
  const perLayer = <T>(make: () => T) => Array.from({ length: layerCount }, make);
  const all = {
    popularity: popularityOf(earlier, shape),
    layerMaps: perLayer(() => ({ weights: table(expertCount ** 2), bias: table(expertCount) })),
    activationMatrices: [table(layerCount * expertCount), table(layerCount * expertCount)],
    successors: perLayer(() => Float64Array.from(table(expertCount ** 2))),
  };
  if (knowsAll) return { shape, ...all };
  const needed = Object.entries(all).filter(([key]) =>
    definition.needs?.some((need) => need === key),
  );
  return { shape, ...Object.fromEntries(needed) };
}

/** Targets that may be asked for after a layer: `[layer]` of this token or of the next. */
function targetsAfter(definition: PredictorDefinition, shape: RoutingShape, layer: number) {
  const at = shape.moeLayers.indexOf(layer);
  const ahead = shape.moeLayers.slice(at + 1).filter((next) => next - layer <= definition.depthMax);
  const isLast = at === shape.moeLayers.length - 1;
  return isLast && definition.wrapsAround ? [...ahead, shape.moeLayers[0] ?? 0] : ahead;
}

/** All answers over a trace, in order; the last `silent` layers are not asked about. */
function answers(
  definition: PredictorDefinition,
  context: PredictorContext,
  trace: Routing[],
  asksTwice = false,
): (number[] | false)[] {
  const predictor = definition.create(context);
  const scores = new Float32Array(context.shape.expertCount);
  const log: (number[] | false)[] = [];
  for (const routing of trace) {
    const copies = {
      experts: routing.experts.slice(),
      probabilities: routing.probabilities.slice(),
      ahead: routing.ahead.map((logits) => logits.slice()),
    };
    predictor.observe({ ...routing, ...copies });
    // The caller reuses its arrays.
    copies.experts.fill(0);
    copies.probabilities.fill(Number.NaN);
    for (const logits of copies.ahead) logits.fill(Number.NaN);
    for (const target of targetsAfter(definition, context.shape, routing.layer)) {
      for (let i = 0; i < (asksTwice ? 2 : 1); i++) {
        scores.fill(Number.NaN);
        const hasAnswer = predictor.predict(target, scores);
        if (i === 0) log.push(hasAnswer && [...scores]);
      }
    }
  }
  return log;
}

describe("the registry of predictors", () => {
  it("has every name a config may use, under its own name", () => {
    expect(Object.keys(PREDICTORS).sort()).toEqual([...PREDICTOR_NAMES].sort());
    for (const name of PREDICTOR_NAMES) {
      expect(PREDICTORS[name].name).toBe(name);
      expect(PREDICTORS[name].help).toMatch(/^[A-Z].*\.$/);
      expect(PREDICTORS[name].depthMax).toBeGreaterThanOrEqual(1);
      expect(PREDICTORS[name].depthMax).toBeLessThanOrEqual(DEPTH_MAX);
      expect(PREDICTORS[name].aheadDepth).toBeLessThanOrEqual(PREDICTORS[name].depthMax);
    }
  });
});

describe.each(PREDICTOR_NAMES)("%s", (name) => {
  const definition = PREDICTORS[name];
  const random = createPrng(61, name);
  const cases = Array.from({ length: 12 }, (_, i) => {
    const shape = randomShape(random);
    const earlier = randomTrace(random, shape, TOKENS);
    const trace = randomTrace(random, shape, TOKENS);
    return { shape, trace, context: contextFor(definition, shape, earlier, i % 2 === 0) };
  });

  it("answers with a finite score for every expert, or says that it does not know", () => {
    let known = 0;
    for (const { context, trace } of cases) {
      for (const scores of answers(definition, context, trace)) {
        if (scores === false) continue;
        known++;
        expect(scores.every(Number.isFinite)).toBe(true);
      }
    }
    if (name !== "none") expect(known).toBeGreaterThan(0);
  });

  it("says the same when asked again, and when it is run again", () => {
    for (const { context, trace } of cases) {
      const log = answers(definition, context, trace);
      expect(answers(definition, context, trace)).toEqual(log);
      expect(answers(definition, context, trace, true)).toEqual(log);
    }
  });

  it("does not know the future", () => {
    for (const { context, shape, trace } of cases) {
      const cut = (TOKENS / 2) | 0;
      const other = randomTrace(createPrng(67, name), shape, TOKENS);
      const changed = trace.map((routing, i) =>
        routing.token < cut ? routing : (other[i] ?? routing),
      );
      const log = answers(definition, context, trace);
      const common = answers(
        definition,
        context,
        trace.filter(({ token }) => token < cut),
      ).length;
      expect(answers(definition, context, changed).slice(0, common)).toEqual(log.slice(0, common));
    }
  });

  it("does without look-ahead logits unless it declares them", () => {
    for (const { context, trace } of cases) {
      const blind = trace.map((routing) => ({ ...routing, ahead: [] }));
      const log = answers(definition, context, blind);
      if (definition.aheadDepth === 0) expect(log).toEqual(answers(definition, context, trace));
    }
  });
});
