import type { Autoscaler } from "./autoscaler.ts";

/** Settings of the Horizontal Pod Autoscaler, with Kubernetes' defaults. */
export interface HpaOptions {
  /** Busy share that is aimed at. */
  targetUtilisation: number;
  tolerance: number;
  /** The highest wish of so long counts when scaling down. */
  stabilisationMs: number;
  /** In 15 seconds up by the larger of so many pods or so large a share. */
  upPods: number;
  upShare: number;
}

const DEFAULTS: HpaOptions = {
  targetUtilisation: 0.5,
  tolerance: 0.1,
  stabilisationMs: 300_000,
  upPods: 4,
  upShare: 1,
};

/** The HPA's rule: current x metric / target, rounded up; within the tolerance nothing changes. */
export function hpaReplicas(
  current: number,
  metric: number,
  target: number,
  tolerance = 0.1,
): number {
  const ratio = metric / target;
  return Math.abs(ratio - 1) <= tolerance ? current : Math.ceil(current * ratio - 1e-9);
}

/**
 * Kubernetes' Horizontal Pod Autoscaler on utilisation, every 15 seconds. Never below one replica.
 *
 * @see kubernetes.io, Horizontal Pod Autoscaling: algorithm and default behaviour
 */
export function horizontalPodAutoscaler(options: Partial<HpaOptions> = {}): Autoscaler {
  const settings = { ...DEFAULTS, ...options };
  const wishes: { atMs: number; replicas: number }[] = [];
  return {
    name: "hpa",
    tickMs: 15_000,
    desired({ nowMs, ready, wanted, utilisation }) {
      const { targetUtilisation, tolerance, stabilisationMs, upPods, upShare } = settings;
      const wish = Math.max(
        1,
        ready === 0 ? wanted : hpaReplicas(ready, utilisation, targetUtilisation, tolerance),
      );
      wishes.push({ atMs: nowMs, replicas: wish });
      while ((wishes[0]?.atMs ?? nowMs) <= nowMs - stabilisationMs) wishes.shift();
      if (wish < wanted) {
        return Math.min(wanted, Math.max(...wishes.map(({ replicas }) => replicas)));
      }
      return Math.min(wish, Math.max(wanted + upPods, Math.ceil(wanted * (1 + upShare))));
    },
  };
}
