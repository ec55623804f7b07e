/** Where a model can be computed. */
export const DEVICES = ["cpu", "cuda", "vulkan"] as const;
/** Where a model is computed. */
export type DeviceName = (typeof DEVICES)[number];
