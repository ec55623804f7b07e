import type { SeriesInput } from "@fmlab/experiment";
import type { Crash } from "../runtime/world-settings.ts";

/** Points that a picture shows; more are thinned out. */
const POINTS_MAX = 1_000;

/** How much was sent and ended in each stretch of virtual time. */
export class OverTime {
  readonly #states: { nowMs: number; sent: number; inFlight: number }[] = [
    { nowMs: 0, sent: 0, inFlight: 0 },
  ];

  /** Takes what a run tells about itself, by rising time. */
  add({ nowMs, sent, inFlight }: { nowMs: number; sent: number; inFlight: number }): void {
    this.#states.push({ nowMs, sent, inFlight });
  }

  /** Rates between looks, what is in flight at each, and who was down, if anybody ever was. */
  series(crashes: readonly Crash[] = []): SeriesInput {
    const every = Math.max(1, Math.ceil(this.#states.length / POINTS_MAX));
    const states = this.#states.filter((_, i) => i % every === 0);
    const points = states.slice(1).map((now, i) => {
      const before = states[i] ?? now;
      const seconds = (now.nowMs - before.nowMs) / 1_000;
      const ended = now.sent - now.inFlight - (before.sent - before.inFlight);
      return { ...now, sentTps: (now.sent - before.sent) / seconds, endedTps: ended / seconds };
    });
    return {
      kind: "line",
      xLabel: "virtual time, s",
      yLabel: "transactions a second; in flight",
      x: points.map(({ nowMs }) => nowMs / 1_000),
      curves: [
        { name: "sent", y: points.map(({ sentTps }) => sentTps) },
        { name: "ended", y: points.map(({ endedTps }) => endedTps) },
        { name: "in flight", y: points.map(({ inFlight }) => inFlight) },
        ...(crashes.length === 0
          ? []
          : [{ name: "validators down", y: points.map(({ nowMs }) => downAt(crashes, nowMs)) }]),
      ],
    };
  }
}

/** Validators that had stopped and were not back. */
function downAt(crashes: readonly Crash[], atMs: number): number {
  return crashes.filter(
    (one) => one.atMs <= atMs && atMs < (one.backMs ?? Number.POSITIVE_INFINITY),
  ).length;
}
