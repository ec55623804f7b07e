import type { RoutingShape } from "../offload/routing.ts";
import { generateForShape, type TraceDials } from "../planner/generated-trace.ts";
import { NAMED_SHAPES } from "../planner/named-shapes.ts";
import type { Trace } from "../traces/trace.ts";
import type { ShapeName } from "./shape-model.ts";

/** What is generated for a shape. */
export interface ShapeTraceOptions {
  readonly tokenCount: number;
  /** Tokens of one text: prompt and answer together. */
  readonly sequenceTokens: number;
  readonly seed: number;
  /** Counts of a shape that was made smaller; default: those of the published model. */
  readonly routing?: RoutingShape;
  /** Dials that are not to be as published; 0 is as published. */
  readonly dials?: Partial<Omit<TraceDials, "sequenceTokens">>;
}

/** Skew of popularity where none is chosen: what was counted of OLMoE on mixed text, roughly. */
const POPULARITY_SKEW = 0.4;

/**
 * Routing for a published model, fitted to what is published of it: simulated.
 * Cross-layer logits of three layers ahead are in it.
 *
 * @throws MoeError `BAD_SETTING`
 */
export function generateShapeTrace(name: ShapeName, options: ShapeTraceOptions): Trace {
  const { dials, seed, sequenceTokens, tokenCount } = options;
  const all: TraceDials = {
    previousTokenReuse: 0,
    sequenceReuse: 0,
    crossLayerAccuracy: 0,
    chosenMass: 0,
    popularitySkew: POPULARITY_SKEW,
    ...dials,
    sequenceTokens,
  };
  const published = NAMED_SHAPES[name];
  const routing = options.routing ?? published.routing;
  return generateForShape({ ...published, routing }, all, { tokenCount, seed });
}
