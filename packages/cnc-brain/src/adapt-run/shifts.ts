/** Shifts that can be planted. */
export const SHIFTS = ["none", "traffic", "node-loss", "region-outage"] as const;
export type Shift = (typeof SHIFTS)[number];
