import type { Strategy } from "../offload/strategies.ts";
import type { MissCurves } from "../policies/policy.ts";
import type { ComputeTimes } from "../replay/compute-times.ts";
import type { PlannerMachine } from "./planner-machine.ts";
import { type PlanSetup, predict } from "./predict.ts";

/** What limits the speed. */
export const BOTTLENECKS = ["compute", "link", "latency"] as const;
/** `compute`: the processor. `link`: the bandwidth of transfers. `latency`: the delay of each. */
export type Bottleneck = (typeof BOTTLENECKS)[number];

/** Predicted speed with one thing of the machine twice as good, tokens/s. */
export type Sensitivity = Readonly<Record<Bottleneck, number>>;

/**
 * Predicts the speed with computing twice as fast, twice the bandwidth, and half the delay, all
 * else equal. What gains most is the bottleneck.
 *
 * @param now  speed of the machine as it is; nothing improved makes it slower, since the better
 *             part can be used like the worse one
 */
export function speedWhenDoubled(
  setup: PlanSetup,
  strategy: Strategy,
  budgetBytes: number,
  now: number,
  missCurves?: MissCurves,
): Sensitivity {
  const { machine } = setup;
  const speedOn = (other: PlannerMachine) => {
    const found = predict({ ...setup, machine: other }, strategy, budgetBytes, missCurves);
    return Math.max(now, found?.result.tokensPerSecond ?? now);
  };
  return {
    compute: speedOn({ ...machine, times: scaleTimes(machine.times, 0.5) }),
    link: speedOn(withLink(machine, { bandwidth: 2, latency: 1 })),
    latency: speedOn(withLink(machine, { bandwidth: 1, latency: 0.5 })),
  };
}

/** The part whose doubling gains most; of equals the first in the order of `BOTTLENECKS`. */
export function bottleneckOf(sensitivity: Sensitivity): Bottleneck {
  return BOTTLENECKS.reduce((best, one) => (sensitivity[one] > sensitivity[best] ? one : best));
}

/** A machine whose links carry so many times the bytes, with so many times the delay. */
export function withLink(
  machine: PlannerMachine,
  factors: { bandwidth: number; latency: number },
): PlannerMachine {
  const scale = (link: PlannerMachine["link"]) => ({
    ...link,
    bandwidthMBps: link.bandwidthMBps * factors.bandwidth,
    latencyUs: link.latencyUs * factors.latency,
  });
  const { host, link } = machine;
  return {
    ...machine,
    link: scale(link),
    ...(host && { host: { ...host, disk: scale(host.disk) } }),
  };
}

/** All compute times multiplied. */
export function scaleTimes(times: ComputeTimes, factor: number): ComputeTimes {
  return {
    graphMs: times.graphMs * factor,
    denseMs: times.denseMs * factor,
    headMs: times.headMs * factor,
    layers: times.layers.map((layer) => ({
      attentionMs: layer.attentionMs * factor,
      attentionMsPerPosition: layer.attentionMsPerPosition * factor,
      sharedMs: layer.sharedMs * factor,
      combineMs: layer.combineMs * factor,
      expertsMs: layer.expertsMs.map((ms) => ms * factor),
      ...(layer.wholeMs !== undefined && { wholeMs: layer.wholeMs * factor }),
    })),
  };
}
