/** Which direction of a metric is an improvement; `none` where neither is. */
export type Better = "higher" | "lower" | "none";

/** How a number came to be. Shown wherever the number is shown. */
export const FIDELITIES = ["measured", "emulated", "simulated"] as const;
/**
 * `measured`: real work on real hardware. `emulated`: real work with an imposed limit (a throttled
 * link, a memory budget). `simulated`: virtual time.
 */
export type Fidelity = (typeof FIDELITIES)[number];

/** What a metric means. Drives table columns, charts, comparison and docs. */
export interface MetricSpec {
  /** Name for people, without its unit. */
  title: string;
  /**
   * Unit as shown beside values, e.g. `tok/s`, `MiB`, `ms`; `""` for a pure number, `%` for 0..100.
   */
  unit: string;
  better: Better;
  /** One sentence: what is counted, over what. */
  help: string;
  /** Depends on the wall clock, hence differs between runs of one seed. */
  measured: boolean;
  /** Shown in the runs table by default. */
  headline?: boolean;
  /** What the x axis counts when the metric is reported during a run, e.g. `token`. */
  step?: string;
}
