import type { MetricSpec } from "@fmlab/experiment";

/** What a run's table row holds of one curve. */
export interface CurveSummary {
  last: number | null;
  min: number | null;
  max: number | null;
  mean: number | null;
  n: number;
}

/** The curves of one metric: itself and its split by labels. */
export interface MetricGroup {
  /** Name of the declared metric. */
  base: string;
  title: string;
  unit: string;
  better: MetricSpec["better"];
  help: string;
  /** What the x axis counts. */
  step: string;
  headline: boolean;
  /**
   * Stored keys in the order they are drawn: the metric itself, then its labels, numbers by value.
   */
  keys: string[];
}

/** Splits a stored key: `hitRate{layer=3}` is `hitRate` with `layer=3`. */
export function splitMetricKey(key: string): { base: string; labels: string } {
  const found = /^([^{]*)\{(.*)\}$/.exec(key);
  return { base: found?.[1] ?? key, labels: found?.[2] ?? "" };
}

/** Groups stored keys by metric, in the definition's order; undeclared ones come last. */
export function groupMetrics(
  keys: readonly string[],
  specs: Record<string, MetricSpec>,
): MetricGroup[] {
  const groups = new Map<string, string[]>();
  for (const base of Object.keys(specs)) groups.set(base, []);
  for (const key of keys) {
    const { base } = splitMetricKey(key);
    groups.set(base, [...(groups.get(base) ?? []), key]);
  }
  return [...groups]
    .filter(([, members]) => members.length > 0)
    .map(([base, members]) => ({
      base,
      title: specs[base]?.title ?? base,
      unit: specs[base]?.unit ?? "",
      better: specs[base]?.better ?? "none",
      help: specs[base]?.help ?? "",
      step: specs[base]?.step ?? "step",
      headline: specs[base]?.headline ?? false,
      keys: members.sort((a, b) =>
        compareLabels(splitMetricKey(a).labels, splitMetricKey(b).labels),
      ),
    }));
}

const compareLabels = (a: string, b: string): number => a.localeCompare(b, "en", { numeric: true });
