/** Published models that the engine computes and whose sizes are known; short enough for forms. */
export const SHAPE_NAMES = [
  "mixtral-8x7b",
  "mixtral-8x22b",
  "qwen1.5-moe-a2.7b",
  "deepseek-moe-16b",
  "olmoe-1b-7b",
  "qwen3-30b-a3b",
] as const;
/** A name of `SHAPE_NAMES`. */
export type ShapeName = (typeof SHAPE_NAMES)[number];
