import type { SeriesInput } from "@fmlab/experiment";
import type { Cluster } from "../cluster/cluster.ts";
import type { FaultSpan } from "./faults.ts";

/** Between two points of the curves, ms. */
const EVERY_MS = 1_000;

/** Throughput of a cluster over time, and what its validators suffered meanwhile. */
export class OverTime {
  readonly #cluster: Pick<Cluster, "nowMs" | "arrivals" | "inFlightCount">;
  readonly #points: { atMs: number; sent: number; ended: number }[] = [];

  constructor(cluster: Pick<Cluster, "nowMs" | "arrivals" | "inFlightCount">) {
    this.#cluster = cluster;
  }

  /** Takes a point when one is due. */
  look(): void {
    const { arrivals, inFlightCount } = this.#cluster;
    const atMs = this.#cluster.nowMs();
    const last = this.#points.at(-1);
    if (last !== undefined && atMs - last.atMs < EVERY_MS) return;
    this.#points.push({ atMs, sent: arrivals.length, ended: arrivals.length - inFlightCount });
  }

  /** Rates between two points; validators that were gone or cut off at the second of them. */
  series(spans: readonly FaultSpan[]): SeriesInput {
    const points = this.#points.slice(1).map((now, i) => {
      const before = this.#points[i] ?? now;
      const seconds = (now.atMs - before.atMs) / 1_000;
      const sent = (now.sent - before.sent) / seconds;
      return { atMs: now.atMs, sent, ended: (now.ended - before.ended) / seconds };
    });
    const suffering = (what: FaultSpan["what"]) => ({
      name: `validators ${what}`,
      y: points.map(
        ({ atMs }) =>
          spans.filter((span) => span.what === what && span.startMs <= atMs && atMs < span.endMs)
            .length,
      ),
    });
    return {
      kind: "line",
      xLabel: "time, s",
      yLabel: "transactions a second; validators",
      x: points.map(({ atMs }) => atMs / 1_000),
      curves: [
        { name: "sent", y: points.map(({ sent }) => sent) },
        { name: "ended", y: points.map(({ ended }) => ended) },
        suffering("killed"),
        suffering("catching up"),
        suffering("cut off"),
      ],
    };
  }
}
