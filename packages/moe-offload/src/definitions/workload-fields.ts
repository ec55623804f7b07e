import { z } from "zod";
import { NAMED_SHAPE_NAMES } from "../planner/named-shapes.ts";
import { BITS_PER_WEIGHT, type StorageType } from "../traces/model-shapes.ts";

/** Types that a published shape's experts can be stored in. */
const STORAGE_TYPES = Object.keys(BITS_PER_WEIGHT) as [StorageType, ...StorageType[]];

/** Config field `cpuExperts`: what missed experts take on the CPU beside a named card. */
export const cpuTimesField = z
  .object({
    expertMs: z
      .number()
      .min(0)
      .max(1e6)
      .default(0)
      .describe("One expert, ms; 0: the CPU computes none. moe-offload.shape measures it."),
    layerMs: z
      .number()
      .min(0)
      .max(1e6)
      .default(0)
      .describe("Once for each layer in which the CPU computes any, ms."),
  })
  .prefault({})
  .describe("Beside a card the CPU may compute missed experts that lie in host memory.");

/** A whole number in a form. */
export const wholeNumber = (min: number, max: number, preset: number) =>
  z.number().int().min(min).max(max).default(preset);

const share = (help: string) => z.number().min(0).max(1).default(0).describe(help);

/** Config field `shape` and what belongs to a model without weights. */
export const shapeFields = {
  shape: z
    .enum(["none", ...NAMED_SHAPE_NAMES])
    .default("none")
    .describe("A published model whose weights need not be there; none: the model file is taken."),
  storage: z
    .enum(STORAGE_TYPES)
    .default("Q4_0")
    .describe("Type of the shape's routed experts; everything else counts as F16."),
  expertMiB: z
    .number()
    .min(0)
    .max(16_384)
    .default(0)
    .describe("Size of one routed expert where it is known otherwise, MiB; 0 takes the type's."),
  dials: z
    .object({
      previousTokenReuse: share("Share of a token's experts that the token before used; 0: known."),
      sequenceReuse: share("The same for tokens far apart in one text; 0: half of that."),
      crossLayerAccuracy: share("Share of a layer's experts its cross-layer gate finds; 0: known."),
      chosenMass: share("Probability a router gives to its choices together; 0: half-way to 1."),
      popularitySkew: z
        .number()
        .min(0)
        .max(3)
        .default(0.4)
        .describe("Standard deviation of the logarithm of experts' popularity; 0 is even."),
      sequenceTokens: wholeNumber(1, 1_000_000, 256).describe("Tokens of one text."),
    })
    .prefault({})
    .describe("Routing that is generated for a shape; 0 takes a published number or a default."),
};

/** Config fields that say how much routing is looked at. */
export const traceFields = (tokens: number, learnTokens: number) => ({
  tokens: wholeNumber(16, 1_000_000, tokens).describe(
    "Tokens that strategies are tried on; the first eighth fills caches and is not counted.",
  ),
  learnTokens: wholeNumber(16, 1_000_000, learnTokens).describe(
    "Tokens before them that policies and predictors learn from.",
  ),
});
