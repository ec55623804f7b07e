import type { Arena } from "../arena.ts";
import { requireArgument, requireFinite, requireInteger } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import {
  begin,
  finish,
  requireContiguous,
  requireContiguousRows,
  requireShapes,
  requireType,
} from "./check.ts";

/** Which elements of a head are turned together: neighbours, or those half a head apart. */
export const ROPE_MODE = { NORMAL: 0, NEOX: 2 } as const;

/** How positions turn the heads. @see Su et al. 2021, RoFormer; Peng et al. 2023, YaRN */
export interface RopeOptions {
  /** Elements of each head that are turned; even, at most the head's size. */
  readonly dimensions: number;
  readonly mode: (typeof ROPE_MODE)[keyof typeof ROPE_MODE];
  readonly frequencyBase: number;
  /** Divides positions: 1 / scaling factor; default 1. */
  readonly frequencyScale?: number;
  /** Context length the model was trained with; YaRN needs it. Default 0. */
  readonly originalContext?: number;
  /** YaRN's mix of extrapolation; 0 (the default) turns YaRN off. */
  readonly extFactor?: number;
  readonly attentionFactor?: number;
  /** Divides each pair's frequency: `[at least dimensions / 2]`, F32; none = 1 for all. */
  readonly frequencyFactors?: Tensor;
  readonly betaFast?: number;
  readonly betaSlow?: number;
}

/**
 * Rotary position embedding.
 * @param x          `[headSize, heads, tokens]`, F32
 * @param positions  `[tokens]`, I32
 */
export function rope(arena: Arena, x: Tensor, positions: Tensor, options: RopeOptions): Tensor {
  const pointer = callRope("rope", arena, x, positions, options);
  return finish(arena, pointer, {
    operation: "rope",
    type: x.type,
    shape: x.shape,
    sources: ropeSources(x, positions, options),
  });
}

/** {@link rope} that overwrites `x`: the result is a view of it. */
export function ropeInPlace(
  arena: Arena,
  x: Tensor,
  positions: Tensor,
  options: RopeOptions,
): Tensor {
  const pointer = callRope("ropeInPlace", arena, x, positions, options);
  x.root.isWrittenByOperation = true;
  return finish(arena, pointer, {
    operation: "ropeInPlace",
    type: x.type,
    shape: x.shape,
    strides: x.strides,
    sources: ropeSources(x, positions, options),
    viewOf: { tensor: x, offsetBytes: 0 },
  });
}

function ropeSources(x: Tensor, positions: Tensor, { frequencyFactors }: RopeOptions): Tensor[] {
  return frequencyFactors ? [x, positions, frequencyFactors] : [x, positions];
}

function callRope(
  operation: "rope" | "ropeInPlace",
  arena: Arena,
  x: Tensor,
  positions: Tensor,
  options: RopeOptions,
): bigint {
  begin(operation, arena, ropeSources(x, positions, options));
  requireInputs(operation, x, positions, options);
  const numbers = requireNumbers(operation, options);
  const { native } = arena.library;
  return (operation === "rope" ? native.ggml_rope_ext : native.ggml_rope_ext_inplace)(
    arena.pointer,
    x.pointer,
    positions.pointer,
    options.frequencyFactors?.pointer ?? null,
    options.dimensions,
    options.mode,
    options.originalContext ?? 0,
    numbers.frequencyBase,
    numbers.frequencyScale,
    numbers.extFactor,
    numbers.attentionFactor,
    numbers.betaFast,
    numbers.betaSlow,
  );
}

function requireInputs(
  operation: string,
  x: Tensor,
  positions: Tensor,
  { dimensions, mode, frequencyFactors, originalContext = 0 }: RopeOptions,
): void {
  requireType(operation, x, "F32");
  requireContiguousRows(operation, x);
  requireType(operation, positions, "I32");
  requireContiguous(operation, positions);
  requireShapes(
    operation,
    x.shape[2] === positions.shape[0] && positions.elements === positions.shape[0],
    x,
    positions,
    "one position for each token (dimension 2)",
  );
  requireInteger(operation, "dimensions", dimensions, 2, x.shape[0]);
  requireArgument(dimensions % 2 === 0, operation, () => `dimensions ${dimensions} is odd`);
  requireArgument(mode === 0 || mode === 2, operation, () => `mode ${mode}; use ROPE_MODE`);
  requireInteger(operation, "originalContext", originalContext, 0, 2 ** 31 - 1);
  if (!frequencyFactors) return;
  requireType(operation, frequencyFactors, "F32");
  requireContiguous(operation, frequencyFactors);
  requireShapes(
    operation,
    frequencyFactors.shape[0] >= dimensions / 2,
    x,
    frequencyFactors,
    `at least ${dimensions / 2} frequency factors, one for each pair`,
  );
}

function requireNumbers(operation: string, options: RopeOptions) {
  const numbers = {
    frequencyBase: options.frequencyBase,
    frequencyScale: options.frequencyScale ?? 1,
    extFactor: options.extFactor ?? 0,
    attentionFactor: options.attentionFactor ?? 1,
    betaFast: options.betaFast ?? 32,
    betaSlow: options.betaSlow ?? 1,
  };
  for (const [name, value] of Object.entries(numbers)) requireFinite(operation, name, value);
  requireArgument(
    numbers.frequencyBase > 0 && numbers.frequencyScale > 0,
    operation,
    () => `frequency base ${numbers.frequencyBase} and scale must be above 0`,
  );
  return numbers;
}
