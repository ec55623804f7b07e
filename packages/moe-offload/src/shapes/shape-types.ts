import type { TensorTypeName } from "@fmlab/ggml";

/** Types that the matrices of a shape can be stored in. */
export const SHAPE_TYPES = [
  "Q4_0",
  "Q8_0",
  "F16",
  "Q4_K",
] as const satisfies readonly TensorTypeName[];
/** A type of `SHAPE_TYPES`. */
export type ShapeType = (typeof SHAPE_TYPES)[number];

/** How a shape is stored. Norms, biases and routers are F32, as llama.cpp keeps them. */
export interface ShapeStorage {
  /** Matrices of routed experts. */
  readonly experts: ShapeType;
  /** All other matrices: embedding, output, attention, shared experts, dense layers. */
  readonly dense: ShapeType;
}

/** Four bits in all matrices. */
export const DEFAULT_STORAGE: ShapeStorage = { experts: "Q4_0", dense: "Q4_0" };
