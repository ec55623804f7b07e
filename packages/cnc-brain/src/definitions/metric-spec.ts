import type { MetricSpec } from "@fmlab/experiment";

/** Makes a metric's declaration from what differs between the metrics of one experiment. */
export type DeclareMetric = (
  title: string,
  unit: string,
  better: MetricSpec["better"],
  help: string,
  more?: Partial<MetricSpec>,
) => MetricSpec;

/**
 * Declares metrics that have something in common.
 *
 * @param measured whether their values are of real time
 * @param ending what every help text ends with
 */
export function declaring(measured: boolean, ending = ""): DeclareMetric {
  return (title, unit, better, help, more = {}) => ({
    title,
    unit,
    better,
    help: ending === "" ? help : `${help} ${ending}`,
    measured,
    ...more,
  });
}
