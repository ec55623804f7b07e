import type { MetricSpec } from "@fmlab/experiment";

interface Declared {
  kind: string;
  metrics: Record<string, MetricSpec>;
}

/** The one number that tells most of an experiment's runs. */
export interface KeyResult {
  key: string;
  title: string;
  unit: string;
}

/** Each experiment's first headline metric; those without any have none. */
export function keyResults(declared: Iterable<Declared>): Map<string, KeyResult> {
  const found = new Map<string, KeyResult>();
  for (const { kind, metrics } of declared) {
    const first = Object.entries(metrics).find(([, spec]) => spec.headline);
    if (first === undefined) continue;
    const [key, { title, unit }] = first;
    found.set(kind, { key, title, unit });
  }
  return found;
}

/** The headline metrics of some experiments, in their order, each once. */
export function headlineKeys(declared: Iterable<Declared>): string[] {
  const keys = [...declared].flatMap(({ metrics }) =>
    Object.entries(metrics).flatMap(([key, spec]) => (spec.headline ? [key] : [])),
  );
  return [...new Set(keys)];
}
