import type { TimelineSeries } from "@fmlab/experiment";

/**
 * A timeline in the Trace Event Format (JSON object form), which Perfetto and chrome://tracing
 * open. Times are microseconds from the timeline's zero; each lane is a thread of one process.
 */
export function traceEvents({ lanes, events }: Pick<TimelineSeries, "lanes" | "events">): string {
  const names = lanes.map((name, tid) => ({
    name: "thread_name",
    ph: "M",
    pid: 1,
    tid,
    args: { name },
  }));
  const bars = events.map(({ lane, startMs, endMs, label, category }) => ({
    name: label,
    cat: category,
    ph: "X",
    ts: startMs * 1e3,
    dur: (endMs - startMs) * 1e3,
    pid: 1,
    tid: lane,
  }));
  return JSON.stringify({ displayTimeUnit: "ms", traceEvents: [...names, ...bars] });
}
