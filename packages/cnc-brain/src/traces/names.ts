/**
 * Where invocations lie within a minute of which only their number is known: at equal distances, at
 * uniformly random times, or with exponential gaps that together fill the minute (In-Vitro has all
 * three).
 */
export const MINUTE_SPREADS = ["equidistant", "uniform", "exponential"] as const;
export type MinuteSpread = (typeof MINUTE_SPREADS)[number];
