import { unknownName } from "../errors.ts";
import type { Autoscaler } from "./autoscaler.ts";
import { horizontalPodAutoscaler } from "./hpa.ts";
import { knativePodAutoscaler } from "./kpa.ts";
import { AUTOSCALER_NAMES } from "./names.ts";
import { openFaasAutoscaler } from "./openfaas.ts";

/**
 * An autoscaler by name with its published defaults.
 *
 * @throws CncError `UNKNOWN_NAME`
 */
export function createAutoscaler(name: string): Autoscaler {
  switch (name) {
    case "hpa":
      return horizontalPodAutoscaler();
    case "kpa":
      return knativePodAutoscaler();
    case "openfaas":
      return openFaasAutoscaler();
    default:
      throw unknownName("autoscaler", name, AUTOSCALER_NAMES);
  }
}
