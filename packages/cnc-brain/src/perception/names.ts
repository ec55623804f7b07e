/** Forecasters by name. */
export const FORECASTER_NAMES = [
  "last-value",
  "moving-average",
  "seasonal-naive",
  "holt-winters",
  "histogram",
  "learned",
] as const;
export type ForecasterName = (typeof FORECASTER_NAMES)[number];
