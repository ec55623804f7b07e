import { type Autoscaler, WindowMean } from "./autoscaler.ts";

/** Settings of OpenFaaS' scaling by alert, with the gateway's defaults. */
export interface OpenFaasOptions {
  /** The alert fires above so many requests a second in the mean of 10 seconds. */
  alertRatePerSecond: number;
  min: number;
  max: number;
  /** Percent of `max` that each firing adds. */
  factor: number;
}

const DEFAULTS: OpenFaasOptions = { alertRatePerSecond: 5, min: 1, max: 5, factor: 10 };

/**
 * Replicas after one alert: a step of factor percent of the maximum while it fires, else the least.
 */
export function openFaasReplicas(
  current: number,
  isFiring: boolean,
  { min, max, factor }: Pick<OpenFaasOptions, "min" | "max" | "factor">,
): number {
  if (!isFiring) return min;
  return Math.min(max, current + Math.ceil((max / 100) * factor));
}

/**
 * OpenFaaS' community autoscaler: Prometheus fires APIHighInvocationRate, AlertManager posts it,
 * the gateway takes a step; when it is resolved the function falls back to the minimum.
 *
 * @see openfaas/faas gateway/scaling/ranges.go for the defaults; the alert's rate is recalled
 */
export function openFaasAutoscaler(options: Partial<OpenFaasOptions> = {}): Autoscaler {
  const settings = { ...DEFAULTS, ...options };
  const rate = new WindowMean(10_000);
  return {
    name: "openfaas",
    tickMs: 5000,
    desired({ nowMs, wanted, ratePerSecond }) {
      rate.add(nowMs, ratePerSecond);
      return openFaasReplicas(wanted, rate.mean() > settings.alertRatePerSecond, settings);
    },
  };
}
