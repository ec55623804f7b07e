import type { LayerComputeTimes } from "../../src/replay/compute-times.ts";
import type { Trace } from "../../src/traces/trace.ts";

/** What the naive simulation found. */
export interface NaiveResult {
  elapsedMs: number;
  hits: number[];
  stallMs: number[];
}

/**
 * LRU over a FIFO link, written without anything of the replayer: lists and numbers. Layers have
 * `slots` slots each, at least as many as experts a token; transfers take `transferMs`.
 */
export function naiveLru(
  trace: Trace,
  slots: number,
  transferMs: number,
  times: { graphMs: number; denseMs: number; headMs: number; layer: LayerComputeTimes },
  isReadyFirst: boolean,
): NaiveResult {
  const { shape, experts, tokenCount, positions } = trace;
  const k = shape.expertUsedCount;
  const moe = shape.moeLayers;
  const kept: number[][] = moe.map(() => []);
  const hits = moe.map(() => 0);
  const stallMs = moe.map(() => 0);
  const { layer, graphMs } = times;
  const dense = shape.layerCount - moe.length;
  let now = 0;
  for (let t = 0; t < tokenCount; t++) {
    now += dense * (times.denseMs + graphMs);
    moe.forEach((_, m) => {
      now += graphMs + layer.attentionMs + layer.attentionMsPerPosition * (positions[t] ?? 0);
      const chosen = [...experts.slice((t * moe.length + m) * k, (t * moe.length + m + 1) * k)];
      const recent = kept[m] ?? [];
      const missing = chosen.filter((e) => !recent.includes(e));
      hits[m] = (hits[m] ?? 0) + k - missing.length;
      const arrival = new Map(missing.map((e, i) => [e, now + (i + 1) * transferMs]));
      kept[m] = [...recent.filter((e) => !chosen.includes(e)), ...chosen].slice(-slots);
      const whole = layer.sharedMs + (layer.expertsMs[k] ?? 0) + layer.combineMs;
      const wait = (until: number) => {
        stallMs[m] = (stallMs[m] ?? 0) + Math.max(0, until - now);
        now = Math.max(now, until);
      };
      if (missing.length === 0 || !isReadyFirst) {
        wait(Math.max(now, ...arrival.values()));
        now += graphMs + whole;
        return;
      }
      if (layer.sharedMs > 0) now += graphMs + layer.sharedMs;
      let left = [...chosen];
      while (left.length > 0) {
        const here = left.filter((e) => (arrival.get(e) ?? 0) <= now);
        if (here.length === 0) {
          wait(arrival.get(left[0] ?? 0) ?? 0);
          continue;
        }
        left = left.filter((e) => !here.includes(e));
        now += graphMs + (layer.expertsMs[here.length] ?? 0);
      }
      now += graphMs + layer.combineMs;
    });
    now += graphMs + times.headMs;
  }
  return { elapsedMs: now, hits, stallMs };
}
