import { MoeError } from "../errors.ts";
import type { RoutingShape } from "../offload/routing.ts";
import type { PopularityTarget } from "./popularity.ts";
import { AHEAD_DEPTH_MAX } from "./trace.ts";
import type { TraceContents } from "./trace-block.ts";

/** The dials of a generated trace. */
export interface GeneratorOptions {
  /** Name of the model whose shape is imitated. */
  readonly model: string;
  readonly shape: RoutingShape;
  readonly tokenCount: number;
  readonly seed: number;
  /** Given by the caller, ISO 8601. */
  readonly date: string;
  /** How often experts are to be chosen; sequences take the domains in turn. */
  readonly popularity: readonly PopularityTarget[];
  /** Tokens of a sequence. */
  readonly sequenceTokens: number;
  /** Share of a token's experts that the token before used, mean over layers. */
  readonly previousTokenReuse: number;
  /** The same for tokens far apart in one sequence; popularity alone gives a floor. */
  readonly sequenceReuse: number;
  /**
   * Share of a layer's experts among the top-k of its gate one layer earlier: one number, or one
   * for each layer but the first.
   */
  readonly crossLayerAccuracy: number | readonly number[];
  /** Layers ahead whose logits are written, 0 to 3. */
  readonly aheadDepth: number;
  /** Mean probability that a router gives to its k choices together, or one for each layer. */
  readonly chosenMass: number | readonly number[];
  /** Without them the trace is smaller. */
  readonly hasProbabilities: boolean;
}

/**
 * What the shipped model shows on held-out prose, 20,000 tokens: previous-token reuse .27 (chance
 * .125), .15 between tokens far apart, gate accuracies and probability mass by layer.
 */
export const SHIPPED_MODEL_DIALS = {
  previousTokenReuse: 0.273,
  sequenceReuse: 0.15,
  crossLayerAccuracy: [0.316, 0.721, 0.798, 0.795, 0.829, 0.824, 0.829],
  chosenMass: [0.389, 0.523, 0.619, 0.696, 0.744, 0.775, 0.803, 0.843],
} as const;

/** What a generated trace holds and says of itself. @throws MoeError `BAD_SETTING` */
export function generatedContents(options: GeneratorOptions): TraceContents {
  const { aheadDepth, date, hasProbabilities, model, popularity, seed, shape } = options;
  checkOptions(options);
  return {
    shape,
    hasProbabilities,
    aheadDepth,
    hasComputeMs: false,
    provenance: {
      model,
      text: `none: imitates ${popularity.map(({ domain }) => domain).join(", ")}`,
      origin: "generated",
      isSimulated: true,
      seed,
      date,
      notes:
        `previous-token reuse ${options.previousTokenReuse}, ` +
        `sequence reuse ${options.sequenceReuse}, ` +
        `cross-layer accuracy ${String(options.crossLayerAccuracy)}, ` +
        `sequences of ${options.sequenceTokens} tokens`,
    },
  };
}

/** An entry of a dial. The last value of a list goes for all layers beyond it. */
export function valueAt(values: number | readonly number[], index: number): number {
  if (typeof values === "number") return values;
  return values[Math.min(index, values.length - 1)] ?? 0;
}

function checkOptions(options: GeneratorOptions): void {
  const { popularity, shape } = options;
  const shares = [options.previousTokenReuse, options.sequenceReuse]
    .concat(options.crossLayerAccuracy, options.chosenMass)
    .map(
      (value) => ["reuse, accuracy and mass", value, "0 to 1", value >= 0 && value <= 1] as const,
    );
  const isCount = (value: number, least: number) => Number.isSafeInteger(value) && value >= least;
  const { aheadDepth, sequenceTokens, tokenCount } = options;
  const domains = popularity.length;
  const fits = popularity.every(
    (target) =>
      target.shares.length === shape.moeLayers.length &&
      target.shares.every((row) => row.length === shape.expertCount),
  );
  const isDepth = isCount(aheadDepth, 0) && aheadDepth <= AHEAD_DEPTH_MAX;
  const checks = [
    ["tokenCount", tokenCount, "a whole number of at least 0", isCount(tokenCount, 0)] as const,
    [
      "sequenceTokens",
      sequenceTokens,
      "a whole number above 0",
      isCount(sequenceTokens, 1),
    ] as const,
    ["aheadDepth", aheadDepth, `0 to ${AHEAD_DEPTH_MAX}`, isDepth] as const,
    [
      "popularity",
      domains,
      "at least one domain, sized as the shape",
      fits && domains > 0,
    ] as const,
    ...shares,
  ];
  for (const [setting, value, expected, holds] of checks) {
    if (holds) continue;
    throw new MoeError(`the generator's ${setting} is ${value}, expected ${expected}.`, {
      code: "BAD_SETTING",
      setting,
      value,
      expected,
    });
  }
}
