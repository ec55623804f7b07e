import { type AnyExperiment, MACHINE_METRICS, type Summary } from "@fmlab/experiment";
import type { MetricPoint } from "../context/run-event.ts";
import { columns, shortNumber } from "./terminal.ts";

interface Digest {
  n: number;
  last: number;
  min: number;
  max: number;
}

/** Last, least and greatest value of each curve, gathered as a run goes. */
export class MetricDigest {
  readonly #curves = new Map<string, Digest>();

  add({ key, value }: MetricPoint): void {
    const number = value ?? Number.NaN;
    const known = this.#curves.get(key);
    if (known === undefined) {
      this.#curves.set(key, { n: 1, last: number, min: number, max: number });
      return;
    }
    known.n += 1;
    known.last = number;
    if (Number.isNaN(number)) return;
    known.min = Number.isNaN(known.min) ? number : Math.min(known.min, number);
    known.max = Number.isNaN(known.max) ? number : Math.max(known.max, number);
  }

  /** The curve's digest under its stored key. */
  get(key: string): Digest | undefined {
    return this.#curves.get(key);
  }
}

/**
 * A run's metrics with their units, the machine's last: the summary's value, else the last point;
 * and the range.
 */
export function summaryTable(
  definition: AnyExperiment,
  summary: Summary | null,
  digest: MetricDigest,
): string {
  const specs = { ...definition.metrics, ...MACHINE_METRICS };
  const rows = Object.entries(specs).flatMap(([key, spec]) => {
    const curve = digest.get(key);
    const told = summary?.[key];
    const value = typeof told === "number" ? told : curve?.last;
    if (value === undefined) return [];
    const range =
      curve !== undefined && curve.n > 1
        ? `${shortNumber(curve.min)} .. ${shortNumber(curve.max)} over ${curve.n}`
        : "";
    return [[spec.title, shortNumber(value), spec.unit, range]];
  });
  return columns(rows);
}
