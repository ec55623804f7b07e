import type { Arena } from "../arena.ts";
import { requireArgument, requireFinite, requireInteger } from "../errors.ts";
import type { Tensor } from "../tensor.ts";
import { TENSOR_TYPE } from "../tensor-types.ts";
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
    sources: [x, positions],
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
    sources: [x, positions],
    viewOf: { tensor: x, offsetBytes: 0 },
  });
}

function callRope(
  operation: "rope" | "ropeInPlace",
  arena: Arena,
  x: Tensor,
  positions: Tensor,
  options: RopeOptions,
): bigint {
  begin(operation, arena, [x, positions]);
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
  const { dimensions, mode, frequencyBase } = options;
  requireInteger(operation, "dimensions", dimensions, 2, x.shape[0]);
  requireArgument(dimensions % 2 === 0, operation, () => `dimensions ${dimensions} is odd`);
  requireArgument(mode === 0 || mode === 2, operation, () => `mode ${mode}; use ROPE_MODE`);
  const numbers = {
    frequencyBase,
    frequencyScale: options.frequencyScale ?? 1,
    extFactor: options.extFactor ?? 0,
    attentionFactor: options.attentionFactor ?? 1,
    betaFast: options.betaFast ?? 32,
    betaSlow: options.betaSlow ?? 1,
  };
  for (const [name, value] of Object.entries(numbers)) requireFinite(operation, name, value);
  requireArgument(
    frequencyBase > 0 && numbers.frequencyScale > 0,
    operation,
    () => `frequency base ${frequencyBase} and scale must be above 0`,
  );
  const originalContext = options.originalContext ?? 0;
  requireInteger(operation, "originalContext", originalContext, 0, 2 ** 31 - 1);
  const { native } = arena.library;
  return (operation === "rope" ? native.ggml_rope_ext : native.ggml_rope_ext_inplace)(
    arena.pointer,
    x.pointer,
    positions.pointer,
    null,
    dimensions,
    mode,
    originalContext,
    numbers.frequencyBase,
    numbers.frequencyScale,
    numbers.extFactor,
    numbers.attentionFactor,
    numbers.betaFast,
    numbers.betaSlow,
  );
}

/** Tensors of an attention; heads of K and V may be fewer than those of Q (grouped queries). */
export interface AttentionInputs {
  /** `[headSize, tokens, heads]`, F32, rows contiguous. */
  readonly q: Tensor;
  /** `[headSize, kvLength, kvHeads]`, F16, F32 or Q8_0, rows contiguous. */
  readonly k: Tensor;
  /** `[valueSize, kvLength, kvHeads]`, same types as K. */
  readonly v: Tensor;
  /**
   * `[kvLength, paddedMaskRows(tokens)]`, F16, 0 or -Infinity added to the scores; none = see all.
   */
  readonly mask?: Tensor;
  /** Factor of the scores, usually `1 / sqrt(headSize)`. */
  readonly scale: number;
}

/**
 * Attention without materialised scores: `softmax(q k^T * scale + mask) v`.
 * @returns `[valueSize, heads, tokens]`, F32
 * @see Dao et al. 2022, FlashAttention
 */
export function flashAttention(arena: Arena, inputs: AttentionInputs): Tensor {
  const { q, k, v, mask, scale } = inputs;
  const operation = "flashAttention";
  begin(operation, arena, mask ? [q, k, v, mask] : [q, k, v]);
  requireType(operation, q, "F32");
  requireType(operation, k, "F16", "F32", "Q8_0");
  requireType(operation, v, "F16", "F32", "Q8_0");
  for (const tensor of [q, k, v]) requireContiguousRows(operation, tensor);
  requireFinite(operation, "scale", scale);
  requireShapes(
    operation,
    q.shape[0] === k.shape[0] && q.shape[2] % k.shape[2] === 0 && q.shape[3] % k.shape[3] === 0,
    q,
    k,
    "the same head size, and query heads a multiple of the key heads",
  );
  requireShapes(
    operation,
    k.shape[1] === v.shape[1] && k.shape[2] === v.shape[2] && k.shape[3] === v.shape[3],
    k,
    v,
    "the same length and heads",
  );
  if (mask) requireMask(q, k, mask);
  const pointer = arena.library.native.ggml_flash_attn_ext(
    arena.pointer,
    q.pointer,
    k.pointer,
    v.pointer,
    mask?.pointer ?? null,
    scale,
    0,
    0,
  );
  return finish(arena, pointer, {
    operation,
    type: TENSOR_TYPE.F32,
    shape: [v.shape[0], q.shape[2], q.shape[1], q.shape[3]],
    sources: mask ? [q, k, v, mask] : [q, k, v],
  });
}

/** Rows a mask for `tokens` queries must have: ggml's kernels read whole tiles of 64. */
export function paddedMaskRows(tokens: number): number {
  return Math.ceil(tokens / 64) * 64;
}

function requireMask(q: Tensor, k: Tensor, mask: Tensor): void {
  requireType("flashAttention", mask, "F16");
  requireContiguous("flashAttention", mask);
  requireShapes(
    "flashAttention",
    mask.shape[0] === k.shape[1] &&
      mask.shape[1] >= paddedMaskRows(q.shape[1]) &&
      q.shape[2] % mask.shape[2] === 0 &&
      q.shape[3] % mask.shape[3] === 0,
    q,
    mask,
    "a mask with one column per key and one row per token, rounded up to 64 rows",
  );
}
