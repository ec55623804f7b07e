import { createPrng } from "@fmlab/sim";
import { generateInto } from "../traces/generator.ts";
import { type GeneratorOptions, generatedContents } from "../traces/generator-options.ts";
import type { ModelShape } from "../traces/model-shapes.ts";
import { logNormalPopularity } from "../traces/popularity.ts";
import type { Trace } from "../traces/trace.ts";
import { MemoryTraceSink } from "../traces/trace-recorder.ts";

/** Dials of a generated trace; see `GeneratorOptions`. 0 takes what is published of the shape. */
export interface TraceDials {
  readonly previousTokenReuse: number;
  readonly sequenceReuse: number;
  readonly crossLayerAccuracy: number;
  readonly chosenMass: number;
  /** Standard deviation of the logarithm of an expert's popularity. */
  readonly popularitySkew: number;
  readonly sequenceTokens: number;
}

/** Layers ahead whose gates are written, as far as there are: what any predictor looks at. */
const AHEAD_DEPTH = 3;
/** Where nothing is published: see the survey's sections 3.9 and 9 for the range. */
const CROSS_LAYER_ACCURACY = 0.8;
/** Reuse above what experts chosen evenly would have, as a share of what is left. */
const REUSE_ABOVE_CHANCE = 0.2;

/**
 * Generates a trace for a shape without weights: simulated routing.
 *
 * @param throwIfCancelled  asked for every block of tokens
 * @throws MoeError `BAD_SETTING`; whatever `throwIfCancelled` throws
 */
export function generateForShape(
  shape: ModelShape,
  dials: TraceDials,
  request: { tokenCount: number; seed: number; throwIfCancelled?: () => void },
): Trace {
  const { routing } = shape;
  const chance = routing.expertUsedCount / routing.expertCount;
  const reuse = chance + REUSE_ABOVE_CHANCE * (1 - chance);
  const options: GeneratorOptions = {
    model: shape.name,
    shape: routing,
    tokenCount: request.tokenCount,
    seed: request.seed,
    date: "",
    popularity: logNormalPopularity(
      routing,
      dials.popularitySkew,
      ["text"],
      createPrng(request.seed, "popularity"),
    ),
    sequenceTokens: dials.sequenceTokens,
    previousTokenReuse: dials.previousTokenReuse || (shape.previousTokenReuse?.value ?? reuse),
    sequenceReuse: dials.sequenceReuse || chance + (reuse - chance) / 2,
    crossLayerAccuracy:
      dials.crossLayerAccuracy || (shape.crossLayerAccuracy?.value ?? CROSS_LAYER_ACCURACY),
    aheadDepth: AHEAD_DEPTH,
    // Half-way between a router that cares for nothing and one that is sure.
    chosenMass: dials.chosenMass || (1 + chance) / 2,
    hasProbabilities: true,
  };
  const contents = generatedContents(options);
  const sink = new MemoryTraceSink(contents);
  generateInto(options, contents, {
    write(block) {
      request.throwIfCancelled?.();
      sink.write(block);
    },
  });
  return sink.toTrace();
}
