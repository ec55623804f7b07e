import type { Arena } from "../arena.ts";
import { requireFinite } from "../errors.ts";
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
