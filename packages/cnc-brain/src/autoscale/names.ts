/** Autoscalers by name. */
export const AUTOSCALER_NAMES = ["hpa", "kpa", "openfaas"] as const;
export type AutoscalerName = (typeof AUTOSCALER_NAMES)[number];
