/** How it is chosen which missed experts the CPU computes. */
export const CPU_CHOICES = ["balanced", "always"] as const;
/**
 * `balanced`: as many as make link and CPU end soonest, by measured times. `always`: all of them
 * that lie in host memory.
 */
export type CpuChoiceName = (typeof CPU_CHOICES)[number];
